"""The output of the frozen convolutional encoder, computed once for each clip and kept while memory lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from thanosql.types import Progress
from trainer_service.dataset import Read, Tell, Utterance
from trainer_service.graph import SpeechGraph, frame_count

BATCH_ROWS = 8
BATCH_SAMPLES = 60 * 16_000
"""Most rows, and most samples with padding, that go through the encoder together."""


class FeatureStore:
    """Features by utterance.

    A clip's features do not depend on what it is batched with (see `SpeechGraph`), so keeping them changes nothing.

    Args:
        graph: The network; its convolutional encoder must stay as it is.
        read: Gives an utterance's samples.
        precision: What the encoder computes in, and what is kept.
        device: Where the encoder computes; kept features stay in main memory.
        budget: Bytes that may be kept; what does not fit is computed whenever it is asked for.
    """

    def __init__(
        self, graph: SpeechGraph, read: Read, precision: torch.dtype, device: torch.device, budget: int
    ) -> None:
        self._graph, self._read, self._precision, self._device = graph, read, precision, device
        self._room = budget
        self._kept: dict[int, Tensor] = {}

    def fill(self, utterances: Sequence[Utterance], tell: Tell) -> None:
        """Computes features as long as there is room, shortest clips first."""
        waiting = sorted(utterances, key=lambda each: each.samples)
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
            batches = _batches(waiting)
            following = next(batches, None)
            reading = pool.submit(self._read_all, following or [])
            while following is not None:
                batch, samples = following, reading.result()
                following = next(batches, None)
                reading = pool.submit(self._read_all, following or [])
                computed = self._compute(samples)
                self._room -= sum(each.nbytes for each in computed)
                if self._room < 0:
                    return
                self._kept.update((each.row, value) for each, value in zip(batch, computed, strict=True))
                done += len(batch)
                tell(Progress("encode", done, len(waiting), "clips"))

    def batch(self, utterances: Sequence[Utterance]) -> tuple[Tensor, Tensor]:
        """Features `[rows, frames, channels]` on the device, and the real frames of each row, int64 `[rows]`."""
        missing = [each for each in utterances if each.row not in self._kept]
        computed = dict(zip((each.row for each in missing), self._compute(self._read_all(missing)), strict=True))
        values = [self._kept.get(each.row, computed.get(each.row)) for each in utterances]
        found = [value for value in values if value is not None]
        frames = torch.tensor([len(value) for value in found])
        return pad_sequence(found, batch_first=True).to(self._device), frames

    def _read_all(self, utterances: Iterable[Utterance]) -> list[Tensor]:
        return [torch.from_numpy(self._read(each)) for each in utterances]

    @torch.no_grad()
    def _compute(self, samples: Sequence[Tensor]) -> list[Tensor]:
        if not samples:
            return []
        lengths = torch.tensor([len(each) for each in samples])
        with torch.autocast(self._device.type, self._precision, enabled=self._precision is not torch.float32):
            values = self._graph.features(
                pad_sequence(list(samples), batch_first=True).to(self._device), lengths.to(self._device)
            )
        counts = frame_count(self._graph.model.config, lengths).tolist()
        # A copy of each row: a view would keep the padding alive.
        return [
            value[:count].to("cpu", self._precision, copy=True) for value, count in zip(values, counts, strict=True)
        ]


def _batches(utterances: Sequence[Utterance]) -> Iterator[list[Utterance]]:
    """Neighbours together, within the limits; `utterances` come in order of length."""
    batch: list[Utterance] = []
    for each in utterances:
        if batch and (len(batch) == BATCH_ROWS or each.samples * (len(batch) + 1) > BATCH_SAMPLES):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch
