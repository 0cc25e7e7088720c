"""Settings of query_service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from thanosql.configuration import ServiceConfig, setting


@dataclass(frozen=True, kw_only=True)
class QueryConfig(ServiceConfig):
    """Carries out statements: the one service that users call."""

    service: ClassVar[str] = "query"

    port: int = setting(8470, "port to listen on; 0: chosen by the system")
    catalog: str = setting("127.0.0.1:8471", "address of catalog_service")
    trainer: str = setting("127.0.0.1:8472", "address of trainer_service")
    inference: str = setting(
        "127.0.0.1:8473",
        "address of inference_service, or of its replicas: dns:///host:port, or several with commas; oip://host:port: "
        "of any server of the Open Inference Protocol, such as Triton (it is sent the token too)",
    )
    inference_patience: float = setting(60.0, "seconds to wait where there is no server to transcribe, or it went away")
    tls_certificate: Path | None = setting(
        None, "file with the certificate, and those that signed it, in PEM; not given: without TLS"
    )
    tls_key: Path | None = setting(None, "file with the key of the certificate, in PEM")
    longest_text: int = setting(100_000, "characters of a script; longer ones are refused")
    most_queries: int = setting(32, "queries that run at the same time; more are refused")
    most_queries_per_token: int = setting(
        8, "queries of one token that run at the same time; twice as many results can be read"
    )
    largest_message: int = setting(8 << 20, "bytes of the largest message that a caller may send")
    audit_log: Path | None = setting(
        None, "file that who did what is appended to, one JSON object a line; not given: it stands in the log"
    )
    log_bytes: int = setting(32 << 20, "bytes of events that are held in memory for one query; older ones go to disk")
    log_disk_bytes: int = setting(
        1 << 30,
        "bytes of events that are held for one query in the folder for temporary files (TMPDIR); a larger result can "
        "only be read as it comes",
    )
    unread_seconds: float = setting(600.0, "a query whose events nobody reads is stopped so long after both are full")
    kept_seconds: float = setting(3_600.0, "seconds for which an ended query can still be read")
    kept_queries: int = setting(
        300, "ended queries that are held at most; first go those read to their end or cancelled"
    )
    kept_bytes: int = setting(64 << 20, "bytes of events that all ended queries together may have in memory")
    kept_disk_bytes: int = setting(4 << 30, "bytes of events that all ended queries together may have on disk")
    trainer_patience: float = setting(120.0, "seconds to wait for a trainer_service that went away during a training")
    most_uploads: int = setting(16, "streams of files into workspaces at the same time; more have to wait")
    upload_file_bytes: int = setting(16 << 30, "bytes of a file that is sent into a workspace; larger ones are refused")
    upload_unfinished_bytes: int = setting(
        64 << 30, "bytes of files that have not come whole, in one workspace; what would be more is refused"
    )
    upload_spare_bytes: int = setting(1 << 30, "bytes that uploads leave free on the disk of the workspace")
    upload_kept_days: float = setting(7.0, "days after which an upload that broke off is forgotten")
