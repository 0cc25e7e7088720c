"""Local mode: the four services inside this process, on loopback ports chosen by the system.

This is a `main()` of its own: it alone in this package knows the services, and it is imported lazily.
"""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from thanosql.clients import QueryClient
from thanosql.connection import NO_QUERY
from thanosql.errors import DataError, InvalidOption, NotFound, ThanoSQLError, Unavailable
from thanosql.rpc.caller import name_caller
from thanosql.rpc.channel import open_channel
from thanosql.rpc.logs import RequestFilter
from thanosql.running import Hold, Running, hold, read_note

if TYPE_CHECKING:
    import grpc

    from thanosql.configuration import ServiceConfig
    from thanosql.rpc.server import RunningServer

    C = TypeVar("C", bound=ServiceConfig)
PACKAGES = ("duckdb", "sqlalchemy", "alembic", "sqlglot", "soundfile", "soxr", "onnxruntime", "torch", "transformers")
"""What the services need beside what the client needs; looked for, not imported, before they start."""
SERVICES = ("catalog_service", "trainer_service", "inference_service", "query_service")
STOP_WITHIN = 0.5
"""Seconds that running calls may take when the services stop."""
LOG = "local.log"
"""File in the state folder that the services write their log to."""
START_WITHIN = 30.0
"""Seconds for which to wait for services that another process is just starting."""


@dataclass
class Engine:
    """The four services of one workspace, shared by the sessions of this process."""

    workspace: Path
    state: Path
    running: Running
    stop: Callable[[], None]
    sessions: int = 0
    pid: int = field(default_factory=os.getpid)


_engines: dict[Path, Engine] = {}
_lock = threading.RLock()


class Local:
    """A connection to the services of a workspace, in this process or in another of this user."""

    def __init__(self, running: Running, state: Path, description: str, close: Callable[[], None]) -> None:
        self.description, self.log = description, running.log
        self._running, self._state, self._close = running, state, close
        self._channel: grpc.Channel = open_channel(running.address, running.token)
        self.client = QueryClient(self._channel, caller=name_caller())

    def is_alive(self) -> bool:
        """Whether the services that this leads to still run."""
        return read_note(self._state) == self._running and self._running.is_alive()

    def close(self) -> None:
        """Lets go; the last session of the process that started the services stops them."""
        self._channel.close()
        self._close()


def open_local(workspace: Path, state: Path) -> Local:
    """A connection to the services of `workspace`, which are started if no process runs them yet.

    Raises:
        NotFound: there is no such folder.
        Unavailable: packages are missing, or the process that holds the workspace does not answer.
    """
    workspace, state = workspace.resolve(), state.resolve()
    if not workspace.is_dir():
        raise NotFound(f"there is no folder {workspace}", hint="The workspace is the folder that holds your files.")
    with _lock:
        engine = _engines.get(state)
        if engine is not None and engine.pid == os.getpid():
            return _share(engine, workspace)
        held = hold(state)
        if held is not None:
            return _share(_start(workspace, state, held), workspace)
    return _join(workspace, state)


def _share(engine: Engine, workspace: Path) -> Local:
    _check_workspace(workspace, engine.running, engine.state)
    description = f"local, workspace {engine.workspace}"
    connection = Local(engine.running, engine.state, description, lambda: _leave(engine))
    engine.sessions += 1
    return connection


def _check_workspace(workspace: Path, running: Running, state: Path) -> None:
    if running.workspace != str(workspace):
        raise DataError(
            f"the state folder {state} is in use for the workspace {running.workspace}",
            hint="Give each workspace a state folder of its own.",
        )


def _leave(engine: Engine) -> None:
    with _lock:
        engine.sessions -= 1
        if engine.sessions == 0:
            engine.stop()


def _start(workspace: Path, state: Path, held: Hold) -> Engine:
    with ExitStack() as undo:
        undo.callback(held.release)
        undo.callback(_log_to(state / LOG))
        token = secrets.token_urlsafe(32)
        address = _start_services(workspace, state, token, undo)
        running = Running(address, token, str(workspace), os.getpid(), str(state / LOG))
        held.announce(running)
        engine = Engine(workspace, state, running, stop=lambda: None)
        undo.callback(_engines.pop, state, None)
        steps = undo.pop_all()

    def stop() -> None:
        if engine.pid == os.getpid():  # a fork of this process has the object, but not the threads
            steps.close()

    engine.stop = stop
    _stop_at_exit()
    _engines[state] = engine
    return engine


