"""Does a training on the GPU keep its promises: the same model again, after a stop, and where memory runs out?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpu_parts.settings import SIZES, Figures, Settings

EPOCHS = 2


def measure(settings: Settings) -> dict[str, Any]:
    """Figures by size: differences of weights, of losses, and what happened when memory was short."""
    return {size: _measure(settings, settings.checkpoint(size), size) for size in settings.sizes if size in SIZES}


def _measure(settings: Settings, checkpoint: Path, size: str) -> dict[str, Any]:
    import torch

    from trainer_service.training.machine import compute_repeatably

    device = torch.device(settings.device)
    folder = settings.scratch / f"training-{size}"
    is_gpu = device.type == "cuda"
    figures = Figures()

    def fit(name: str, **options: Any) -> Any:
        return train(settings, checkpoint, folder / name, device=device, **options)

    if is_gpu and not settings.is_quick:
        first, second = fit("unordered-1"), fit("unordered-2")
        figures["same seed, sums in any order"] = differ(first, second)
    compute_repeatably(device)
    first = fit("first")
    figures["losses"] = [round(loss, 4) for loss in first.losses]
    figures["audio seconds/s"] = round(first.audio_rate, 1)
    figures["seconds"] = round(first.seconds, 2)
    figures["GPU MB"] = first.megabytes
    figures["same seed"] = differ(first, fit("second"))
    steps = first.steps
    fit("resumed", stop_after=steps // 2)
    resumed = fit("resumed")
    figures["resumed after a stop"] = differ(first, resumed)
    figures["resumed from step"] = steps - resumed.steps_taken
    if is_gpu:
        _run_short(figures, fit, first)
        figures["float32 against bf16, last loss"] = round(fit("fp32", precision=torch.float32).losses[-1], 4)
    return figures


def _run_short(figures: Figures, fit: Callable[..., Any], first: Any) -> None:
    """Has memory run out, by granting this process little more than half of what the training took."""
    import torch

    from thanosql.errors import JobFailed

    total = torch.cuda.get_device_properties(0).total_memory
    for name, share in (("little memory", 0.55), ("next to no memory", 0.02)):
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(share * first.megabytes * 2**20 / total)
        try:
            short = fit(name.replace(" ", "-"), at_once=math.inf)
            figures[f"{name}: notices"] = [each.text for each in short.notices][:3]
            figures[f"{name}: last loss against"] = [round(short.losses[-1], 4), round(first.losses[-1], 4)]
            figures[f"{name}: GPU MB"] = short.megabytes
        except JobFailed as error:
            figures[name] = f"JobFailed: {error.message}"
        except RuntimeError as error:
            figures[name] = f"{type(error).__name__}: {str(error)[:200]}"
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()


class Fitted:
    """A training that has ended, or was stopped."""

    def __init__(self) -> None:
        self.weights: dict[str, Any] = {}
        self.losses: tuple[float, ...] = ()
        self.steps = self.steps_taken = self.megabytes = 0
        self.audio_rate = self.seconds = 0.0
        self.notices: list[Any] = []


def train(
    settings: Settings,
    checkpoint: Path,
    folder: Path,
    *,
    device: Any,
    stop_after: int = 0,
    at_once: float | None = None,
    precision: Any = None,
) -> Fitted:
    """Trains as BUILD does, without what comes before and after; `stop_after` so many steps it is stopped."""
    import torch

    from thanosql.types import JobKind, JobSpec, Notice
    from trainer_service.bases.checkpoints import load_folder
    from trainer_service.bases.head import alphabet_of
    from trainer_service.data.dataset import Limits, Row, check_rows
    from trainer_service.data.reading import ReadAhead
    from trainer_service.export.export import describe, new_description
    from trainer_service.export.graph import frame_count
    from trainer_service.training.features import FeatureStore, share_memory
    from trainer_service.training.finetune import FineTuning, Stopped
    from trainer_service.training.machine import available_memory, choose_precision
    from trainer_service.training.recipe import ModelSize, choose_recipe, seconds_at_once

    fitted = Fitted()
    loaded = load_folder(checkpoint)
    config: Any = loaded.model.config
    model = describe(loaded, new_description("m", 1, class_name="", base="", report={}))
    rows = [Row(*row) for row in settings.rows[: settings.of(160, 80 if settings.device == "cuda" else 12)]]
    limits = Limits(model.sample_rate, 60.0, lambda samples: int(frame_count(config, samples)))
    utterances, _ = check_rows(rows, settings.workspace, alphabet_of(model), "base", limits, lambda _: None)
    spec = JobSpec(JobKind.BUILD, "m", "base", EPOCHS, 16)
    recipe = replace(choose_recipe(spec, 1.0, len(utterances)), learning_rate=2e-4)

    def tell(message: Any) -> None:
        if isinstance(message, Notice):
            fitted.notices.append(message)
        elif message.phase == "train":
            fitted.steps_taken += 1

    graph = loaded.graph().to(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    memory, kept_bytes = share_memory(device, available_memory(device), 1)
    size = ModelSize(config.num_hidden_layers, config.hidden_size, config.intermediate_size)
    precision = precision or choose_precision(device)
    with ReadAhead(model.sample_rate, 4) as recordings:
        training = FineTuning(
            graph,
            utterances,
            (),
            recipe,
            description=model,
            features=FeatureStore(
                graph,
                recordings,
                sample_rate=model.sample_rate,
                precision=precision,
                device=device,
                budget=kept_bytes,
            ),
            folder=folder,
            tell=tell,
            device=device,
            precision=precision,
            at_once=at_once or seconds_at_once(size, memory),
            is_stopping=lambda: 0 < stop_after <= fitted.steps_taken,
        )
        begin = time.perf_counter()
        try:
            outcome = training.run()
        except Stopped:
            return fitted
    fitted.seconds = time.perf_counter() - begin
    fitted.losses, fitted.steps, fitted.audio_rate = outcome.losses, outcome.steps, outcome.audio_seconds_per_second
    fitted.weights = {name: weight.detach().cpu() for name, weight in graph.state_dict().items()}
    if device.type == "cuda":
        fitted.megabytes = torch.cuda.max_memory_allocated() >> 20
    return fitted


def differ(left: Fitted, right: Fitted) -> str:
    """How far two trained networks are apart, by the largest difference of a weight."""
    different = [name for name, weight in left.weights.items() if not weight.equal(right.weights[name])]
    if not different:
        return "the same, bit by bit"
    largest = max(float((left.weights[name] - right.weights[name]).abs().max()) for name in different)
    return f"{len(different)} of {len(left.weights)} tensors differ, by up to {largest:.2g}"
