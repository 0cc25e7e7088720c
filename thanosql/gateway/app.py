"""The routes of the gateway."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from thanosql.errors import Unavailable
from thanosql.gateway.callers import WORKSPACE_HEADER, Callers
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.edge import Edge
from thanosql.gateway.metrics import RequestFigures
from thanosql.gateway.models import Models
from thanosql.gateway.openapi import document
from thanosql.gateway.queries import QUERY_HEADER, Queries
from thanosql.gateway.transcriptions import Transcriptions
from thanosql.rpc.logs import METADATA_KEY
from thanosql.rpc.telemetry import Tracing


def make_app(config: GatewayConfig, callers: Callers, figures: RequestFigures, tracing: Tracing | None) -> Edge:
    """The application, as ASGI has it."""
    models, queries, transcriptions = Models(callers), Queries(callers), Transcriptions(config, callers)
    api = document(config)

    async def tell_ready(_: Request) -> Response:
        if not await callers.is_ready():
            raise Unavailable("the query service does not answer", hint="It may be starting.")
        return PlainTextResponse("ready\n")

    async def tell_live(_: Request) -> Response:
        return PlainTextResponse("live\n")

    async def tell_api(_: Request) -> Response:
        return JSONResponse(api)

    routes = [
        Route("/v1/audio/transcriptions", transcriptions.create, methods=["POST"]),
        Route("/v1/models", models.list, methods=["GET"]),
        Route("/v1/models/{id}", models.get, methods=["GET"]),
        Route("/v1/query", queries.run, methods=["POST"]),
        Route("/v1/jobs", queries.list, methods=["GET"]),
        Route("/v1/jobs/{id}", queries.get, methods=["GET"]),
        Route("/v1/jobs/{id}", queries.cancel, methods=["DELETE"]),
        Route("/v1/jobs/{id}/result", queries.result, methods=["GET"]),
        Route("/openapi.json", tell_api, methods=["GET"]),
        Route("/live", tell_live, methods=["GET"]),
        Route("/ready", tell_ready, methods=["GET"]),
    ]
    # Starlette's own application would answer failures by itself; here the edge does.
    return Edge(_with_cors(Router(routes, redirect_slashes=False), config), routes, config, figures, tracing)


def _with_cors(app: ASGIApp, config: GatewayConfig) -> ASGIApp:
    """`app`, which pages of other origins may call where the settings name them."""
    origins = [each.strip() for each in config.cors_origins.split(",") if each.strip()]
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Prefer", WORKSPACE_HEADER, METADATA_KEY],
        expose_headers=[QUERY_HEADER, METADATA_KEY, "Retry-After"],
    )
