"""The models that may be named in a request, as OpenAI's API tells them, and their languages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from thanosql.clients import QueryClient
from thanosql.errors import UnknownModel
from thanosql.gateway.callers import Callers
from thanosql.gateway.failures import respond
from thanosql.gateway.statements import run_statement

HINTED_MODELS = 20
"""As many are named to who asks for one that is not there."""


class Models:
    """`GET /v1/models` and `GET /v1/models/{id}`."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def list(self, request: Request) -> Response:
        """All models of the caller's workspace."""
        client = self._callers.client(request)
        models = await asyncio.to_thread(list_models, client)
        return JSONResponse({"object": "list", "data": models})

    async def get(self, request: Request) -> Response:
        """One of them."""
        client, name = self._callers.client(request), request.path_params["id"]
        models = await asyncio.to_thread(list_models, client)
        for model in models:
            if model["id"] == name:
                return JSONResponse(model)
        return respond(unknown_model(name, models), "model")


def list_models(client: QueryClient) -> list[dict[str, Any]]:
    """The newest version of each model, by name; beside OpenAI's fields what LIST MODEL knows."""
    newest: dict[str, dict[str, Any]] = {}
    for row in run_statement(client, "LIST MODEL"):
        if row["version"] > newest.get(row["name"], {"version": 0})["version"]:
            newest[row["name"]] = row
    return [_describe(newest[name]) for name in sorted(newest)]


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    written: datetime = row["last_updated_utc"]
    return {
        "id": row["name"],
        "object": "model",
        "created": int(written.replace(tzinfo=UTC).timestamp()),
        "owned_by": "thanosql",
        "version": row["version"],
        "class_name": row["class_name"],
        "wer": row["wer"],
    }


def find_language(client: QueryClient, model: str) -> str:
    """The language that a model writes, as ISO 639-1; empty where that is not known.

    Raises:
        UnknownModel: there is none of that name.
    """
    models = list_models(client)
    found = next((each for each in models if each["id"] == model), None)
    if found is None:
        raise unknown_model(model, models)
    bases = run_statement(client, "LIST THANOSQL MODEL")
    language = next((each["language"] for each in bases if each["name"] == found["class_name"]), "")
    return str(language or "")


def unknown_model(name: str, models: list[dict[str, Any]]) -> UnknownModel:
    """What somebody gets who names a model that is not there."""
    names = [each["id"] for each in models]
    more = f" and {len(names) - HINTED_MODELS} more" if len(names) > HINTED_MODELS else ""
    hint = (
        f"The models here are {', '.join(names[:HINTED_MODELS])}{more} (GET /v1/models)."
        if names
        else "There is no model here yet: BUILD MODEL, or GET THANOSQL MODEL, makes one."
    )
    return UnknownModel(f"there is no model {name!r} here", hint=hint)
