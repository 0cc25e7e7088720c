"""Health of the models (grpc.health.v1), beside that of the process: `models/<name>` and `models/<name>/<version>`."""

from __future__ import annotations

from collections import defaultdict

from thanosql.rpc.health import HealthStates
from thanosql.types import ServingState


class ModelHealth:
    """Is told how each version stands, in order, and sets what health checks are told.

    A version serves while it is in memory; one that is broken does not, and neither does one that was freed, which the
    next call loads again. A model serves while any of its versions does. What was never loaded is unknown.

    Args:
        states: What the checks are answered from.
    """

    def __init__(self, states: HealthStates) -> None:
        self._states = states
        self._ready: defaultdict[str, set[int]] = defaultdict(set)

    def change(self, name: str, version: int, state: ServingState) -> None:
        """The version is in that state from now on."""
        ready = self._ready[name]
        if state is ServingState.READY:
            ready.add(version)
        else:
            ready.discard(version)
        self._states.set(f"models/{name}/{version}", version in ready)
        self._states.set(f"models/{name}", bool(ready))
