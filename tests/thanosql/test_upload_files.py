"""Which files are sent into a workspace, and where each goes."""

from __future__ import annotations

import os
import unicodedata

import pytest

from thanosql.errors import DataError, NotFound
from thanosql.upload_files import select_files


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The current folder, with a folder of calls in it."""
    here = tmp_path / "here"
    for name in ("calls/a.wav", "calls/may/b.wav", "calls/.DS_Store", "calls/.git/config"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(name.encode())
    monkeypatch.chdir(here)
    return here / "calls"


def places(*paths, to=""):
    return [each.path for each in select_files(paths, to).files]


def test_a_folder_is_sent_whole_but_for_what_is_hidden(calls):
    assert places("calls") == ["calls/a.wav", "calls/may/b.wav"]


def test_what_lies_below_the_current_folder_keeps_its_path_from_there(calls, monkeypatch):
    assert places("calls/may/b.wav", "./calls/may/../a.wav") == ["calls/may/b.wav", "calls/a.wav"]
    assert places(calls / "may") == ["calls/may/b.wav"]
    assert places(".") == ["calls/a.wav", "calls/may/b.wav"]


def test_what_lies_elsewhere_keeps_its_name(calls, monkeypatch):
    monkeypatch.chdir(calls / "may")
    assert places("../a.wav") == ["a.wav"]
    assert places(calls) == ["calls/a.wav", "calls/may/b.wav"]


def test_the_contents_of_a_folder_go_into_another(calls):
    assert places("calls", to="2026/june") == ["2026/june/a.wav", "2026/june/may/b.wav"]
    assert places("calls", to="june/") == ["june/a.wav", "june/may/b.wav"]
    assert places("calls", to=".") == ["a.wav", "may/b.wav"]


def test_a_file_goes_into_a_folder_or_gets_a_name_of_its_own(calls):
    assert places("calls/a.wav", to="june") == ["june/a.wav"]
    assert places("calls/a.wav", to="june/first.WAV") == ["june/first.WAV"]
    assert places("calls/a.wav", to="june/first.wav/") == ["june/first.wav/a.wav"]
    assert places("calls/a.wav", "calls/may/b.wav", to="a.wav") == ["a.wav/a.wav", "a.wav/b.wav"]


def test_links_to_files_are_followed_and_links_to_folders_are_counted(calls):
    (calls / "c.wav").symlink_to(calls / "a.wav")
    (calls / "again").symlink_to(calls)
    (calls / "broken.wav").symlink_to(calls / "nowhere.wav")
    selection = select_files(["calls"])
    assert [each.path for each in selection.files] == ["calls/a.wav", "calls/c.wav", "calls/may/b.wav"]
    assert selection.links == 1
    assert [(each.path, each.problem) for each in selection.refused] == [
        ("calls/broken.wav", "it is a link to nothing")
    ]


def test_a_folder_that_is_a_link_is_sent_where_it_is_named(calls):
    (calls.parent / "link").symlink_to(calls)
    assert places("link") == ["link/a.wav", "link/may/b.wav"]


def test_what_is_no_plain_file_is_refused(calls):
    os.mkfifo(calls / "pipe")
    (calls / os.fsdecode(b"\xff.wav")).write_bytes(b"")
    problems = {each.path: each.problem for each in select_files(["calls"]).refused}
    assert problems == {"calls/pipe": "it is not a plain file", "calls/\\udcff.wav": "its name is not UTF-8"}


def test_two_files_for_one_place_are_not_both_sent(calls):
    (calls / "may" / "a.wav").write_bytes(b"another")
    selection = select_files(["calls/a.wav", "calls/may/a.wav"], to="june")
    assert [each.file.parent.name for each in selection.files] == ["calls"]
    assert "goes to the same place" in selection.refused[0].problem


def test_names_that_differ_in_the_form_of_their_letters_are_for_one_place(calls):
    for form in ("NFC", "NFD"):
        (calls / unicodedata.normalize(form, "녹음.wav")).write_bytes(form.encode())
    selection = select_files(["calls"])
    assert len(selection.files) == 3
    assert len(selection.refused) == 1


def test_a_file_that_is_named_twice_is_sent_once(calls):
    assert places("calls", "calls/a.wav") == ["calls/a.wav", "calls/may/b.wav"]


def test_a_path_of_nothing_and_an_empty_folder_are_told_at_once(calls):
    with pytest.raises(NotFound, match="no file or folder 'cals'"):
        select_files(["calls", "cals"])
    (calls.parent / "empty").mkdir()
    with pytest.raises(DataError, match="no file to send"):
        select_files(["empty"])
