"""The output of the frozen convolutional encoder, computed once for each clip and kept while memory lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from thanosql.errors import AudioError
from thanosql.types import Progress
from trainer_service.data.dataset import Tell
from trainer_service.data.reading import Recordings
from trainer_service.export.graph import SpeechGraph, frame_count
from trainer_service.training.augmentation import Clip, change_speed
from trainer_service.training.machine import is_out_of_memory

KEPT_BYTES = 1 << 30
"""Memory that kept features may take: 11 hours of audio for the bundled model, 5 for wav2vec2-base."""
KEPT_SHARE_OF_GPU = 8
"""One part in so many of a GPU's memory may be taken by them."""
BATCH_ROWS, BATCH_ROWS_ON_GPU = 8, 64
BATCH_SECONDS = 60.0
"""Most rows, and most seconds with padding, that go through the encoder together."""

Key = tuple[int, float]


class FeatureStore:
    """Features by clip.

    A clip's features do not depend on what it is batched with (see `SpeechGraph`), so keeping them changes nothing.

    Args:
        graph: The network; its convolutional encoder must stay as it is.
        recordings: Give the samples.
        sample_rate: Of the samples, in Hz.
        precision: What the encoder computes in, and what is kept.
        device: Where the encoder computes, and where features are kept.
        budget: Bytes that may be kept; what does not fit is computed whenever it is asked for.
    """

    def __init__(
        self,
        graph: SpeechGraph,
        recordings: Recordings,
        *,
        sample_rate: int,
        precision: torch.dtype,
        device: torch.device,
        budget: int = KEPT_BYTES,
    ) -> None:
        self._graph, self._recordings, self._sample_rate = graph, recordings, sample_rate
        self._precision, self._device = precision, device
        self._room = budget
        self._kept: dict[Key, Tensor] = {}
        self.lost: dict[int, str] = {}
        """Rows whose recording could be read when it was checked and cannot any more, with why."""

    def fill(self, clips: Iterable[Clip], tell: Tell) -> None:
        """Computes features as long as there is room, shortest clips first."""
        waiting = sorted({clip.key: clip for clip in clips}.values(), key=lambda clip: (clip.samples, clip.key))
        rows = BATCH_ROWS_ON_GPU if self._device.type == "cuda" else BATCH_ROWS
        batches = _batches(waiting, rows, int(BATCH_SECONDS * self._sample_rate))
        done = 0
        following = next(batches, None)
        self.expect(following or [])
        while following is not None:
            batch = following
            following = next(batches, None)
            self.expect(following or [])
            computed = self._compute(batch)
            self._room -= sum(each.nbytes for each in computed.values())
            if self._room < 0:
                return
            self._kept |= computed
            done += len(batch)
            tell(Progress("encode", done, len(waiting), "clips"))

    def expect(self, clips: Iterable[Clip]) -> None:
        """These will be asked for next."""
        self._recordings.expect(clip.utterance for clip in clips if clip.key not in self._kept)

    def batch(self, clips: Sequence[Clip]) -> tuple[list[Clip], Tensor, Tensor]:
        """What is known of some clips.

        Returns:
            The clips, without those whose recording is gone; their features `[clips, frames, channels]` on the device;
            and the real frames of each, int64 `[clips]`.
        """
        found = self._compute([clip for clip in clips if clip.key not in self._kept])
        found |= {clip.key: self._kept[clip.key] for clip in clips if clip.key in self._kept}
        there = [clip for clip in clips if clip.key in found]
        values = [found[clip.key] for clip in there]
        frames = torch.tensor([len(value) for value in values], dtype=torch.int64)
        if not there:
            return [], torch.empty(0, 0, 0), frames
        return there, pad_sequence(values, batch_first=True), frames

    def _read(self, clip: Clip) -> Tensor | None:
        try:
            samples = torch.from_numpy(self._recordings.read(clip.utterance))
        except AudioError as error:
            self.lost.setdefault(clip.utterance.row, error.message)
            return None
        return change_speed(samples.to(self._device), clip.speed, self._sample_rate)

    def _compute(self, clips: Sequence[Clip]) -> dict[Key, Tensor]:
        read = [(clip.key, samples) for clip in clips if (samples := self._read(clip)) is not None]
        return self._encode(read) if read else {}

    def _encode(self, read: Sequence[tuple[Key, Tensor]]) -> dict[Key, Tensor]:
        """The features of what was read; where memory runs out, of one half after the other."""
        try:
            return self._encode_together(read)
        except (RuntimeError, MemoryError) as error:
            if len(read) == 1 or not is_out_of_memory(error):
                raise
        # Here, where the error and the tensors that it held are gone.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        middle = len(read) // 2
        return self._encode(read[:middle]) | self._encode(read[middle:])

    @torch.no_grad()
    def _encode_together(self, read: Sequence[tuple[Key, Tensor]]) -> dict[Key, Tensor]:
        lengths = torch.tensor([len(samples) for _, samples in read])
        with torch.autocast(self._device.type, self._precision, enabled=self._precision is not torch.float32):
            values = self._graph.features(
                pad_sequence([samples for _, samples in read], batch_first=True), lengths.to(self._device)
            )
        counts = frame_count(self._graph.model.config, lengths).tolist()
        return {
            # A copy of each row: a view would keep the padding alive.
            key: value[:count].to(self._precision, copy=True)
            for (key, _), value, count in zip(read, values, counts, strict=True)
        }


def share_memory(device: torch.device, available: int, processes: int) -> tuple[int, int]:
    """Bytes for the steps of one process, and for its features, where so many are free on its device.

    Args:
        device: A GPU is one process's alone; main memory is shared by all.
        available: Bytes that are free.
        processes: That train together on this machine.
    """
    if device.type == "cuda":
        kept = available // KEPT_SHARE_OF_GPU
        return available - kept, kept
    return available // processes, KEPT_BYTES


def _batches(clips: Sequence[Clip], rows: int, samples: int) -> Iterator[list[Clip]]:
    """Neighbours together, within the limits; `clips` come in order of length."""
    batch: list[Clip] = []
    for clip in clips:
        if batch and (len(batch) == rows or clip.samples * (len(batch) + 1) > samples):
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch
