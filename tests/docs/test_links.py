"""Every link of every page leads somewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.docs.pages import CHECKOUT, PAGES, read_anchors, read_links


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: str) -> None:
    broken = [f"{page}:{line}: {target}" for line, target in read_links(page) if not _leads_somewhere(page, target)]
    assert broken == []


def test_the_index_names_every_page_of_the_documentation() -> None:
    linked = {(CHECKOUT / "docs" / target.split("#")[0]).resolve() for _, target in read_links("docs/README.md")}
    pages = {CHECKOUT / page for page in PAGES if page.startswith("docs/")} - {CHECKOUT / "docs" / "README.md"}
    assert {str(page.relative_to(CHECKOUT)) for page in pages - linked} == set()


def _leads_somewhere(page: str, target: str) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:  # nothing is fetched
        return parts.scheme in ("http", "https", "mailto") and bool(parts.netloc or parts.path)
    file = (CHECKOUT / page).parent / parts.path if parts.path else CHECKOUT / page
    if not file.exists():
        return False
    if not parts.fragment:
        return True
    resolved = file.resolve()
    return resolved.suffix == ".md" and parts.fragment in read_anchors(resolved.relative_to(CHECKOUT).as_posix())
