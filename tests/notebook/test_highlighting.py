"""The colours of a cell in JupyterLab: those of the dialect in %%thanosql cells, and Python's in all others."""

from __future__ import annotations

import nbformat
import pytest

from docs.write_notebooks import notebook_of
from tests.notebook.lab import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PYTHON = "import os  # as 'SELECT'\nname = 'text'\ncount = 12"
STATEMENT = """%%thanosql
COPY words OPTIONS (overwrite=True, sheet='first
second') FROM "a.csv" -- why
/* one
 /* within */ two */ SELECT upper('it''s'), 12::INTEGER, :mine FROM 낱말"""

# What stands on the page of a cell, in pieces, each with its colour.
PIECES = """(cell) => {
    const lines = [...cell.querySelectorAll('.cm-line')];
    const texts = lines.flatMap((line) => {
        const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) found.push(walker.currentNode);
        return found;
    });
    return texts.map((text) => [text.data.trim(), getComputedStyle(text.parentElement).color]);
}"""


@pytest.fixture(scope="module")
def notebook(window, start_jupyter, folder):
    made = notebook_of(*[nbformat.v4.new_code_cell(cell) for cell in (PYTHON, STATEMENT)])
    nbformat.write(made, folder / "colours.ipynb")
    notebook = Notebook(window, start_jupyter(), "colours.ipynb")
    notebook.wait_for_kernel()
    return notebook


@pytest.fixture(scope="module")
def python(notebook) -> dict[str, str]:
    """The colours of Python's kinds of words."""
    colours = pieces(notebook, "import os")
    return {
        "keyword": colours["import"],
        "comment": colours["# as 'SELECT'"],
        "string": colours["'text'"],
        "number": colours["12"],
        "name": colours["name"],
    }


def pieces(notebook: Notebook, text: str) -> dict[str, str]:
    notebook.page.wait_for_timeout(500)
    return dict(notebook.cell(text).evaluate(PIECES))


def test_pythons_kinds_of_words_differ(python):
    assert len(set(python.values())) == len(python)


def test_a_statement_has_the_colours_of_the_dialect(notebook, python):
    colours = pieces(notebook, "COPY words")
    for word in ("COPY", "OPTIONS", "FROM", "SELECT"):
        assert colours[word] == python["keyword"], word
    for text in ("'first", "second'", "'it''s'"):
        assert colours[text] == python["string"], text
    for text in ("-- why", "/* one", "/* within */ two */"):
        assert colours[text] == python["comment"], text
    assert colours["12"] == python["number"]
    for name in ("words", '"a.csv"', "낱말"):
        assert colours[name] == python["name"], name
    assert colours["overwrite"] not in (python["keyword"], python["string"])


def test_a_cell_follows_what_its_first_line_says_while_it_is_typed(notebook, python):
    keyboard = notebook.page.keyboard
    notebook.cell("import os").locator(".cm-content").click()
    keyboard.press("Control+Home")
    keyboard.type("%%thanosql ")
    assert "import" not in pieces(notebook, "import os")
    for _ in "%%thanosql ":
        keyboard.press("Backspace")
    again = pieces(notebook, "import os")
    assert again["import"] == python["keyword"]
    assert again["# as 'SELECT'"] == python["comment"]
