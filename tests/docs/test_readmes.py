"""README.md is one screen, and README.ko.md is the same page in Korean."""

from __future__ import annotations

from tests.docs.pages import CHECKOUT, read_blocks, read_headings, read_links

ENGLISH, KOREAN = "README.md", "README.ko.md"


def test_both_have_the_same_headings_by_number_and_level() -> None:
    assert [level for level, _ in read_headings(ENGLISH)] == [level for level, _ in read_headings(KOREAN)]


def test_both_show_the_same_code() -> None:
    def code(page: str) -> list[tuple[str, str]]:
        return [(block.language, block.text) for block in read_blocks(page)]

    assert code(ENGLISH) == code(KOREAN)


def test_both_lead_to_the_same_places() -> None:
    def targets(page: str) -> list[str]:
        return sorted(target for _, target in read_links(page) if target not in (ENGLISH, KOREAN))

    assert targets(ENGLISH) == targets(KOREAN)


def test_each_is_a_screen_long() -> None:
    assert max(len((CHECKOUT / page).read_text("utf-8").splitlines()) for page in (ENGLISH, KOREAN)) <= 110
