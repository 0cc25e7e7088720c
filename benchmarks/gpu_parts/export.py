"""Makes the models of all sizes, and exports them through the parity gate."""

from __future__ import annotations

import time
from typing import Any

from gpu_parts.serving import export
from gpu_parts.settings import Settings


def measure(settings: Settings) -> dict[str, Any]:
    """Seconds by size."""
    figures: dict[str, Any] = {}
    for size in settings.sizes:
        begin = time.perf_counter()
        export(settings, size)
        figures[f"{size}, s"] = round(time.perf_counter() - begin, 1)
    return figures
