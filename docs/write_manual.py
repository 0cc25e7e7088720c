"""Writes thanosql/manual.json from the statements of the dialect: `python docs/write_manual.py`.

The shell and the notebook show it, and complete from it, without importing a service.
"""

from __future__ import annotations

import json
from inspect import cleandoc
from pathlib import Path
from typing import Any

from query_service.language import statements
from query_service.language.functions import ALLOWED, COMMON
from query_service.language.options import Effect, Kind, Option
from query_service.language.statements import Statement

FILE = Path(__file__).parents[1] / "thanosql" / "manual.json"


def text() -> str:
    """The whole file."""
    kinds = [getattr(statements, name) for name in statements.__all__]
    entries = [_statement(each) for each in kinds if each is not Statement]
    # The two forms of ALTER TABLE are a page each, in the order of their names.
    entries.sort(key=lambda each: (each["kind"], each["manual"]))
    content = {"statements": entries, "functions": sorted({"wer", "cer", *COMMON, *ALLOWED})}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _statement(kind: type[Statement]) -> dict[str, Any]:
    return {
        "kind": kind.KIND,
        "form": kind.FORM,
        "role": str(kind.ROLE),
        "manual": cleandoc(kind.__doc__ or ""),
        "options": [_option(each) for each in kind.OPTIONS],
    }


def _option(option: Option) -> dict[str, Any]:
    default = option.default
    if default in (None, (), ""):
        shown = ""
    elif isinstance(default, (bool, int, float)):
        shown = str(default)
    elif option.values is not None:
        shown = next((repr(written) for written, value in option.values.items() if value == default), "")
    else:
        shown = repr(str(default))
    choices = tuple(map(repr, option.values)) if option.values else ()
    return {
        "name": option.name,
        "takes": option.range,
        "meaning": option.meaning,
        "default": shown,
        "choices": choices or (("True", "False") if option.kind in (Kind.BOOLEAN, Kind.SWITCH_OR_PATH) else ()),
        "is_column": option.kind is Kind.COLUMN,
        "effect": {Effect.FULL: "full", Effect.PARTIAL: "partial", Effect.NONE: "none"}[option.effect],
    }


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
