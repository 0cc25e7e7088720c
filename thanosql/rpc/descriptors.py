"""Finds descriptors in several pools, for gRPC's reflection: the Open Inference Protocol's are in one of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool


class Descriptors:
    """What a reflection servicer asks of a pool, asked of `own`, and then of the process's pool.

    Args:
        own: First, since the process's pool may hold another program's definitions of the same names.
    """

    def __init__(self, *own: descriptor_pool.DescriptorPool) -> None:
        self._pools = (*own, descriptor_pool.Default())

    def FindFileByName(self, name: str) -> Any:  # noqa: N802
        """The file of that name."""
        return self._find(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        """The file that defines a message, service or method."""
        return self._find(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        """The message of that full name."""
        return self._find(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:  # noqa: N802
        """An extension of a message."""
        return self._find(lambda pool: pool.FindExtensionByNumber(message, number))

    def FindAllExtensions(self, message: Any) -> Any:  # noqa: N802
        """All extensions of a message."""
        return message.file.pool.FindAllExtensions(message)

    def _find(self, look: Callable[[Any], Any]) -> Any:
        """Raises `KeyError` where no pool has it, as a pool does."""
        for pool in self._pools[:-1]:
            try:
                return look(pool)
            except KeyError:
                continue
        return look(self._pools[-1])
