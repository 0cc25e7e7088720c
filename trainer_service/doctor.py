"""What `thanosql doctor` looks at for trainer_service: torch, the GPU, the hub, the base models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from thanosql.errors import NotFound, ThanoSQLError
from thanosql.findings import Finding, examine_folder, examine_packages, examine_peer, fault, fine, note
from trainer_service.config import TrainerConfig

PACKAGES = {
    "torch": "torch",
    "torchaudio": "torchaudio",
    "transformers": "transformers",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "soundfile": "soundfile",
}

_LOOK = """
import json, sys
import torch
try:
    import torchaudio
    audio = ""
except Exception as error:
    audio = f"{type(error).__name__}: {error}"
cards = []
for place in range(torch.cuda.device_count()):
    card = torch.cuda.get_device_properties(place)
    cards.append(f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
print(json.dumps({"torch": torch.__version__, "built_for": torch.version.cuda, "cards": cards, "audio": audio}))
"""
"""In a process of its own: a driver that is not as torch wants it may end it."""

_LOOK_WITHIN = 120.0
"""Seconds; torch takes long to import from a cold disk."""


def examine(config: TrainerConfig) -> Iterator[Finding]:
    """Looks, and changes nothing."""
    yield from examine_packages("trainer", PACKAGES)
    yield from examine_folder("model store", config.models)
    yield from _examine_torch(config)
    yield from _examine_hub(config)
    yield from examine_peer("catalog_service", config.catalog, config)


def _examine_torch(config: TrainerConfig) -> Iterator[Finding]:
    import json

    try:
        run = subprocess.run(
            [sys.executable, "-c", _LOOK], capture_output=True, text=True, timeout=_LOOK_WITHIN, check=True
        )
        seen = json.loads(run.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        yield fault("torch", f"does not answer within {_LOOK_WITHIN:.0f} s", "Is the GPU's driver hanging? nvidia-smi")
        return
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        yield fault("torch", f"cannot be imported: {' '.join(last)}", "pip install 'thanosql-speech[trainer]'")
        return
    if seen["audio"]:
        yield fault(
            "torchaudio",
            f"cannot be imported beside torch {seen['torch']}: {seen['audio']}",
            "The two must be built for the same CUDA: pip install torch torchaudio, in one command.",
        )
    if seen["cards"]:
        yield fine("GPU", "; ".join(seen["cards"]))
    elif config.device.startswith("cuda"):
        yield fault("GPU", f"none that torch can use, and the device is set to {config.device}", _NO_GPU)
    elif Path("/proc/driver/nvidia").exists():
        yield note(
            "GPU", f"there is a driver, and torch {seen['torch']} (CUDA {seen['built_for']}) sees no card", _NO_GPU
        )
    else:
        yield fine("GPU", "none: trainings run on the CPU, which does for small models and minutes of speech")


_NO_GPU = (
    "nvidia-smi shows driver and cards; in a container, start it with the NVIDIA runtime; torch must be a CUDA build."
)


def _examine_hub(config: TrainerConfig) -> Iterator[Finding]:
    from trainer_service.bases.base_models import ENGLISH
    from trainer_service.bases.hub import Hub

    hub = Hub(config.hub_timeout)
    try:
        hub.ask(ENGLISH.checkpoint, ENGLISH.revision)
    except NotFound as error:
        yield note("Hugging Face hub", error.message, "Is HF_ENDPOINT right? It should be a mirror that has the model.")
    except ThanoSQLError as error:
        cached = hub.find_cached(ENGLISH.checkpoint, ENGLISH.revision) is not None
        if cached:
            yield fine("Hugging Face hub", f"{error.message}; {ENGLISH.checkpoint} is in the local cache")
        else:
            yield note(
                "Hugging Face hub",
                f"{error.message}: Wav2Vec2En falls back to the small bundled model",
                f"Let this machine reach the hub once (HTTPS_PROXY, HF_ENDPOINT), or copy {ENGLISH.checkpoint} into "
                "its cache (HF_HOME) or into the workspace, and name the folder after USING.",
            )
    else:
        yield fine("Hugging Face hub", f"{hub.endpoint} answers")
