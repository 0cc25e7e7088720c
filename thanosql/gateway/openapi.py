"""The OpenAPI document of the gateway: every route, what it takes, and what it answers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.formats import Format
from thanosql.gateway.results import FORMATS
from thanosql.gateway.schemas import SCHEMAS, TEXT, reference

DESCRIPTIONS = {
    400: "The request makes no sense, or the recording or statement cannot be used.",
    401: "The token is missing or wrong.",
    403: "The token's role does not go so far.",
    404: "There is no such thing.",
    406: "None of the formats in Accept can be had.",
    408: "The body did not come in time.",
    409: "It ended otherwise: a name is taken, it was cancelled, or a training failed.",
    413: "The body is too large.",
    415: "The body is of another kind.",
    429: "There is too much to do: try again after Retry-After seconds.",
    500: "A fault of the server; its log has it under the request id.",
    503: "A service cannot be reached.",
    504: "It took too long.",
}
ALWAYS = (401, 403, 429, 500, 503, 504)


def document(config: GatewayConfig) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ThanoSQL Speech",
            "version": _version(),
            "description": "Speech recognition through SQL, over HTTP. Transcription is asked for as in OpenAI's API.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/audio/transcriptions": {"post": _transcription(config)},
            "/v1/models": {"get": _read("List the models", "Models")},
            "/v1/models/{id}": {"get": _read("One model", "Model", 404), "parameters": [_in_path("Name of a model.")]},
            "/v1/query": {"post": _query()},
            "/v1/jobs": {"get": _read("List statements and trainings", "Jobs")},
            "/v1/jobs/{id}": {
                "parameters": [_in_path("Id of a query or job; its first characters are enough.")],
                "get": _read("One of them", "Job", 404),
                "delete": {
                    "summary": "Stop it",
                    "operationId": "cancelJob",
                    "parameters": [_WORKSPACE],
                    "responses": {"204": {"description": "It is stopped."}, **_failures(400, 404, 409)},
                },
            },
            "/v1/jobs/{id}/result": {
                "parameters": [_in_path("Id of a query; its first characters are enough.")],
                "get": {
                    "summary": "What a query gives, from its beginning; follows it to its end",
                    "operationId": "readResult",
                    "parameters": [_WORKSPACE],
                    "responses": {"200": _results(), **_failures(400, 404, 406, 409)},
                },
            },
            "/openapi.json": {"get": _open("This document", "readApi", "application/json", {"type": "object"})},
            "/live": {"get": _open("Whether the gateway is there", "tellLive", "text/plain", TEXT)},
            "/ready": {
                "get": _open(
                    "Whether the query service answers it", "tellReady", "text/plain", TEXT, *_failures(503).items()
                )
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "As of connect(token=…)."}
            },
        },
    }


_WORKSPACE = {
    "name": "ThanoSQL-Workspace",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
    "description": "For administrators: the workspace; others have that of their token.",
}


def _transcription(config: GatewayConfig) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "application/json": {
            "schema": {"anyOf": [reference("VerboseTranscription"), reference("Transcription")]},
        }
    }
    kinds |= {each.media_type.partition(";")[0]: {"schema": TEXT} for each in (Format.TEXT, Format.SRT, Format.VTT)}
    kinds["text/event-stream"] = {"schema": TEXT}
    return {
        "summary": "Transcribe a recording",
        "operationId": "createTranscription",
        "description": f"Recordings of up to {config.upload_bytes / 2**20:g} MiB.",
        "parameters": [_WORKSPACE],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": reference("TranscriptionRequest"),
                    # One field for each value, as browsers and OpenAI's clients write lists.
                    "encoding": {"timestamp_granularities[]": {"style": "form", "explode": True}},
                }
            },
        },
        "responses": {
            "200": {"description": "The transcript, in the response_format.", "content": kinds},
            **_failures(400, 404, 408, 409, 413, 415),
        },
    }


def _query() -> dict[str, Any]:
    prefer = {
        "name": "Prefer",
        "in": "header",
        "schema": {"type": "string", "enum": ["respond-async"]},
        "description": "respond-async: the answer is sent when the statements are taken, and they go on by themselves.",
    }
    return {
        "summary": "Run statements",
        "operationId": "runQuery",
        "description": "The statements are stopped where the caller leaves before their end.",
        "parameters": [_WORKSPACE, prefer],
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference("QueryRequest")}}},
        "responses": {
            "200": _results(),
            "202": {
                "description": "They run.",
                "headers": {"Location": {"schema": TEXT, "required": True}, **_QUERY_ID},
                "content": {"application/json": {"schema": reference("Accepted")}},
            },
            **_failures(400, 404, 406, 408, 409, 413),
        },
    }


_QUERY_ID = {"ThanoSQL-Query-Id": {"schema": TEXT, "required": True, "description": "For /v1/jobs/{id}."}}


def _results() -> dict[str, Any]:
    content: dict[str, Any] = {kind: {"schema": TEXT} for kind in FORMATS}
    content["application/json"] = {"schema": reference("Results")}
    content["application/vnd.apache.arrow.stream"] = {"schema": {}}
    return {
        "description": "The results, in the first format of Accept that can be had. CSV and Arrow hold one table.",
        "headers": _QUERY_ID,
        "content": content,
    }


def _read(summary: str, shape: str, *failures: int) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": f"read{shape}",
        "parameters": [_WORKSPACE],
        "responses": {
            "200": {"description": "Here it is.", "content": {"application/json": {"schema": reference(shape)}}},
            **_failures(400, *failures),
        },
    }


def _open(summary: str, name: str, kind: str, shape: Any, *more: tuple[str, Any]) -> dict[str, Any]:
    """What is read without a token."""
    return {
        "summary": summary,
        "operationId": name,
        "security": [],
        "responses": {"200": {"description": "Here it is.", "content": {kind: {"schema": shape}}}, **dict(more)},
    }


def _failures(*statuses: int) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in sorted({*statuses, *ALWAYS}):
        responses[str(status)] = {
            "description": DESCRIPTIONS[status],
            "content": {"application/json": {"schema": reference("Error")}},
        }
        if status in (429, 503):
            responses[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return responses


def _in_path(description: str) -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": description,
    }


def _version() -> str:
    try:
        return version("thanosql-speech")
    except PackageNotFoundError:
        return "0"
