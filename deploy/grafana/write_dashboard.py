"""Writes dashboard.json, the dashboard of an installation for Grafana: `python deploy/grafana/write_dashboard.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("dashboard.json")

RATE = "$__rate_interval"
WIDTH, HEIGHT, ACROSS = 8, 8, 3
"""Of a panel, in Grafana's units, of which a row has 24."""
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """A picture of some series."""

    title: str
    description: str
    unit: str
    """As Grafana names units."""
    queries: dict[str, str]
    """Expressions, by the legend of their series."""


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """How fast counters grow, summed up."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}[{RATE}]))".replace("{}", "")


def quantiles(metric: str, by: str = "", labels: str = "") -> dict[str, str]:
    """The median and the 99th percentile of a histogram."""
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    buckets = rate(f"{metric}_bucket", group, labels)
    return {f"p{name}{legend}": f"histogram_quantile({q}, {buckets})" for name, q in (("50", 0.5), ("99", 0.99))}


ROWS: dict[str, list[Panel]] = {
    "Statements": [
        Panel(
            "Statements",
            "Statements that end, by kind.",
            "ops",
            {"{{kind}}": rate("thanosql_statements_total", "kind")},
        ),
        Panel("Statement time", "From begin to end, of all kinds.", "s", quantiles("thanosql_statement_seconds")),
        Panel(
            "Errors",
            "Statements that fail, by the error's name; InternalError is a fault of the installation.",
            "ops",
            {"{{error}}": rate("thanosql_statement_errors_total", "error")},
        ),
        Panel(
            "Running",
            "Statements under way.",
            "short",
            {"{{kind}}": "sum by (kind) (thanosql_statements_running)"},
        ),
        Panel("Rows", "Rows given or touched.", "rowsps", {"{{kind}}": rate("thanosql_statement_rows_total", "kind")}),
        Panel(
            "Events held",
            "What results take that can still be read, in memory and on disk.",
            "bytes",
            {"{{where}}": "sum by (where) (thanosql_event_log_bytes)"},
        ),
    ],
    "Transcription": [
        Panel(
            "Speed",
            "Seconds of audio that are transcribed per second.",
            "none",
            {"{{model}}": rate("thanosql_audio_seconds_total", "model")},
        ),
        Panel(
            "Recordings",
            "Recordings of statements, by where the transcript came from.",
            "ops",
            {"{{source}}": rate("thanosql_clips_total", "source")},
        ),
        Panel(
            "Answer time", "From a clip's arrival to its answer.", "s", quantiles("thanosql_answer_seconds", "priority")
        ),
        Panel(
            "Queue",
            "Seconds of audio that wait, and rows.",
            "none",
            {
                "{{priority}}, seconds": "sum by (priority) (thanosql_waiting_audio_seconds)",
                "rows": "sum (nv_inference_pending_request_count)",
            },
        ),
        Panel(
            "Rows of a batch",
            "Their mean.",
            "none",
            {"{{model}}": f"{rate('thanosql_batch_rows_sum', 'model')} / {rate('thanosql_batch_rows_count', 'model')}"},
        ),
        Panel(
            "Padding",
            "Share of what is computed that is padding.",
            "percentunit",
            {
                "{{model}}": f"1 - {rate('thanosql_audio_seconds_total', 'model')}"
                f" / {rate('thanosql_padded_seconds_total', 'model')}"
            },
        ),
        Panel(
            "Failures",
            "Clips without a transcript, by reason.",
            "ops",
            {"{{outcome}} {{reason}}": rate("thanosql_requests_total", "outcome, reason", 'outcome!="success"')},
        ),
        Panel(
            "Models in memory",
            "Memory that loaded models take.",
            "bytes",
            {"{{model}} {{version}}": "sum by (model, version) (thanosql_model_memory_bytes)"},
        ),
        Panel(
            "Models that cannot be loaded",
            "1 for each.",
            "short",
            {"{{model}} {{version}}": "sum by (model, version) (thanosql_model_broken)"},
        ),
    ],
    "Trainings": [
        Panel(
            "Jobs",
            "Jobs that wait or run.",
            "short",
            {"{{state}}": 'max by (state) (thanosql_jobs{state=~"queued|running"})'},
        ),
        Panel(
            "Steps",
            "Of the training under way.",
            "short",
            {"done": "sum (thanosql_training_steps)", "planned": "sum (thanosql_training_steps_planned)"},
        ),
        Panel(
            "Time left",
            "Of the training under way.",
            "s",
            {"{{instance}}": "thanosql_training_left_seconds"},
        ),
        Panel(
            "Loss and word error rate",
            "Of the epoch under way, and at the last evaluation.",
            "none",
            {"loss": "max (thanosql_training_loss)", "word error rate": "max (thanosql_training_word_error_rate)"},
        ),
        Panel(
            "Training speed",
            "Steps, and seconds of audio, per second.",
            "none",
            {
                "steps": "sum (thanosql_training_steps_per_second)",
                "audio": "sum (thanosql_training_audio_rate)",
            },
        ),
        Panel(
            "Memory of the training",
            "Of its process, and the most that it has taken of the GPU, where it has one.",
            "bytes",
            {
                "process": "sum (thanosql_training_resident_memory_bytes)",
                "most": "max (thanosql_training_peak_memory_bytes)",
            },
        ),
    ],
    "Services": [
        Panel(
            "Calls", "By service and status.", "ops", {"{{job}} {{code}}": rate("thanosql_calls_total", "job, code")}
        ),
        Panel("Call time", "The 99th percentile, by service.", "s", quantiles("thanosql_call_seconds", "job")),
        Panel(
            "Database",
            "How long the metadata database takes for the figures of a page, and its connections.",
            "none",
            {
                "seconds": "max (thanosql_database_answer_seconds)",
                "connections {{state}}": "sum by (state) (thanosql_database_connections)",
            },
        ),
        Panel("Memory", "Of each process in RAM.", "bytes", {"{{job}} {{instance}}": "process_resident_memory_bytes"}),
        Panel("Cores", "In use, by service.", "none", {"{{job}}": rate("process_cpu_seconds_total", "job")}),
        Panel("Files and sockets", "Open ones.", "short", {"{{job}} {{instance}}": "process_open_fds"}),
    ],
}


def dashboard() -> dict[str, Any]:
    """The dashboard, as Grafana 10 and later import it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
                "panels": [],
            }
        )
        y += 1
        for place, panel in enumerate(row):
            position = {"x": place % ACROSS * WIDTH, "y": y + place // ACROSS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, position))
        y += -(-len(row) // ACROSS) * HEIGHT
    return {
        "uid": "thanosql",
        "title": "ThanoSQL speech",
        "tags": ["thanosql", "speech"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, id: int, position: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for number, (legend, expression) in enumerate(panel.queries.items())
    ]
    return {
        "id": id,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
