"""What `thanosql doctor` looks at for query_service: the services behind it, its certificate, room for results."""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from query_service.config import QueryConfig
from thanosql.errors import Unavailable
from thanosql.findings import Finding, examine_folder, examine_packages, examine_peer, fault, fine, note
from thanosql.open_inference import SCHEME
from thanosql.rpc.port import is_loopback

PACKAGES = {"sqlglot": "sqlglot", "soundfile": "soundfile", "soxr": "soxr", "jiwer": "jiwer"}

SOON = 14 * 86_400.0
"""Seconds before its end at which a certificate is worth a word."""


def examine(config: QueryConfig) -> Iterator[Finding]:
    """Looks, and changes nothing."""
    yield from examine_packages("query", PACKAGES)
    yield from _examine_parser()
    yield from examine_folder("workspace", config.workspace)
    yield from examine_folder("temporary files", Path(tempfile.gettempdir()))
    yield from examine_peer("catalog_service", config.catalog, config)
    yield from examine_peer("trainer_service", config.trainer, config)
    # Of several replicas each; a name that stands for several is asked for one of them.
    for address in config.inference.removeprefix(SCHEME).split(","):
        yield from examine_peer("inference_service", address, config)
    yield from _examine_certificate(config)


def _examine_parser() -> Iterator[Finding]:
    try:
        from query_service.language.tokens import open_parser

        open_parser()
    except ModuleNotFoundError:  # told above
        return
    except Unavailable as error:
        yield fault("parser", error.message, error.hint)


def _examine_certificate(config: QueryConfig) -> Iterator[Finding]:
    if config.tls_certificate is None or config.tls_key is None:
        if is_loopback(config.host):
            yield fine("TLS", "none, and only this machine can connect")
        else:
            yield note(
                "TLS",
                f"none, while {config.host} takes connections from elsewhere: tokens and speech travel readable",
                "Give --tls-certificate and --tls-key, or put a proxy with TLS in front.",
            )
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        yield fault(
            "TLS",
            f"{config.tls_certificate} and {config.tls_key} cannot be used together: {error}",
            "Both must be PEM files that this user can read, and the key must be the certificate's.",
        )
        return
    ends = _end_of(config.tls_certificate)
    text = f"the certificate holds until {time.strftime('%Y-%m-%d', time.gmtime(ends))}"
    if ends < time.time():
        yield fault("TLS", f"the certificate ended on {time.strftime('%Y-%m-%d', time.gmtime(ends))}", "Renew it.")
    elif ends < time.time() + SOON:
        yield note("TLS", text, "Renew it; the new files are read without a restart.")
    else:
        yield fine("TLS", text)


def _end_of(certificate: Path) -> float:
    """The moment until which a certificate holds, in seconds since 1970."""
    decode = ssl._ssl._test_decode_cert  # type: ignore[attr-defined]  # no public function reads a certificate
    return ssl.cert_time_to_seconds(str(decode(str(certificate))["notAfter"]))
