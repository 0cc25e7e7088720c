"""The house is in order: format, lint, types, imports. With these, `pytest` is the one command that checks all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = {
    "format": ("ruff", "format", "--check", "."),
    "lint": ("ruff", "check", "."),
    "types": ("mypy",),
    "imports": ("lint-imports", "--no-cache"),
}


@pytest.mark.timeout(900)  # mypy without its cache, beside other tests
@pytest.mark.parametrize("name", CHECKS)
def test_the_code_passes_the_check_of(name: str, checkout: Path) -> None:
    program, *arguments = CHECKS[name]
    command = [str(Path(sys.executable).parent / program), *arguments]
    run = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"\n{run.stdout}{run.stderr}"


@pytest.mark.parametrize("module", ["thanosql", "thanosql.notebook.magic"])
def test_the_sdk_and_the_magic_load_nothing_heavy(module: str) -> None:
    program = (
        f"import sys, {module}; "
        "heavy = {'torch', 'torchaudio', 'transformers', 'onnxruntime', 'duckdb', 'sqlalchemy', 'pandas'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.split() == []


def test_the_inference_service_starts_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
        "import inference_service.__main__, inference_service.engines.engine, inference_service.models.models; "
        "import onnxruntime"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_ci_does_what_the_readme_says(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text("utf-8")
    script = (checkout / ".ci" / "run").read_text("utf-8")
    assert ".venv/bin/pip install -e '.[dev]' && .venv/bin/pytest" in readme
    assert "-e '.[dev]'" in script
    assert "\npytest\n" in script
