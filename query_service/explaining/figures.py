"""Numbers with their units, as EXPLAIN says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def number(count: int, noun: str) -> str:
    """How many there are of something.

    >>> number(1, "row"), number(1234, "distinct file"), number(2, "batch")
    ('1 row', '1,234 distinct files', '2 batches')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {'batches' if noun == 'batch' else f'{noun}s'}"


def duration(seconds: float) -> str:
    """A time, no more precise than it is wanted.

    >>> [duration(each) for each in (0.04, 4.26, 83.0, 503.4, 5000.0, 200_000.0)]
    ['0.04 s', '4.3 s', '83 s', '503 s', '83 min', '55.6 h']
    """
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def share(part: int, whole: int) -> str:
    """A part in per cent.

    >>> share(1, 3), share(0, 0)
    ('33 %', '0 %')
    """
    return f"{100 * part / whole if whole else 0:.0f} %"


def size(count: int) -> str:
    """Bytes.

    >>> size(999), size(24_000), size(5 * 10**9)
    ('999 bytes', '24 kB', '5 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return number(count, "byte")


def reasons(counts: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> str:
    """Why something cannot be used: each reason with how often and for example.

    >>> reasons({"missing": 2}, {"missing": ["a.wav"]})
    '2 missing (a.wav, …)'
    """
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{count:,} {reason} ({_named(count, examples[reason])})" for reason, count in ordered)


def _named(count: int, examples: Sequence[str]) -> str:
    return ", ".join(examples) + (", …" if count > len(examples) else "")
