"""What every test may use: the real speech that lies beside the checkout, where it does."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout; its tutorial_data/ is always there."""
    return CHECKOUT


@pytest.fixture(scope="session")
def speech() -> Path:
    """Real recordings with transcripts: librispeech/, accented/, digits_8khz/, each with test.csv."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not (folder / "librispeech" / "test.csv").exists():
        pytest.skip("needs the real recordings in ../shared/data, which are not part of the checkout")
    return folder
