"""Draws docs/images/trace.svg: the trace of one PREDICT, as four processes sent it: `python docs/draw_trace.py`.

It takes a minute: the services are started, the tutorial's model is made ready, and then a PREDICT is traced that has
to hear its recordings.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.telemetry.collector import CollectedSpan, Collector, collecting
from tests.telemetry.installation import installed

FILE = Path(__file__).with_name("images") / "trace.svg"
DATA = Path(__file__).parents[1] / "tutorial_data"

CLIPS = 20
QUERY = f"SELECT audio_path FROM librispeech_test LIMIT {CLIPS}"
PREDICT = f"PREDICT USING tutorial_audio_recognition OPTIONS (cache=False) AS {QUERY}"

COLOURS = {
    "query_service": "#4c78a8",
    "catalog_service": "#54a24b",
    "inference_service": "#e45756",
    "trainer_service": "#b279a2",
}
WIDTH, NAMES, ROW, TOP, INDENT = 1000, 330, 19, 46, 12
"""Of the picture, of the column of names, of a row, of what stands above, of a level of the tree: pixels."""


def collect() -> list[CollectedSpan]:
    """The spans of a PREDICT over recordings that the model has to hear."""
    with tempfile.TemporaryDirectory(prefix="trace-") as name, collecting() as collector:
        folder, workspace = Path(name), Path(name) / "workspace"
        shutil.copytree(DATA, workspace / "tutorial_data")
        with installed(folder, workspace, collector.endpoint) as running:
            session = running.session
            session.sql("COPY librispeech_test FROM 'tutorial_data/librispeech_data/librispeech_test.csv'")
            session.sql(PREDICT)  # makes the model ready, and loads it
            session.sql(PREDICT)
            return _last_trace(collector)


def _last_trace(collector: Collector) -> list[CollectedSpan]:
    collector.wait_for(lambda _: sum(each.name == "PREDICT" for each in collector.spans) == 2)
    statement = max((each for each in collector.spans if each.name == "PREDICT"), key=lambda each: each.begin)
    collector.wait_for(lambda each: each.id == statement.parent)
    time.sleep(1.0)  # what other services have still to send
    return [each for each in collector.spans if each.trace == statement.trace]


def draw(spans: Sequence[CollectedSpan]) -> str:
    """The spans as an SVG picture: a row each, below what it is a part of."""
    rows = list(_rows(spans))
    begin, end = min(each.begin for each in spans), max(each.end for each in spans)
    scale = (WIDTH - NAMES - 70) / (end - begin)
    height = TOP + len(rows) * ROW + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    x = 10
    for service, colour in COLOURS.items():
        if any(each.service == service for each in spans):
            parts.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{colour}"/>')
            parts.append(f'<text x="{x + 17}" y="20">{service}</text>')
            x += 150
    for number in range(6):
        at = NAMES + (end - begin) * scale * number / 5
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - 24}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{height - 10}" text-anchor="middle" fill="#666">'
            f"{(end - begin) / 5e6 * number:.0f} ms</text>"
        )
    for number, (level, span) in enumerate(rows):
        y = TOP + number * ROW
        left, wide = NAMES + (span.begin - begin) * scale, max((span.end - span.begin) * scale, 1.5)
        parts.append(f'<text x="{10 + level * INDENT}" y="{y + 12}">{escape(_label(span))}</text>')
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 2}" width="{wide:.1f}" height="{ROW - 6}" rx="2" '
            f'fill="{COLOURS[span.service]}" opacity="{0.55 if span.kind == "client" else 1}"/>'
        )
        parts.append(
            f'<text x="{left + wide + 4:.1f}" y="{y + 12}" fill="#666" font-size="11">'
            f"{(span.end - span.begin) / 1e6:.1f} ms</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _rows(spans: Sequence[CollectedSpan], parent: str = "", level: int = 0) -> Iterator[tuple[int, CollectedSpan]]:
    for span in sorted((each for each in spans if each.parent == parent), key=lambda each: each.begin):
        yield level, span
        yield from _rows(spans, span.id, level + 1)


def _label(span: CollectedSpan) -> str:
    name = span.name.rpartition(".")[2] if span.kind in ("client", "server") else span.name
    if span.name == "batch":
        return f"batch of {span.attributes['rows']}"
    if "thanosql.clips" in span.attributes:
        return f"{name}: {span.attributes['thanosql.clips']}"
    return f"call {name}" if span.kind == "client" else name


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(draw(collect()), "utf-8")
