"""A name after USING stands for what can be had here and now, and what cannot be had is said within the time."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from thanosql.errors import BaseModelUnavailable, PathRefused, UnknownBaseModel
from thanosql.types import BaseModelSource
from trainer_service.bases.base_models import BUNDLED_FOLDER, ENGLISH, NAMED, BaseModels
from trainer_service.bases.hub import Hub

CONFIGURATION = {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}


class Answers(ThreadingHTTPServer):
    """A hub that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, *files: str, **configuration: Any) -> None:
        self.repositories[name] = {
            "sha": "c0ffee",
            "siblings": [{"rfilename": file} for file in files],
            "config": {**CONFIGURATION, **configuration},
        }


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = "/".join(self.path.split("/")[3:5])
        known = self.server.repositories.get(name)
        body = json.dumps(known or {"error": "not found"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def models(tmp_path: Path, endpoint: str, *, strict: bool = False, timeout: float = 5.0) -> BaseModels:
    return BaseModels(tmp_path, Hub(timeout, endpoint, tmp_path / "cache"), strict=strict)


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def cache(tmp_path: Path, repository: str, revision: str, source: Path) -> None:
    """Puts a checkpoint where the hub's client would have put it."""
    folder = tmp_path / "cache" / f"models--{repository.replace('/', '--')}"
    shutil.copytree(source, folder / "snapshots" / revision)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)


@pytest.mark.parametrize("name", ["Wav2Vec2En", "wav2vec2en"])
def test_a_name_stands_for_its_repository_at_the_pinned_revision(tmp_path: Path, hub: Answers, name: str) -> None:
    hub.add(ENGLISH.checkpoint, "config.json", "model.safetensors", "vocab.json")
    base = models(tmp_path, hub.address).resolve(name)
    assert (base.name, base.checkpoint, base.source) == ("Wav2Vec2En", ENGLISH.checkpoint, BaseModelSource.HUB)
    assert hub.asked == [f"/api/models/{ENGLISH.checkpoint}/revision/{ENGLISH.revision}"]
    assert base.fallback_notice == ""


def test_without_the_hub_english_falls_back_to_the_bundled_model_and_says_so(tmp_path: Path, nowhere: str) -> None:
    base = models(tmp_path, nowhere).resolve("Wav2Vec2En")
    assert (base.name, base.checkpoint, base.source) == ("Wav2Vec2En", "wav2vec2-tiny-en", BaseModelSource.BUNDLED)
    assert len(base.revision) == 12
    assert "facebook/wav2vec2-base-960h" in base.fallback_notice
    assert "far weaker" in base.fallback_notice


def test_a_strict_server_does_not_fall_back(tmp_path: Path, nowhere: str) -> None:
    with pytest.raises(BaseModelUnavailable, match="facebook/wav2vec2-base-960h") as caught:
        models(tmp_path, nowhere, strict=True).resolve("Wav2Vec2En")
    assert "Connect to the internet" in caught.value.hint


def test_no_other_base_falls_back(tmp_path: Path, nowhere: str) -> None:
    for name in ("Wav2Vec2Ko", "someone/wav2vec2-xx"):
        with pytest.raises(BaseModelUnavailable, match="out of reach"):
            models(tmp_path, nowhere).resolve(name)


def test_the_bundled_model_needs_no_hub(tmp_path: Path, nowhere: str) -> None:
    base = models(tmp_path, nowhere, strict=True).resolve("Wav2Vec2EnTiny")
    assert (base.source, base.fallback_notice) == (BaseModelSource.BUNDLED, "")


def test_a_cached_checkpoint_needs_no_hub(tmp_path: Path, nowhere: str) -> None:
    cache(tmp_path, ENGLISH.checkpoint, ENGLISH.revision, BUNDLED_FOLDER)
    cache(tmp_path, "someone/wav2vec2-xx", "abc123", BUNDLED_FOLDER)
    bases = models(tmp_path, nowhere)
    assert bases.resolve("Wav2Vec2En").source is BaseModelSource.CACHED
    found = bases.resolve("someone/wav2vec2-xx")
    assert (found.source, found.revision) == (BaseModelSource.CACHED, "abc123")
    assert [base.source for base in bases.list()] == [
        BaseModelSource.CACHED,
        BaseModelSource.HUB,
        BaseModelSource.BUNDLED,
    ]


def test_a_hub_that_is_silent_is_given_up_in_time_and_not_asked_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bases = models(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        assert bases.resolve("Wav2Vec2En").fallback_notice
        assert "no answer" in bases.resolve("Wav2Vec2En").fallback_notice


def test_any_repository_with_a_ctc_head_is_taken_at_its_commit(tmp_path: Path, hub: Answers) -> None:
    hub.add("someone/wav2vec2-xx", "config.json", "model.safetensors", "vocab.json")
    base = models(tmp_path, hub.address).resolve("someone/wav2vec2-xx")
    assert (base.checkpoint, base.revision, base.source) == ("someone/wav2vec2-xx", "c0ffee", BaseModelSource.HUB)


@pytest.mark.parametrize(
    ("files", "configuration", "said"),
    [
        (("model.safetensors", "vocab.json"), {"model_type": "whisper"}, "is no Wav2Vec2, HuBERT or"),
        (
            ("model.safetensors", "vocab.json"),
            {"model_type": "wavlm", "architectures": ["WavLMForCTC"]},
            "wavlm, WavLM",
        ),
        (("model.safetensors", "vocab.json"), {"architectures": ["HubertForCTC"]}, "wav2vec2, HubertForCTC"),
        (
            ("model.safetensors", "vocab.json"),
            {"architectures": ["Wav2Vec2ForPreTraining"]},
            "Wav2Vec2ForPreTraining",
        ),
        (("pytorch_model.bin", "vocab.json"), {}, "only as a pickle"),
        (("model.safetensors",), {}, "vocab.json"),
        (("vocab.json",), {}, "no weights"),
    ],
)
def test_a_repository_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, hub: Answers, files: tuple[str, ...], configuration: dict[str, Any], said: str
) -> None:
    hub.add("someone/model", *files, **configuration)
    with pytest.raises(UnknownBaseModel, match=said):
        models(tmp_path, hub.address).resolve("someone/model")


@pytest.mark.parametrize(
    ("model_type", "architecture"), [("hubert", "HubertForCTC"), ("data2vec-audio", "Data2VecAudioForCTC")]
)
def test_relatives_of_wav2vec2_are_taken(tmp_path: Path, hub: Answers, model_type: str, architecture: str) -> None:
    files = ("config.json", "model.safetensors", "vocab.json")
    hub.add("someone/model", *files, model_type=model_type, architectures=[architecture])
    assert models(tmp_path, hub.address).resolve("someone/model").source is BaseModelSource.HUB


def test_an_unknown_name_brings_the_nearest(tmp_path: Path, hub: Answers) -> None:
    with pytest.raises(UnknownBaseModel, match="'Wav2VecEn' does not exist") as caught:
        models(tmp_path, hub.address).resolve("Wav2VecEn")
    assert "Did you mean Wav2Vec2En?" in caught.value.hint
    with pytest.raises(UnknownBaseModel, match="'' does not exist"):
        models(tmp_path, hub.address).resolve("")
    with pytest.raises(UnknownBaseModel, match="the hub has no repository 'some/thing'"):
        models(tmp_path, hub.address).resolve("some/thing")


def test_a_folder_of_the_workspace_is_a_base(tmp_path: Path, hub: Answers) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "mine" / "english")
    base = models(tmp_path, hub.address).resolve("mine/english")
    assert (base.source, base.checkpoint) == (BaseModelSource.FOLDER, str(tmp_path / "mine" / "english"))
    assert hub.asked == []


