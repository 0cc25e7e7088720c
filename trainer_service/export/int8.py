"""Makes the int8 graph of a version at its export, and keeps it where it hears the held-out sample as well as fp32."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thanosql.ctc import decode_text
from thanosql.errors import DataError
from thanosql.held_out import SampleClip
from thanosql.modelstore import GRAPH, ModelDescription
from thanosql.precision import judge
from thanosql.quantisation import FOLDER, quantise_apart
from thanosql.scoring import word_errors
from thanosql.types import Progress
from trainer_service.export.parity import open_session

LISTEN_SECONDS = 20.0
"""For hearing the sample in both precisions; what is not heard by then is not counted."""


def write_int8(
    folder: Path,
    description: ModelDescription,
    sample: Sequence[SampleClip],
    tell: Callable[[Progress], None],
    *,
    clock: Callable[[], float] = time.perf_counter,
    listen_seconds: float = LISTEN_SECONDS,
) -> dict[str, Any]:
    """Writes `int8/model.onnx` into the folder of a version, and removes it again where it costs too many words.

    How many is too many: `thanosql.precision`. Each clip is heard alone, as it is served: in int8 the rows of a batch
    would change one another.

    Args:
        folder: Of the version, with its fp32 graph.
        description: Of the version.
        sample: Held-out clips, at least one.
        tell: Takes the progress.
        clock: Gives seconds.
        listen_seconds: Most seconds for hearing; one clip is always heard.

    Returns:
        For the report: whether it is kept and why, error rates, sizes, and times as fast as fp32 on this machine.
    """
    tell(Progress("quantise", 0, 1))
    # In a folder of its own, for the quantiser leaves things about.
    with tempfile.TemporaryDirectory(prefix=f".{FOLDER}-", dir=folder) as made:
        graph = Path(made) / FOLDER / GRAPH
        try:
            quantise_apart(folder / GRAPH, graph, description)
        except DataError as error:
            # Nobody has to have it: the version is served in fp32.
            return {"kept": False, "reason": f"{error.message}. {error.hint}"}
        tell(Progress("quantise", 1, 1))
        exact, rough = _Ear(folder / GRAPH, description), _Ear(graph, description)
        clips = _hear(sample, (exact, rough), tell, clock, listen_seconds)
        spoken = [clip.text for clip in clips]
        judgement = judge(spoken, exact.texts, rough.texts)
        if judgement.passes:
            graph.parent.rename(folder / FOLDER)
    return {
        "kept": judgement.passes,
        "reason": judgement.reason,
        "clips": len(clips),
        "fp32_wer": exact.word_error_rate(spoken),
        "wer": rough.word_error_rate(spoken),
        "fp32_megabytes": exact.megabytes,
        "megabytes": rough.megabytes,
        "times_as_fast": round(exact.seconds / max(rough.seconds, 1e-9), 2),
    }


def _hear(
    sample: Sequence[SampleClip],
    ears: Sequence[_Ear],
    tell: Callable[[Progress], None],
    clock: Callable[[], float],
    listen_seconds: float,
) -> Sequence[SampleClip]:
    """Hears clips in turn; gives those that were heard in time."""
    for ear in ears:
        ear.warm(sample[0])
    ends = clock() + listen_seconds
    for number, clip in enumerate(sample, start=1):
        for ear in ears:
            ear.hear(clip, clock)
        tell(Progress("hear int8", number, len(sample), "clips"))
        if clock() >= ends:
            break
    return sample[:number]


class _Ear:
    """Hears clips by a graph, and counts the seconds that it takes."""

    def __init__(self, graph: Path, description: ModelDescription) -> None:
        self._session, self._description = open_session(graph), description
        self.megabytes = round(sum(file.stat().st_size for file in graph.parent.glob(f"{GRAPH}*")) / 1e6, 1)
        self.texts: list[str] = []
        self.seconds = 0.0

    def warm(self, clip: SampleClip) -> None:
        """Hears a clip for nothing: in a first run memory is taken and kernels are chosen."""
        self._run(clip)

    def hear(self, clip: SampleClip, clock: Callable[[], float]) -> None:
        """Hears a clip, and keeps its text."""
        began = clock()
        self.texts.append(self._run(clip))
        self.seconds += clock() - began

    def word_error_rate(self, spoken: Sequence[str | None]) -> float:
        """Of what was heard, against what the clips say; a clip of which that is not known is left out."""
        pairs = [(said, heard) for said, heard in zip(spoken, self.texts, strict=True) if said is not None]
        return word_errors([said for said, _ in pairs], [heard for _, heard in pairs]).rate

    def _run(self, clip: SampleClip) -> str:
        feed = {"waveform": clip.samples[None], "lengths": np.array([len(clip.samples)], np.int64)}
        tokens, frames = self._session.run(["tokens", "frames"], feed)
        return decode_text(tokens[0, : int(frames[0])], self._description)
