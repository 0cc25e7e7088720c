"""What may be sent into a workspace."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest

from query_service.uploading.rules import Limits, Room, check_file, check_path, check_room, key_of, show_bytes
from thanosql.errors import DataError, InvalidOption, PathRefused
from thanosql.types import UploadFile

CHECKSUM = hashlib.sha256(b"").hexdigest()
LIMITS = Limits(file=1_000, unfinished=500, spare=100)


@pytest.mark.parametrize(
    "path",
    [
        "a.wav",
        "calls/2026/first call.wav",
        "통화/녹음 1.wav",
        "~/a.wav",
        "%2e%2e/a.wav",
        "*.wav",
        "a..b/c.wav",
        "a" * 251 + ".wav",
        "\u3000\u202f.wav",
    ],
)
def test_the_plain_path_of_a_file_is_taken_as_it_is(path):
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "is not the plain path"),
        ("/etc/passwd", "is not the plain path"),
        ("calls/", "is not the plain path"),
        ("calls//a.wav", "is not the plain path"),
        ("./a.wav", "is not the plain path"),
        ("https://host/a.wav", "is not the plain path"),
        ("../a.wav", "leads out"),
        ("calls/../../a.wav", "leads out"),
        (".thanosql/state.db", "is hidden"),
        (".bashrc", "is hidden"),
        ("calls/.hidden/a.wav", "is hidden"),
        ("calls\\a.wav", "backslash"),
        ("..\\a.wav", "is hidden"),
        ("a\0.wav", "control characters"),
        ("a\n.wav", "control characters"),
        ("a\x1b[2J.wav", "control characters"),
        ("a\u2028.wav", "control characters"),
        ("a" * 252 + ".wav", "more than 255 bytes"),
        ("녹" * 86, "more than 255 bytes"),
    ],
)
def test_any_other_path_is_refused_and_the_error_says_why(path, problem):
    with pytest.raises(PathRefused, match=problem):
        check_path(path)


def test_names_in_either_form_of_hangul_are_the_same_file():
    decomposed = unicodedata.normalize("NFD", "통화/녹음.wav")
    assert decomposed != "통화/녹음.wav"
    assert check_path(decomposed) == "통화/녹음.wav"


def test_a_file_that_is_too_large_is_refused():
    assert check_file(UploadFile("a.wav", 1_000, CHECKSUM), LIMITS).size == 1_000
    with pytest.raises(DataError, match=r"has 1\.0 kB; this server takes files of up to 1\.0 kB"):
        check_file(UploadFile("a.wav", 1_001, CHECKSUM), LIMITS)


@pytest.mark.parametrize("checksum", ["", "abc", CHECKSUM.upper(), CHECKSUM + "0", "../" + CHECKSUM[3:]])
def test_what_is_no_checksum_is_refused(checksum):
    with pytest.raises(InvalidOption, match="SHA-256"):
        check_file(UploadFile("a.wav", 1, checksum), LIMITS)


def test_a_file_needs_room_beside_what_is_promised_to_others_and_stays_spare():
    check_room("a.wav", 300, Room(free=500, unfinished=0, promised=100), LIMITS)
    with pytest.raises(DataError, match=r"needs 301 bytes more, and of the 500 bytes that are free .* take 300 bytes"):
        check_room("a.wav", 301, Room(free=500, unfinished=0, promised=100), LIMITS)


def test_what_broke_off_may_not_fill_the_disk():
    check_room("a.wav", 100, Room(free=10_000, unfinished=300, promised=100), LIMITS)
    with pytest.raises(DataError, match="300 bytes of uploads that broke off"):
        check_room("a.wav", 101, Room(free=10_000, unfinished=300, promised=100), LIMITS)


def test_unfinished_bytes_are_those_of_one_content_for_one_place():
    keys = {key_of(UploadFile(path, size, sum)) for path in "ab" for size in (1, 2) for sum in (CHECKSUM, "0" * 64)}
    assert len(keys) == 8


@pytest.mark.parametrize(("number", "text"), [(0, "0 bytes"), (1_500, "1.5 kB"), (2_000_000_000, "2.00 GB")])
def test_bytes_are_shown_in_a_unit_that_suits_them(number, text):
    assert show_bytes(number) == text
