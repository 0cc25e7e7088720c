"""TLS: a server's certificate, which is read anew when its file changes, and whom a client believes."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from thanosql.errors import NotFound, Unavailable

log = logging.getLogger(__name__)

PROBE_SECONDS = 3.0
"""For so long a server is tried that did not answer, to tell why."""


@dataclass(frozen=True)
class ClientTls:
    """How a client speaks TLS."""

    authorities: Path | None = None
    """File with the certificates of those whose signature it believes, in PEM; None: those that gRPC comes with."""

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel.

        Raises:
            NotFound: the file cannot be read.
        """
        if self.authorities is None:
            return grpc.ssl_channel_credentials()
        return grpc.ssl_channel_credentials(_read(self.authorities))


class ServerCertificate:
    """A server's certificate and key, from files that may be replaced while it serves.

    Args:
        certificate: File with it, and those that signed it, in PEM.
        key: File with its key, in PEM.

    Raises:
        Unavailable: they cannot be read, or do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._lock = threading.Lock()
        self._seen = self._look()
        try:
            self._first = self._load()
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            raise Unavailable(
                f"the certificate {certificate} with the key {key} cannot be used: {error}",
                hint="Give files in PEM that belong together: --tls-certificate with the whole chain, and --tls-key.",
            ) from error

    def credentials(self) -> grpc.ServerCredentials:
        """For a server; the files are looked at before every handshake."""
        return grpc.dynamic_ssl_server_credentials(self._first, self._renew)  # type: ignore[arg-type]  # None: no change

    def _renew(self) -> grpc.ServerCertificateConfiguration | None:
        """What is in the files, if they have changed; None: what was in them goes on."""
        with self._lock:
            now = self._look()
            if now == self._seen:
                return None
            # Seen, whatever becomes of it: half a pair of new files is looked at again when the other half comes.
            self._seen = now
            try:
                renewed = self._load()
            except (OSError, ValueError) as error:
                log.warning(
                    "the new certificate in %s cannot be used, the old one goes on: %s", self._certificate, error
                )
                return None
        log.info("the certificate %s was read anew", self._certificate)
        return renewed

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        """What tells that the files have changed; a link that points elsewhere (as Kubernetes mounts them) has."""
        found = []
        for file in (self._certificate, self._key):
            try:
                stat = file.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def _load(self) -> grpc.ServerCertificateConfiguration:
        # Python's ssl tells what is wrong with them; gRPC says it to its own log only.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key, password=lambda: "")
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair])


def explain_failure(address: str, tls: ClientTls | None) -> str:
    """Why a client and a server may not have understood each other, as a hint; empty: TLS is not why.

    Args:
        address: host:port, where something listens.
        tls: How the client has called; None: without TLS.
    """
    host, port = address.rsplit(":", 1)
    host = host.strip("[]")
    context = ssl.create_default_context()
    if tls is None or tls.authorities is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cadata=_read(tls.authorities).decode(errors="replace"))
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host, int(port)), PROBE_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"It shows a certificate that is not believed: {error.verify_message}. Give the file with the certificate "
            "of who signed it (ca=…, --ca, THANOSQL_CA), and the name that it stands for as the address."
        )
    except (OSError, ValueError):
        if tls is None:
            return ""
        return "It speaks no TLS: call it without (no grpcs://, tls or ca), or have it started with --tls-certificate."
    if tls is None:
        return "It speaks TLS: connect with tls=True or ca='file', --tls or --ca, or as grpcs://host:port."
    if tls.authorities is None:
        return (
            "It speaks TLS, and its certificate is probably signed by nobody whom all believe: give the file with the "
            "certificate of who signed it (ca=…, --ca, THANOSQL_CA)."
        )
    return ""


def _read(authorities: Path) -> bytes:
    try:
        text = authorities.read_bytes()
    except OSError as error:
        raise NotFound(f"the certificates {authorities} cannot be read: {error.strerror}", hint=_CA_HINT) from error
    if b"-----BEGIN" not in text:
        raise NotFound(f"{authorities} holds no certificates in PEM", hint=_CA_HINT)
    return text


_CA_HINT = "ca=…, --ca or THANOSQL_CA names a file in PEM with the certificates of those who sign the server's."
