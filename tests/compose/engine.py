"""A container engine for the tests: this machine's, or one of their own that ends with them.

The tests' own engine needs root and Debian's packages docker.io and docker-compose. It makes no rules of the packet
filter, so that it runs inside a sandbox too: containers reach one another, and this machine their published ports;
the outside is reached by builds alone, with the host's network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

STARTS_WITHIN = 60.0
"""Seconds for which the tests' own engine is waited for."""
PULLS_WITHIN = 300
"""Seconds that an image may take to come from a registry."""


@dataclass(frozen=True)
class Engine:
    """Runs docker and compose."""

    environment: Mapping[str, str]
    """What the commands find in their environment."""
    is_own: bool
    """Whether the tests started it."""

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `docker`; with `check`, a failure raises with the end of what it said."""
        return self.run(["docker", *arguments], check=check)

    def run(
        self,
        command: Sequence[str],
        *,
        check: bool = True,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command against the engine, with `extra` variables.

        Raises:
            AssertionError: it failed, and `check` is true.
        """
        environment = {**self.environment, **(extra or {})}
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{said}"
        return done

    def has(self, image: str) -> bool:
        """Whether an image is here, or comes from a registry."""
        if self.docker("image", "inspect", image, check=False).returncode == 0:
            return True
        try:
            pulled = subprocess.run(
                ["docker", "pull", "--quiet", image],
                env=dict(self.environment),
                capture_output=True,
                timeout=PULLS_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return pulled.returncode == 0

    @contextmanager
    def importing(self, tag: str) -> Iterator[IO[bytes]]:
        """Takes a tar archive and makes it an image."""
        command = ["docker", "import", "-", tag]
        process = subprocess.Popen(
            command, env=dict(self.environment), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        with process.stdin:
            yield process.stdin
        assert process.wait() == 0, f"docker import of {tag} failed"

    def build(self, folder: Path, tag: str, arguments: Mapping[str, str], *, target: str = "") -> None:
        """Builds an image with the host's network, where a page on loopback can be read."""
        command = ["docker", "build", "--network", "host", "--tag", tag]
        command += [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        self.run([*command, *(["--target", target] if target else []), str(folder)])


def compose_command(environment: Mapping[str, str]) -> list[str] | None:
    """How compose is called: the plugin, or the program of its own; None: there is neither."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        if (
            subprocess.run([*command, "version"], env=dict(environment), capture_output=True, check=False).returncode
            == 0
        ):
            return command
    return None


@contextmanager
def open_engine() -> Iterator[Engine]:
    """This machine's engine where one answers; else one of the tests' own. Skips the test where neither can be had."""
    if shutil.which("docker") is None:
        pytest.skip("needs a container engine: there is no docker here (Debian's package docker.io)")
    environment = dict(os.environ)
    if _answers(environment):
        yield Engine(environment, is_own=False)
        return
    if os.geteuid() != 0 or shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("needs a container engine: none answers, and starting one takes root and Debian's docker.io")
    # Short, since the path of a socket may have no more than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    environment |= {
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_BUILDKIT": "0",
        "COMPOSE_DOCKER_CLI_BUILD": "0",
    }
    process = _start(folder, environment)
    try:
        _wait(process, folder, environment)
        yield Engine(environment, is_own=True)
    finally:
        _stop(process, folder, environment)


def _answers(environment: Mapping[str, str]) -> bool:
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    return subprocess.run(command, env=dict(environment), capture_output=True, check=False).returncode == 0


def _start(folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"]
    command += ["--pidfile", f"{folder}/docker.pid", "--host", environment["DOCKER_HOST"]]
    command += ["--storage-driver", "overlay2", "--bridge", "none"]
    command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            env={**environment, "PATH": f"{environment['PATH']}:/usr/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], folder: Path, environment: Mapping[str, str]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(environment):
            return
        time.sleep(0.2)
    last = "\n".join((folder / "log").read_text("utf-8", "replace").splitlines()[-5:])
    pytest.skip(f"needs a container engine: none answers, and dockerd does not start here:\n{last}")


def _stop(process: subprocess.Popen[bytes], folder: Path, environment: Mapping[str, str]) -> None:
    if process.poll() is None:
        listed = subprocess.run(
            ["docker", "ps", "-aq"], env=dict(environment), capture_output=True, text=True, check=False
        )
        if containers := listed.stdout.split():
            subprocess.run(
                ["docker", "rm", "-fv", *containers], env=dict(environment), capture_output=True, check=False
            )
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for mounted in (folder / "run" / "netns").glob("*"):
        subprocess.run(["umount", str(mounted)], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
