"""docs/configuration.md says what the configurations of the services say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_is_what_the_configurations_give():
    spec = importlib.util.spec_from_file_location("write_configuration", DOCS / "write_configuration.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert (DOCS / "configuration.md").read_text("utf-8") == writer.text(), "run python docs/write_configuration.py"