def test_a_folder_whose_path_begins_with_a_dot_is_called_as_without(tmp_path: Path, hub: Answers) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "mine" / "english")
    assert models(tmp_path, hub.address).resolve("./mine/english").name == "mine/english"


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "bert"}'])
def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path, nowhere: str, content: str) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "folder")
    (tmp_path / "folder" / "config.json").write_text(content)
    with pytest.raises(UnknownBaseModel, match="folder"):
        models(tmp_path, nowhere).resolve("folder")


def test_a_folder_that_lacks_something_is_told_all_that_it_lacks(tmp_path: Path, nowhere: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{}")
    with pytest.raises(UnknownBaseModel) as caught:
        models(tmp_path, nowhere).resolve("folder")
    assert caught.value.message == (
        "the folder 'folder' is no checkpoint: it lacks vocab.json (the spelling of its outputs), "
        "preprocessor_config.json (how sound is fed to it) and model.safetensors (the weights)"
    )


def test_a_folder_with_pickled_weights_is_refused_with_what_to_do(tmp_path: Path, nowhere: str) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "folder")
    (tmp_path / "folder" / "model.safetensors").rename(tmp_path / "folder" / "pytorch_model.bin")
    with pytest.raises(UnknownBaseModel, match="only as a pickle") as caught:
        models(tmp_path, nowhere).resolve("folder")
    assert "save_pretrained(folder)" in caught.value.hint


def test_a_folder_of_links_out_of_the_workspace_is_refused(tmp_path: Path, nowhere: str) -> None:
    (tmp_path / "workspace" / "folder").mkdir(parents=True)
    for file in BUNDLED_FOLDER.iterdir():
        (tmp_path / "workspace" / "folder" / file.name).symlink_to(file)
    with pytest.raises(PathRefused, match="is a link out of the workspace"):
        models(tmp_path / "workspace", nowhere).resolve("folder")


@pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
def test_a_folder_outside_the_workspace_is_refused(tmp_path: Path, nowhere: str, path: str) -> None:
    with pytest.raises(PathRefused):
        models(tmp_path, nowhere).resolve(path)


def test_every_named_base_has_a_language_and_a_description() -> None:
    assert {base.name for base in NAMED} == {"Wav2Vec2En", "Wav2Vec2Ko", "Wav2Vec2EnTiny"}
    assert all(base.language and base.description for base in NAMED)
