"""The examples of docs/http.md do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from thanosql.gateway.server import HttpServer

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(PYTHON,) = re.findall(r"```python[ a-z]*\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", SHELL, ids=[f"example {number}" for number, _ in enumerate(SHELL, 1)])
def test_a_shell_example_works(example: str, gateway: HttpServer, token: str, workspace: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs the program curl")
    environment = {**os.environ, "URL": f"http://{gateway.address}", "TOKEN": token, "no_proxy": "*"}
    # Refusals are failures; --json is of curl 7.82, and older ones know its parts.
    script = 'curl() { command curl --fail-with-body "${@/#--json/--data}"; }\n' + example
    shell = shutil.which("bash")
    assert shell is not None
    run = subprocess.run(
        [shell, "-euo", "pipefail", "-c", script], cwd=workspace, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert '"error":{' not in run.stdout
    assert run.stdout


def test_the_example_for_openais_client_prints_the_words(
    gateway: HttpServer,
    token: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(workspace)
    scope = {"URL": f"http://{gateway.address}", "TOKEN": token}
    exec(compile(PYTHON, "docs/http.md", "exec"), scope)
    scope["client"].close()  # type: ignore[attr-defined]
    assert re.match(r"  \d\.\d\d [A-Z]+\n", capsys.readouterr().out)
