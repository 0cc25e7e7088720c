"""JupyterLab as a process: on a port of its own, with a folder of notebooks and nothing of the user's settings."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

STARTS_WITHIN = 120.0
"""Seconds until it has to listen."""
SERVED_AT = re.compile(r"(http://127\.0\.0\.1:\d+)/\S*")
# No news, no extension manager, no "Simple Interface" hints: nothing that asks the network or covers the page.
SETTINGS = {
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes.jupyterlab-settings": {"theme": "JupyterLab Light"},
    "docmanager-extension/plugin.jupyterlab-settings": {"autosave": False, "renameUntitledFileOnSave": False},
    # All of the notebook is on the page, also what the window does not show.
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none", "codeCellConfig": {"lineWrap": True}},
}


@dataclass(frozen=True)
class Jupyter:
    """A JupyterLab that listens."""

    address: str
    """http://127.0.0.1:PORT."""
    token: str
    log: Path

    def page(self, notebook: str) -> str:
        """Where the notebook is opened, in a window that shows nothing else."""
        return f"{self.address}/doc/tree/{quote(notebook)}?token={self.token}"


@contextmanager
def running_jupyter(folder: Path, home: Path, *, theme: str = "Light") -> Iterator[Jupyter]:
    """Serves the notebooks in `folder`; settings, signatures of trusted notebooks and logs go to `home`.

    Raises:
        RuntimeError: it did not start; with what it logged.
    """
    token = secrets.token_hex(16)
    log = home / "jupyter.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("THANOSQL_", "JUPYTER"))}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(home / name.lower())
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(_write_settings(home / "settings", theme))
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(home / "workspaces")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--IdentityProvider.token={token}"),
        *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
        "--ServerApp.terminals_enabled=False",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    try:
        yield Jupyter(_wait_for_address(log, process), token, log)
    finally:
        # It asks on the first SIGTERM's behalf for its kernels to end, and those end the services that they began.
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_settings(folder: Path, theme: str) -> Path:
    for name, values in SETTINGS.items():
        file = folder / "@jupyterlab" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if "theme" in values:
            values = {"theme": f"JupyterLab {theme}"}
        file.write_text(json.dumps(values), "utf-8")
    return folder


def _wait_for_address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if found := SERVED_AT.search(log.read_text("utf-8", "replace")):
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text('utf-8', 'replace')[-4000:]}")
