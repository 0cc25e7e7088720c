"""Settings of inference_service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thanosql.configuration import ServiceConfig, setting


@dataclass(frozen=True, kw_only=True)
class InferenceConfig(ServiceConfig):
    """Transcribes recordings with exported models, in batches, over gRPC."""

    service: ClassVar[str] = "inference"

    port: int = setting(8473, "port to listen on; 0: chosen by the system")
    device: str = setting("auto", "auto, cpu or cuda; auto takes cuda where there is one")
    engine: str = setting("auto", "auto, onnxruntime or openvino; auto takes the best that is installed")
    precision: str = setting("fp32", "fp32, bf16, int8, or auto: the fastest that says the same of a held-out sample")
    precision_seconds: float = setting(120.0, "seconds that auto may listen before it keeps to fp32")
    batch_seconds: float = setting(0.0, "padded seconds of audio in a batch; 0: by the device")
    batch_rows: int = setting(0, "clips in a batch; 0: by the device")
    concurrent_seconds: float = setting(0.0, "padded seconds computed at once, which bounds memory; 0: by the device")
    workers: int = setting(0, "batches computed at once; 0: by the device")
    threads: int = setting(0, "CPU threads of each batch; 0: the cores, shared among the workers")
    decode_threads: int = setting(2, "recordings decoded at once")
    queue_seconds: float = setting(
        0.0, "seconds of bulk audio that wait for a model before senders are held back; 0: 300, or 20 batches if more"
    )
    interactive_queue_seconds: float = setting(60.0, "the same for the interactive class")
    bulk_share: float = setting(0.2, "what bulk gets of the computing, at the least, while interactive calls wait")
    delay: float = setting(0.0, "milliseconds that a batch waits for company, from its oldest clip's arrival")
    model_memory: float = setting(0.0, "GiB that models may take; 0: half of what the machine or container has")
    preload: str = setting("", "models that are loaded at the start, with commas between: name, or workspace/name")
    calibration_seconds: float = setting(4.0, "seconds of measuring when a model is first loaded; 0: not measured")
    max_audio_seconds: float = setting(4 * 3600.0, "longest recording that is taken")
