"""Reads pages of metrics."""

from __future__ import annotations

import runpy
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families


class Page:
    """The samples of a page, or of several, by name."""

    def __init__(self, *texts: str) -> None:
        self.declared: set[str] = set()
        """Names with a TYPE."""
        self.labels: defaultdict[str, set[str]] = defaultdict(set)
        """Names of the labels of each name's samples."""
        self._samples: list[tuple[str, dict[str, str], float]] = []
        for text in texts:
            self.declared |= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    # The parser gives every counter the ending that Triton's have not.
                    plain = sample.name.removesuffix("_total")
                    name = plain if plain in self.declared else sample.name
                    self._samples.append((name, sample.labels, sample.value))
                    self.labels[name] |= set(sample.labels)

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(value for each, has, value in self._samples if each == name and labels.items() <= has.items())

    def values(self, name: str, label: str) -> dict[str, float]:
        """The samples of a name, by one of their labels."""
        return {has[label]: value for each, has, value in self._samples if each == name}

    def has(self, name: str) -> bool:
        """Whether there is a sample of the name."""
        return name in self.labels

    def missing(self, names: Iterable[str]) -> set[str]:
        """Those of the names of which there is no sample."""
        return {name for name in names if not self.has(name)}


def written_by(script: Path) -> str:
    """What a script writes into its file."""
    text: str = runpy.run_path(str(script))["text"]()
    return text
