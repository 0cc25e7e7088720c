"""Settings of the HTTP gateway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from thanosql.configuration import ServiceConfig, setting


@dataclass(frozen=True, kw_only=True)
class GatewayConfig(ServiceConfig):
    """Answers HTTP: transcription as OpenAI's clients ask for it, and statements.

    It is a client of the query service, to which it passes on the token that comes with each request.
    """

    service: ClassVar[str] = "gateway"

    port: int = setting(8480, "port to listen on; 0: chosen by the system")
    query: str = setting("127.0.0.1:8470", "address of query_service; grpcs://host:port: with TLS")
    query_ca: Path | None = setting(
        None, "certificates of those who sign the query service's, in PEM; with it, that is called with TLS"
    )
    tls_certificate: Path | None = setting(
        None, "file with the certificate, and those that signed it, in PEM; not given: without TLS"
    )
    tls_key: Path | None = setting(None, "file with the key of the certificate, in PEM")
    cors_origins: str = setting(
        "", "web pages that may call from a browser: https://speech.example, several with commas, or *; empty: none"
    )
    most_requests: int = setting(64, "requests that are answered at the same time; more are refused with 429")
    upload_bytes: int = setting(
        (8 << 20) - (64 << 10),
        "bytes of the largest form with a recording; it lies on disk from 1 MiB on. The query service's largest "
        "message has to be larger",
    )
    body_bytes: int = setting(2 << 20, "bytes of the largest other body: a query with its parameters")
    header_seconds: float = setting(10.0, "a connection that has sent no whole request head for so long is closed")
    upload_seconds: float = setting(300.0, "seconds in which the body of a request must have come")
    quiet_seconds: float = setting(30.0, "a connection that sends nothing, or takes nothing, for so long is closed")
    transcribe_seconds: float = setting(600.0, "seconds that a transcription may take; longer ones end with 504")
