"""The held-out sample of a version: a few recordings that it was not trained on, with what they say.

`<version>/sample/` holds them as `00.flac`, `01.flac`, … and what they say in `references.json`. BUILD writes it, out
of the rows that it held out; inference_service listens to it where it may choose the precision to serve a model in.

These are copies of the user's recordings: whoever may read the model may hear them, and a model that is given away
takes them along. Removing the folder harms nothing: the choice is then fp32.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thanosql.errors import DataError

SAMPLE = "sample"
REFERENCES = "references.json"
MOST_CLIPS = 40
MOST_SECONDS = 120.0
"""Of all clips together: at 16 kHz no more than 4 MB, and few enough to be listened to in some tens of seconds."""
LONGEST_SECONDS = 30.0
"""Of one clip: what a model takes without being cut."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleClip:
    """A recording that the model was not trained on."""

    samples: NDArray[np.float32]
    """`[samples]`, at the model's rate."""
    text: str | None = None
    """What it says, as the user wrote it; None where it is not known."""


def choose_sample(seconds: Sequence[float]) -> tuple[int, ...]:
    """Which recordings of these lengths make the sample: drawn, always the same, as many as are allowed; ascending."""
    places = list(range(len(seconds)))
    random.Random(0).shuffle(places)
    chosen: list[int] = []
    total = 0.0
    for place in places:
        if len(chosen) < MOST_CLIPS and seconds[place] <= min(LONGEST_SECONDS, MOST_SECONDS - total):
            chosen.append(place)
            total += seconds[place]
    return tuple(sorted(chosen))


def write_sample(folder: Path, clips: Sequence[SampleClip], sample_rate: int) -> None:
    """Writes the sample of the version in `folder`; nothing where there are no clips.

    Samples are kept in 16 bits; what is beyond full scale is cut off.
    """
    if not clips:
        return
    import soundfile

    (folder / SAMPLE).mkdir(mode=0o755)
    entries = []
    for number, clip in enumerate(clips):
        name = f"{number:02d}.flac"
        soundfile.write(folder / SAMPLE / name, clip.samples, sample_rate, subtype="PCM_16")
        entries.append({"file": name, "text": clip.text})
    text = json.dumps({"clips": entries}, ensure_ascii=False, indent=1)
    (folder / SAMPLE / REFERENCES).write_text(text + "\n", "utf-8")


def read_sample(folder: Path) -> tuple[SampleClip, ...]:
    """The sample of the version in `folder`; empty where none is stored with it.

    Raises:
        DataError: it is damaged.
    """
    import soundfile

    file = folder / SAMPLE / REFERENCES
    try:
        entries = json.loads(file.read_text("utf-8"))["clips"][:MOST_CLIPS]
        return tuple(
            # By its last part: the name comes from a file, and shall not lead elsewhere.
            SampleClip(soundfile.read(file.with_name(Path(each["file"]).name), dtype="float32")[0], each["text"])
            for each in entries
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, soundfile.SoundFileError) as error:
        raise DataError(
            f"the held-out sample {folder / SAMPLE} is damaged: {error}",
            hint="Remove that folder: the model is served in fp32 then. Building the model again makes a new one.",
        ) from error
