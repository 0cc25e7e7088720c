"""What `thanosql doctor` looks at for inference_service: the engines, the GPU, the models in the store."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from inference_service.config import InferenceConfig
from thanosql.errors import ThanoSQLError
from thanosql.findings import Finding, examine_folder, examine_packages, fault, fine, note
from thanosql.modelstore import DESCRIPTION, GRAPH, read_description

PACKAGES = {"onnxruntime": "onnxruntime", "soundfile": "soundfile", "soxr": "soxr", "onnx": "onnx"}

CUDA = "CUDAExecutionProvider"


def examine(config: InferenceConfig) -> Iterator[Finding]:
    """Looks, and changes nothing."""
    yield from examine_packages("inference", PACKAGES)
    yield from examine_folder("model store", config.models, writes=False)
    if find_spec("onnxruntime") is not None:
        yield from _examine_engines(config)
    yield from _examine_models(config)


def _examine_engines(config: InferenceConfig) -> Iterator[Finding]:
    from onnxruntime import get_available_providers

    built_for = CUDA in get_available_providers()
    names = "ONNX Runtime" + (", built with CUDA" if built_for else "")
    if find_spec("openvino") is not None:
        names += ", OpenVINO"
    yield fine("engines", names)
    if config.device == "cuda" and not built_for:
        yield fault(
            "GPU", "the device is set to cuda, and ONNX Runtime is built without it", "pip install onnxruntime-gpu"
        )
    if config.engine == "openvino" and find_spec("openvino") is None:
        yield fault(
            "engines",
            "the engine is set to openvino, which is not installed",
            "pip install 'thanosql-speech[openvino]'",
        )


def _examine_models(config: InferenceConfig) -> Iterator[Finding]:
    versions = sorted(config.models.glob(f"*/*/{DESCRIPTION}")) if config.models.is_dir() else []
    broken = 0
    for file in versions:
        if not file.parent.name.isdecimal():  # one that is being written
            continue
        try:
            read_description(file.parent)
            problem = "" if (file.parent / GRAPH).exists() else f"{GRAPH} is missing"
        except ThanoSQLError as error:
            problem = error.message
        if problem:
            broken += 1
            yield note(
                f"model {file.parent.parent.name}, version {file.parent.name}",
                problem,
                "Build it again, or delete it: DELETE MODEL.",
            )
    yield fine("models", f"{len(versions) - broken} versions in the store can be read")
