"""`POST /v1/query` and `/v1/jobs`: statements in, rows out, and what becomes of those that go on."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from thanosql.clients import QueryClient
from thanosql.errors import NotFound, ThanoSQLError
from thanosql.gateway.callers import Callers
from thanosql.gateway.failures import Refusal, invalid
from thanosql.gateway.results import FORMATS, Write
from thanosql.gateway.statements import run_statement
from thanosql.gateway.threads import read_in_threads, unless_left
from thanosql.json_rows import as_json
from thanosql.parameters import Parameter, read_parameters
from thanosql.rpc.logs import set_query_id
from thanosql.types import Event

QUERY_HEADER = "ThanoSQL-Query-Id"

_ID = re.compile(r"[0-9a-fA-F-]{4,36}")


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Statements that somebody sends."""

    text: str
    parameters: tuple[Parameter, ...] = field(default=(), repr=False)


class Queries:
    """Runs statements, and tells of those that run."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def run(self, request: Request) -> Response:
        """Runs a text; the statement is stopped where its caller leaves, unless it is sent to go on by itself."""
        client, (write, kind) = self._callers.client(request), choose_format(request.headers.get("accept", ""))
        asked = read_query(await request.body())
        query_id = str(uuid.uuid4())
        set_query_id(query_id)
        events = client.execute(asked.text, query_id, asked.parameters)
        if "respond-async" in [each.strip().lower() for each in request.headers.get("prefer", "").split(",")]:
            return await _leave_running(events, query_id)
        return await _answer(request, write(events, query_id), kind, query_id, lambda: _cancel(client, query_id))

    async def list(self, request: Request) -> Response:
        """Statements and trainings, the newest first: LIST JOBS."""
        rows = await asyncio.to_thread(run_statement, self._callers.client(request), "LIST JOBS")
        return JSONResponse({"object": "list", "data": [as_json(row) for row in rows]})

    async def get(self, request: Request) -> Response:
        """One of them: what DESCRIBE JOB tells."""
        client, id = self._callers.client(request), read_id(request)
        rows = await asyncio.to_thread(run_statement, client, "DESCRIBE JOB :id", id=id)
        return JSONResponse({name: as_json(value) for name, value in (row.values() for row in rows)})

    async def result(self, request: Request) -> Response:
        """What a statement gives, from its beginning, as `run` would have given it; the statement goes on."""
        client, id = self._callers.client(request), read_id(request)
        write, kind = choose_format(request.headers.get("accept", ""))
        return await _answer(request, write(client.attach(id), id), kind, id, lambda: None)

    async def cancel(self, request: Request) -> Response:
        """Stops a statement or a training: CANCEL JOB."""
        client, id = self._callers.client(request), read_id(request)
        await asyncio.to_thread(run_statement, client, "CANCEL JOB :id", id=id)
        return Response(status_code=204)


def read_id(request: Request) -> str:
    """The id in the path, or its first characters.

    Raises:
        NotFound: nothing has such an id.
    """
    id = str(request.path_params["id"])
    if not _ID.fullmatch(id):
        raise NotFound(f"{id[:40]!r} is no id of a job", hint="GET /v1/jobs lists them.")
    return id.lower()


def read_query(body: bytes) -> QueryRequest:
    """Reads the body of a request: `{"query": "…", "parameters": {…}}`.

    Raises:
        Refusal: it is not of this form.
        DataError: a parameter has no counterpart in SQL.
    """
    try:
        given: Any = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        hint = 'Send {"query": "SELECT …"}, in UTF-8.'
        raise Refusal(400, "the body is no JSON object", "invalid_json", hint=hint)
    for name in given:
        if name not in ("query", "parameters"):
            hint = "There are query and parameters."
            raise invalid(name[:100], f"there is no field {name[:100]!r}", hint=hint, code="unknown_parameter")
    text, parameters = given.get("query"), given.get("parameters")
    if not isinstance(text, str):
        raise Refusal(400, "the field query is missing, or is no text", "missing_required_parameter", "query")
    if not _is_unicode(text):
        raise invalid("query", "the query holds half a character (a lone surrogate)")
    if parameters is not None and not isinstance(parameters, dict | list):
        raise invalid("parameters", "parameters are neither an object (for :name) nor a list (for ?)")
    for value in parameters.values() if isinstance(parameters, dict) else parameters or ():
        if isinstance(value, dict):
            raise invalid("parameters", "the value of a parameter is an object", hint="Give a value or a list of them.")
    return QueryRequest(text, read_parameters(parameters))


def choose_format(accept: str) -> tuple[Write, str]:
    """How the result is written, and what Content-Type says, from the header Accept; JSON where all will do.

    Raises:
        Refusal: nothing that is asked for can be had.
    """
    wanted: list[tuple[float, str]] = []
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        name, *options = (each.strip().lower() for each in part.split(";"))
        quality = next((each[2:] for each in options if each.startswith("q=")), "1")
        wanted.append((float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0, name))
    for share, name in sorted(wanted, key=lambda each: -each[0]):
        for offered, how in FORMATS.items():
            if share and name in (offered, "*/*", offered.partition("/")[0] + "/*"):
                return how
    raise Refusal(
        406, "none of the formats in Accept can be had", "not_acceptable", hint=f"There are {', '.join(FORMATS)}."
    )


async def _answer(
    request: Request, body: Generator[bytes], kind: str, query_id: str, stop: Callable[[], object]
) -> Response:
    """The response whose body comes piece by piece; an error before its first piece is raised."""
    first = await unless_left(request, lambda: next(body, b""), stop)

    async def pieces() -> AsyncIterator[bytes]:
        is_whole = False
        try:
            yield first
            async with aclosing(read_in_threads(body)) as others:
                async for piece in others:
                    yield piece
            is_whole = True
        finally:
            if not is_whole:
                # In a thread of its own, since whoever runs this is being cancelled.
                asyncio.get_running_loop().run_in_executor(None, stop)

    return StreamingResponse(pieces(), headers={QUERY_HEADER: query_id, "Content-Type": kind})


async def _leave_running(events: Any, query_id: str) -> Response:
    """The response to who does not wait for the result; the statement has been taken when it is sent."""

    def begin() -> Event | None:
        try:
            return next(events, None)
        finally:
            events.close()

    await asyncio.to_thread(begin)
    where = f"/v1/jobs/{query_id}"
    headers = {QUERY_HEADER: query_id, "Location": where, "Preference-Applied": "respond-async"}
    return JSONResponse({"id": query_id, "job": where, "result": f"{where}/result"}, 202, headers)


def _cancel(client: QueryClient, query_id: str) -> None:
    with suppress(ThanoSQLError, ValueError):  # it has ended, or the gateway has
        client.cancel(query_id)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
