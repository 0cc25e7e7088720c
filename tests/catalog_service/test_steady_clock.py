"""The clock of leases, while the machine's is set forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog_service.steady_clock import start_steady_clock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_it_goes_on_by_what_has_passed_though_the_wall_clock_jumps() -> None:
    walls, seconds = iter([NOON]), iter([100.0, 101.5, 160.0])
    now = start_steady_clock(lambda: next(walls), lambda: next(seconds))
    assert now() == NOON + timedelta(seconds=1.5)
    assert now() == NOON + timedelta(minutes=1)