def check_packages() -> None:
    """Raises `Unavailable`, with the command that installs them, where packages are missing that the services need."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"the services need packages that are not installed here: {', '.join(missing)}",
            hint="pip install 'thanosql-speech[all]', or connect to a server: connect('host:port').",
        )


def _start_services(workspace: Path, state: Path, token: str, undo: ExitStack) -> str:
    """Starts the services, in the order in which they need each other; the query service's address."""
    check_packages()
    from catalog_service import __main__ as catalog_main
    from catalog_service.config import CatalogConfig
    from inference_service import __main__ as inference_main
    from inference_service.config import InferenceConfig
    from query_service import __main__ as query_main
    from query_service.config import QueryConfig
    from trainer_service import __main__ as trainer_main
    from trainer_service.config import TrainerConfig

    common: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "token": token, "grace": STOP_WITHIN}
    folders: dict[str, Any] = {"workspace": workspace, "state": state}

    def configure(config: type[C], **addresses: Any) -> C:
        try:
            return config.from_env(**common, **folders, **addresses)
        except ValueError as error:
            raise InvalidOption(f"a setting in the environment cannot be used: {error}") from None

    def started(server: RunningServer) -> str:
        undo.callback(server.stop, STOP_WITHIN)
        return server.address

    catalog = started(catalog_main.start(configure(CatalogConfig)))
    trainer = started(trainer_main.start(configure(TrainerConfig, catalog=catalog)))
    inference = started(inference_main.start(configure(InferenceConfig)))
    config = configure(QueryConfig, catalog=catalog, trainer=trainer, inference=inference)
    return started(query_main.start(config))


def _log_to(file: Path) -> Callable[[], None]:
    """Sends the services' log to `file`, and not to the user's screen; gives what ends that."""
    writer = RotatingFileHandler(file, maxBytes=4_000_000, backupCount=1, delay=True, encoding="utf-8")
    writer.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s [%(request_id)s] %(message)s"))
    writer.addFilter(RequestFilter())
    loggers = [logging.getLogger(name) for name in (*SERVICES, "thanosql")]
    for logger in loggers:
        logger.addHandler(writer)
        logger.setLevel(logging.INFO)

    def end() -> None:
        for logger in loggers:
            logger.removeHandler(writer)
        writer.close()

    return end


def _join(workspace: Path, state: Path) -> Local:
    """A connection to services that another process runs."""
    deadline = time.monotonic() + START_WITHIN
    while (running := read_note(state)) is None:
        held = hold(state)
        if held is not None:  # it has ended meanwhile
            held.release()
            return open_local(workspace, state)
        if time.monotonic() > deadline:
            raise Unavailable(
                f"another process holds {state} and does not say where its services are",
                hint="It may be starting or stopping; try again, or give connect(state=…) another folder.",
            )
        time.sleep(0.05)
    _check_workspace(workspace, running, state)
    connection = Local(running, state, f"local, workspace {workspace}, run by process {running.pid}", lambda: None)
    try:
        connection.client.cancel(NO_QUERY)
    except NotFound:
        pass
    except ThanoSQLError as error:
        connection.close()
        raise Unavailable(
            f"the services of {workspace} are run by process {running.pid}, which does not answer ({error.message})",
            hint="Wait for it, or end it; the workspace's tables are open in one process at a time.",
        ) from None
    return connection


def _stop_all() -> None:
    for engine in list(_engines.values()):
        engine.stop()


@cache
def _stop_at_exit() -> None:
    """Has every engine stopped when the program ends.

    `atexit` is too late: before it, Python waits for the threads of the servers' pools, which may wait for a caller
    that reads no more. What the pools themselves use comes earlier, in the reverse order of registration: so this is
    to be called when they exist.
    """
    getattr(threading, "_register_atexit", atexit.register)(_stop_all)
