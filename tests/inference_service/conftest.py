"""A model store with two exported models, and a service that runs on it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from inference_service.__main__ import start
from inference_service.config import InferenceConfig
from tests.built_once import build_once
from thanosql.clients import InferenceClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import RunningServer

Start = Callable[..., tuple[RunningServer, InferenceClient]]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """`<state>/models` with "tiny", the bundled model, and "grouped", random weights with wav2vec2-base's norm."""
    bundled = checkout / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    exported = build_once(tmp_path_factory, "models-for-inference", lambda folder: _export_models(folder, bundled))
    # Services write beside the models what they find out about them.
    return Path(shutil.copytree(exported, tmp_path_factory.mktemp("state") / "models"))


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that the test may damage."""
    return Path(shutil.copytree(store, tmp_path / "state" / "models"))


@pytest.fixture
def start_service(store: Path, checkout: Path) -> Iterator[Start]:
    """Starts a service over the checkout as its workspace, with settings of the test's own, and a client for it."""
    servers: list[RunningServer] = []
    channels: list[grpc.Channel] = []

    def run(**settings: object) -> tuple[RunningServer, InferenceClient]:
        defaults = {
            "port": 0,
            "workspace": checkout,
            "state": store.parent,
            "device": "cpu",
            "grace": 5.0,
            "calibration_seconds": 0,
        }
        server = start(InferenceConfig(**{**defaults, **settings}))  # type: ignore[arg-type]
        channel = open_channel(server.address)
        servers.append(server)
        channels.append(channel)
        return server, InferenceClient(channel, server.address)

    yield run
    for channel in channels:
        channel.close()
    for server in servers:
        server.stop(0)


@pytest.fixture
def client(start_service: Start) -> InferenceClient:
    """Of a service with the default settings."""
    return start_service()[1]


class Process:
    """inference_service in a process of its own; its log is read as it comes."""

    def __init__(self, **settings: object) -> None:
        command = [sys.executable, "-m", "inference_service", "--port", "0", "--device", "cpu"]
        for name, value in settings.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.address = self.wait_for("listening on ").rpartition(" ")[2]

    def wait_for(self, text: str) -> str:
        """The line of the log that holds `text`."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._find(text) or self._ended, 120), self.lines
        line = self._find(text)
        assert line, self.lines
        return line

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Its exit status, when it has ended."""
        status = self._process.wait(120)
        self._reader.join()
        return status

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def close(self) -> None:
        self._process.kill()
        self.end()

    def _find(self, text: str) -> str:
        return next((line for line in self.lines if text in line), "")

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as log:
            for line in log:
                with self._changed:
                    self.lines.append(line.rstrip())
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@pytest.fixture
def start_process(store: Path, checkout: Path) -> Iterator[Callable[..., tuple[Process, InferenceClient]]]:
    """Starts a service in a process of its own, over the checkout as its workspace, and a client for it."""
    opened: list[Callable[[], None]] = []

    def start(**settings: object) -> tuple[Process, InferenceClient]:
        defaults = {"state": store.parent, "workspace": checkout, "calibration_seconds": 0}
        process = Process(**{**defaults, **settings})
        channel = open_channel(process.address)
        opened.extend([process.close, channel.close])
        return process, InferenceClient(channel, process.address)

    yield start
    for close in reversed(opened):
        close()


def _export_models(store: Path, bundled: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from trainer_service.bases.checkpoints import Checkpoint
    from trainer_service.export.export import new_description, write_version

    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(bundled)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundled)
    torch.manual_seed(7)
    grouped = Wav2Vec2Config(
        vocab_size=32,
        pad_token_id=0,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="group",
        # Random weights of the usual size say the same of every frame.
        initializer_range=0.3,
    )
    models = {
        "tiny": Wav2Vec2ForCTC.from_pretrained(bundled, dtype=torch.float32),
        "grouped": Wav2Vec2ForCTC(grouped),
    }
    for name, model in models.items():
        description = new_description(name, 1, class_name="Test", base="test", report={})
        write_version(store, Checkpoint(model, tokenizer, extractor), description)
