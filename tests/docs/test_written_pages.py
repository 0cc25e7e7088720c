"""The pages that are written from the code say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from query_service.language import statements
from query_service.language.statements import Statement


def _load(checkout: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, checkout / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    return writer


def test_the_page_of_statements_is_what_their_docstrings_give(checkout: Path) -> None:
    writer = _load(checkout, "write_statements")
    page = (checkout / "docs" / "statements.md").read_text("utf-8")
    assert page == writer.text(), "run python docs/write_statements.py"


def test_the_page_of_statements_has_all_of_them(checkout: Path) -> None:
    writer = _load(checkout, "write_statements")
    shown = {kind for kinds in writer.ROOMS.values() for kind in kinds}
    assert shown == {getattr(statements, name) for name in statements.__all__} - {Statement}


def test_the_page_of_errors_says_what_a_server_answers(checkout: Path, tmp_path: Path) -> None:
    writer = _load(checkout, "write_errors")
    page = (checkout / "docs" / "errors.md").read_text("utf-8")
    assert page == writer.text(writer.make_workspace(tmp_path)), "run python docs/write_errors.py"


@pytest.mark.parametrize("name", sorted(set(statements.__all__) - {"Statement"}))
def test_the_manual_of_a_statement_has_an_example_of_it(name: str) -> None:
    kind = getattr(statements, name)
    examples = [part.strip() for part in kind.__doc__.split("\n\n") if part.startswith("        ")]
    first_word = kind.KIND.split()[0]
    assert any(example.startswith(first_word) for example in examples)
