"""A service's settings: one frozen dataclass, read from the command line and the environment.

Every field of a configuration has `metadata={"help": …}`. The field `batch_seconds` of the inference
service is the option `--batch-seconds` and the variable `THANOSQL_INFERENCE_BATCH_SECONDS`; the
fields of `ServiceConfig` are read as `THANOSQL_…` too, for all services at once. Each variable has a sister that
ends in `_FILE` and names a file with the value, for secrets that are mounted.
"""

from __future__ import annotations

import argparse
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from thanosql.errors import Unavailable
from thanosql.workspace import DEFAULT_WORKSPACE, check_apart, is_name

PREFIX = "THANOSQL"
FROM_FILE = "_FILE"
"""Ending of the variables that name a file with the value."""

C = TypeVar("C", bound="ServiceConfig")


def setting(default: Any, help: str) -> Any:
    """A field of a configuration, with the sentence that `--help` shows."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Folders:
    """Where the things of one workspace lie."""

    root: Path
    """The users' files: what the paths in statements are relative to."""
    models: Path
    """The model store."""
    state: Path
    """Tables and jobs, where they are files."""


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """What every service needs to know."""

    service: ClassVar[str]
    """Name of the service: "catalog"."""

    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(0, "port to listen on; 0: chosen by the system")
    token: str = setting(
        "",
        "the installation's secret, which the services send one another; whoever sends it to the query service is an "
        "administrator; empty: none is asked for",
    )
    insecure: bool = setting(False, "listen where other machines reach it although no token is asked for")
    grace: float = setting(10.0, "seconds that running calls may take after SIGTERM")
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    log_format: str = setting("text", "text or json: how a line of the log is written")
    otlp_endpoint: str = setting("", "OTLP collector (gRPC) that traces are sent to, http://host:4317; empty: none")
    metrics_port: int | None = setting(
        None, "port of /metrics for Prometheus; 0: any free one; not given: none is opened"
    )
    workspace: Path = setting(Path(), "folder that the paths in statements are relative to")
    state: Path = setting(Path(".thanosql"), "folder for metadata, tables, models and jobs")
    workspaces: Path | None = setting(
        None, "folder in which every workspace but the first has a folder for its files; not given: state/workspaces"
    )

    def __post_init__(self) -> None:
        """Raises `ValueError` where the further workspaces would lie in the first one's root."""
        if self.workspaces is not None:
            try:
                check_apart(self.workspace, self.workspaces / "*")  # whatever its name
            except Unavailable as error:
                raise ValueError(f"{error.message}. {error.hint}") from error

    @property
    def models(self) -> Path:
        """The model store of the first workspace."""
        return self.state / "models"

    def folders(self, workspace: str) -> Folders:
        """Where the things of a workspace lie; its name is a checked one (`thanosql.workspace.check_name`).

        Raises:
            Unavailable: its files would lie where the first workspace reads.
        """
        if workspace == DEFAULT_WORKSPACE:
            return Folders(self.workspace, self.models, self.state)
        state = self.state / "workspaces" / workspace
        root = state / "files" if self.workspaces is None else self.workspaces / workspace
        check_apart(self.workspace, root, state)
        return Folders(root, state / "models", state)

    def of(self, workspace: str) -> Self:
        """These settings with the folders of a workspace, for what works inside one; see `folders`."""
        if workspace == DEFAULT_WORKSPACE:
            return self
        folders = self.folders(workspace)
        return replace(self, workspace=folders.root, state=folders.state)

    def list_workspaces(self) -> list[str]:
        """The first workspace, and the others that have a folder for their state here."""
        there = self.state / "workspaces"
        names = (
            sorted(each.name for each in there.iterdir() if is_name(each.name) and each.name != DEFAULT_WORKSPACE)
            if there.is_dir()
            else []
        )
        return [DEFAULT_WORKSPACE, *names]

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, **given: Any) -> Self:
        """Reads the environment; `given` values win.

        Raises:
            ValueError: a variable's value is not of its field's type; the message names it.
        """
        types_of = typing.get_type_hints(cls)
        values = dict(given)
        for each in _settings(cls):
            for variable in reversed(variables(cls, each.name)):
                text = None if each.name in given else _read(environment, variable)
                if text:
                    try:
                        values[each.name] = _parse(types_of[each.name], text)
                    except ValueError as error:
                        if not environment.get(variable):  # what stands in a file may be a secret
                            raise ValueError(f"the file of {variable}{FROM_FILE} has no value of its type") from None
                        raise ValueError(f"{variable}={text!r}: {error}") from error
        return cls(**values)


def variables(config: type[ServiceConfig], name: str) -> tuple[str, ...]:
    """The environment variables that a setting is read from; the first that is set wins."""
    own = f"{PREFIX}_{config.service.upper()}_{name.upper()}"
    shared = name in {f.name for f in fields(ServiceConfig)} and name != "port"
    return (own, f"{PREFIX}_{name.upper()}") if shared else (own,)


def parse_arguments(config: type[C], arguments: Sequence[str] | None, program: str) -> C:
    """A configuration from the command line, then the environment, then the defaults."""
    types_of = typing.get_type_hints(config)
    parser = argparse.ArgumentParser(
        prog=program,
        description=(config.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    for each in _settings(config):
        variable = " or ".join(variables(config, each.name))
        default = "" if each.default in ("", None, MISSING) else f" (default: {each.default})"
        options: dict[str, Any] = {"help": f"{each.metadata['help']}{default} [{variable}]"}
        if types_of[each.name] is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            kind = types_of[each.name]
            options["type"] = lambda text, kind=kind: _parse(kind, text)
            options["metavar"] = _plain(kind).__name__.upper()
        parser.add_argument("--" + each.name.replace("_", "-"), **options)
    given = vars(parser.parse_args(arguments))
    try:
        return config.from_env(**given)
    except ValueError as error:
        parser.error(str(error))


def _read(environment: Mapping[str, str], variable: str) -> str | None:
    """The value of a variable, or what stands in the file that its sister names; None: neither is set."""
    if environment.get(variable):
        return environment[variable]
    file = environment.get(variable + FROM_FILE)
    if not file:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{variable}{FROM_FILE}={file!r} cannot be read: {error}") from error


def _settings(config: type[ServiceConfig]) -> list[Field[Any]]:
    return [each for each in fields(config) if "help" in each.metadata]


def _plain(kind: Any) -> Any:
    """`int` for `int | None`."""
    if isinstance(kind, types.UnionType):
        (kind,) = (each for each in kind.__args__ if each is not type(None))
    return kind


def _parse(kind: Any, text: str) -> Any:
    kind = _plain(kind)
    if kind is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError("give true or false")
    return kind(text)
