"""Writes docs/configuration.md from the services' configurations: `python docs/write_configuration.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from catalog_service.config import CatalogConfig
from inference_service.config import InferenceConfig
from query_service.config import QueryConfig
from thanosql.configuration import ServiceConfig, variables
from thanosql.gateway.config import GatewayConfig
from trainer_service.config import TrainerConfig

FILE = Path(__file__).with_name("configuration.md")

SERVICES: tuple[type[ServiceConfig], ...] = (QueryConfig, CatalogConfig, TrainerConfig, InferenceConfig, GatewayConfig)

HEAD = """# Configuration

<!-- Written by docs/write_configuration.py from the configurations of the services; a test compares the two. -->

Every service is configured by one frozen dataclass (`<service>/config.py`). A field is an option of `thanosql serve
SERVICE` and an environment variable; an option wins over a variable, a variable of one service (`THANOSQL_QUERY_HOST`)
over that of all (`THANOSQL_HOST`), and either over the default. Each variable has a sister that ends in `_FILE` and
names a file with the value (`THANOSQL_TOKEN_FILE=/run/secrets/token`): give secrets so.

`thanosql serve SERVICE --help` shows the same, and `thanosql doctor` looks whether what is set will work.
"""


def text() -> str:
    """The whole page."""
    parts = [HEAD, "## All services\n", *_table(_shared(), QueryConfig, shared=True)]
    for config in SERVICES:
        parts += [
            f"\n## {'HTTP gateway' if config is GatewayConfig else f'{config.service}_service'}\n",
            f"{(config.__doc__ or '').strip()}\n",
            *_table(_own(config), config),
        ]
    parts += ["\n## Clients\n", *_clients()]
    return "\n".join(parts) + "\n"


def _shared() -> list[Field[Any]]:
    return [each for each in fields(ServiceConfig) if each.name != "port"]


def _own(config: type[ServiceConfig]) -> list[Field[Any]]:
    shared = {each.name for each in _shared()}
    return [each for each in fields(config) if each.name not in shared]


def _table(settings: list[Field[Any]], config: type[ServiceConfig], *, shared: bool = False) -> Iterator[str]:
    yield "| option | variable | default | what it is |"
    yield "|---|---|---|---|"
    for each in settings:
        names = variables(config, each.name)
        option = "--" + each.name.replace("_", "-")
        words = each.metadata["help"].replace("|", "\\|")
        yield f"| `{option}` | `{names[-1] if shared else names[0]}` | {_default(each.default)} | {words} |"


def _default(value: Any) -> str:
    if value in ("", None, MISSING):
        return ""
    return f"`{value}`"


def _clients() -> Iterator[str]:
    from thanosql.cli import ENVIRONMENT

    yield "What the SDK, the notebook magic and the `thanosql` command read; arguments win.\n"
    yield "```"
    yield from (line.strip() for line in ENVIRONMENT.splitlines()[1:])
    yield "```"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
