"""Screenshots, made small enough for a repository."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 200_000
COLOURS = 128


def store(picture: Path) -> int:
    """Writes the picture anew with few colours, which text and tables do with; its bytes."""
    from PIL import Image

    with Image.open(picture) as taken:
        small = taken.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
    return picture.stat().st_size
