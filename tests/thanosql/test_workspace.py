"""Which files the paths in statements name."""

from __future__ import annotations

import unicodedata

import pytest

from thanosql.errors import NotFound, PathRefused
from thanosql.workspace import existing_file, resolve


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_statement", ["NFC", "NFD"])
def test_a_name_in_hangul_is_found_in_either_form(tmp_path, on_disk, in_statement):
    file = tmp_path / unicodedata.normalize(on_disk, "통화/녹음.wav")
    file.parent.mkdir()
    file.write_bytes(b"")
    assert existing_file(tmp_path, unicodedata.normalize(in_statement, "통화/녹음.wav")) == file


def test_another_form_of_a_name_leads_no_further_than_the_name_itself(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    (tmp_path / "녹음.wav").write_bytes(b"")
    with pytest.raises(PathRefused, match="leads out"):
        existing_file(root, unicodedata.normalize("NFD", "../녹음.wav"))
    (root / "녹음").symlink_to(tmp_path)
    with pytest.raises(PathRefused, match="leads out"):
        existing_file(root, unicodedata.normalize("NFD", "녹음/녹음.wav"))


def test_a_file_that_is_in_neither_form_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        existing_file(tmp_path, "녹음.wav")


@pytest.mark.parametrize("folder", [".thanosql", ".ThanoSQL"])
def test_the_products_own_folder_is_closed_in_letters_of_either_size(tmp_path, folder):
    with pytest.raises(PathRefused, match="the product's own folder"):
        resolve(tmp_path, f"{folder}/catalog.db")
