"""The OpenAPI document is true: whatever fits it, or does not, is answered as it says."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.openapi import document
from thanosql.gateway.server import HttpServer

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 12
"""Of each operation."""

schema = schemathesis.openapi.from_dict(document(GatewayConfig()))
schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


@pytest.fixture(scope="module")
def where(gateway: HttpServer) -> str:
    return f"http://{gateway.address}"


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_gateway_answers_as_the_document_says(case, where, token):
    case.call_and_validate(base_url=where, headers={"Authorization": f"Bearer {token}"}, timeout=60, checks=CHECKS)
