"""The rows of LIST and DESCRIBE."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from query_service.running.arrow import make_rows
from thanosql.histogram import Histogram
from thanosql.types import EPOCH, BaseModel, Model, ModelStatistics, Rows, Table

MOMENT = pa.timestamp("us")


def table_rows(tables: Sequence[Table]) -> Rows:
    """LIST TABLE: the tables, by name."""
    columns: dict[str, pa.DataType] = {
        "name": pa.string(),
        "rows": pa.int64(),
        "columns": pa.string(),
        "last_updated_utc": MOMENT,
    }
    return make_rows(
        columns,
        [
            (table.name, table.rows, ", ".join(column.name for column in table.columns), utc(table.updated_at))
            for table in sorted(tables, key=lambda each: each.name)
        ],
    )


def model_rows(models: Sequence[Model]) -> Rows:
    """LIST MODEL: the newest version of each model, by name."""
    columns: dict[str, pa.DataType] = {
        "name": pa.string(),
        "class_name": pa.string(),
        "version": pa.int32(),
        "wer": pa.float64(),
        "last_updated_utc": MOMENT,
    }
    return make_rows(
        columns,
        [
            (model.name, model.class_name, model.version, model.wer, utc(model.updated_at))
            for model in sorted(models, key=lambda each: each.name)
        ],
    )


def base_model_rows(models: Sequence[BaseModel]) -> Rows:
    """LIST BASE MODELS: the names that may stand after USING."""
    columns = ("name", "checkpoint", "revision", "language", "source", "description")
    rows = [
        (m.name, m.checkpoint, m.revision, m.language, m.source.value, m.fallback_notice or m.description)
        for m in models
    ]
    return make_rows(dict.fromkeys(columns, pa.string()), rows)


def column_rows(table: Table) -> Rows:
    """DESCRIBE TABLE: the columns, in their order."""
    columns = {"column": pa.string(), "type": pa.string()}
    return make_rows(columns, [(column.name, column.type) for column in table.columns])


def property_rows(model: Model, serving: ModelStatistics | None = None, servers: int = 1) -> Rows:
    """DESCRIBE MODEL: what it is, its training report with a row for each figure, and how it is served, where known.

    Args:
        model: The version that is shown.
        serving: As one server tells it.
        servers: That share the work.
    """
    values: list[tuple[str, str | None]] = [
        ("name", model.name),
        ("version", str(model.version)),
        ("class_name", model.class_name),
        ("base", model.base),
        ("state", model.state.value),
        ("wer", figure(model.wer)),
        ("cer", figure(model.cer)),
        ("last_updated_utc", str(utc(model.updated_at) or "")),
    ]
    values += [(f"report.{name}", text) for name, text in _flatten(json.loads(model.report or "{}"))]
    values += _serving_rows(serving) if serving else []
    values += [("serving.servers", str(servers))] if servers > 1 else []
    return make_rows({"property": pa.string(), "value": pa.string()}, values)


def _serving_rows(serving: ModelStatistics) -> list[tuple[str, str | None]]:
    plan = serving.plan
    values: list[tuple[str, str | None]] = [("serving.state", serving.state.value)]
    if serving.problem:
        values.append(("serving.problem", serving.problem))
    if plan is not None:
        values += [
            ("serving.device", plan.device),
            ("serving.engine", plan.engine),
            ("serving.precision", plan.precision),
            ("serving.workers", str(plan.workers)),
            ("serving.threads", str(plan.threads)),
            ("serving.batch_seconds", figure(plan.batch_seconds)),
            ("serving.batch_rows", str(plan.batch_rows)),
            ("serving.concurrent_seconds", figure(plan.concurrent_seconds)),
            ("serving.audio_rate", figure(plan.audio_rate or None)),
            ("serving.measured", plan.reason),
        ]
    return values


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str | None]]:
    """`{"rows": {"kept": 80}}` as `("rows.kept", "80")`; a histogram as its bars and bins; lists stay JSON."""
    if isinstance(value, dict) and (histogram := Histogram.from_json(value)):
        bins = "; ".join(f"{bounds}: {count}" for bounds, count in histogram.bins())
        yield name, f"{histogram.line()} ({bins})" if bins else histogram.line()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _flatten(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, str):
        yield name, value
    elif isinstance(value, float):
        yield name, figure(value)
    else:
        yield name, None if value is None else json.dumps(value, ensure_ascii=False)


def figure(value: float | None) -> str | None:
    """A number as it is shown."""
    return None if value is None else f"{value:.6g}"


def utc(moment: datetime) -> datetime | None:
    """A moment without its zone, which the column's name says."""
    return None if moment == EPOCH else moment.replace(tzinfo=None)
