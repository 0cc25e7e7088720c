"""What every analysis is: a statement becomes the steps of its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from query_service.language.source import Source
from query_service.planning.steps import Step
from thanosql.types import Snapshot

Analysis = Callable[[Any, Snapshot, Source], tuple[Step, ...]]
"""Checks a statement against a snapshot; errors show their place in the source."""
