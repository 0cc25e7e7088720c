"""Writes docs/metrics.md from the families of metrics in the services: `python docs/write_metrics.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog_service import monitoring as catalog
from inference_service.monitoring import metrics as inference
from query_service.monitoring import metrics as query
from thanosql.gateway import metrics as gateway
from thanosql.monitoring import calls, process
from thanosql.monitoring.families import Family
from trainer_service import monitoring as trainer

FILE = Path(__file__).with_name("metrics.md")

HEAD = """# Metrics

<!-- Written by docs/write_metrics.py from the families of metrics in the services; a test compares the two. -->

With `--metrics-port` each service answers Prometheus at `http://HOST:PORT/metrics`. How to use them, with a dashboard
and alert rules: [telemetry.md](telemetry.md).
"""

SECTIONS: dict[str, Sequence[Family]] = {
    "All services": (*calls.FAMILIES, *process.FAMILIES),
    "query_service": query.FAMILIES,
    "catalog_service": catalog.FAMILIES,
    "trainer_service": trainer.FAMILIES,
    "inference_service": inference.FAMILIES,
    "HTTP gateway": gateway.FAMILIES,
}


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, families in SECTIONS.items():
        parts += [f"## {title}\n", *_table(families), ""]
    return "\n".join(parts)


def _table(families: Sequence[Family]) -> Iterator[str]:
    yield "| metric | kind | labels | what it is |"
    yield "|---|---|---|---|"
    for each in families:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        yield f"| `{each.name}` | {each.kind} | {labels} | {each.help} |"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
