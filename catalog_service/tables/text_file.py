"""Checks that a file is text in UTF-8, and says what else it may be."""

from __future__ import annotations

import codecs
from collections.abc import Generator
from pathlib import Path

from catalog_service.tables.pace import Clock, Pace
from thanosql.errors import DataError
from thanosql.types import Progress

_CHUNK_BYTES = 1 << 20

_NO_TABLE = "COPY reads a table that lists recordings, or a folder of them: COPY calls FROM 'folder'."

_MAGIC = {
    b"PK\x03\x04": ("a zip archive, or an Excel workbook", "A workbook has the suffix .xlsx."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save it as .xlsx, or the sheet as CSV UTF-8."),
    b"PAR1": ("a Parquet file", "Give it the suffix .parquet."),
    b"\x1f\x8b": ("compressed with gzip", "Unpack it first: gunzip."),
    b"fLaC": ("audio (FLAC)", _NO_TABLE),
    b"RIFF": ("audio (WAV)", _NO_TABLE),
    b"\xff\xfe": ("text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 old.csv > new.csv"),
    b"\xfe\xff": ("text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 old.csv > new.csv"),
}

# Legacy encodings with the script that a right guess shows: (name, first and last letter).
_SCRIPTS = (
    ("CP949", "가", "힣"),
    ("SHIFT_JIS", "ぁ", "ヿ"),
    ("GB18030", "一", "鿿"),
)


def check_text(file: Path, path: str, clock: Clock) -> Generator[Progress, None, int]:
    """Reads the whole file; how many line breaks it has.

    Args:
        file: the file; `path` is what the user calls it.

    Raises:
        DataError: the file is empty, binary, or not UTF-8.
    """
    total = file.stat().st_size
    if total == 0:
        raise DataError(f"{path!r} is empty", hint="It has 0 bytes. Was it written to the end?")
    pace = Pace("check", "bytes", total, clock)
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = lines = 0
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            if done == 0:
                _check_magic(chunk, path)
            if b"\0" in chunk:
                raise DataError(
                    f"{path!r} is not a text file: byte {done + chunk.index(0) + 1} is zero",
                    hint="COPY goes by the suffix: csv and tsv are text, parquet is not.",
                )
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(file, path) from error
            done += len(chunk)
            lines += chunk.count(b"\n")
            yield from pace.report(done)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(file, path) from error
    return lines


def guess_encoding(line: bytes) -> str:
    """The encoding that makes letters of bytes that are not UTF-8.

    >>> guess_encoding("안녕하세요".encode("cp949")), guess_encoding("café".encode("latin-1"))
    ('CP949', 'WINDOWS-1252')
    """
    letters = bytes(byte for byte in line if byte >= 0x80)
    for encoding, first, last in _SCRIPTS:
        try:
            text = letters.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text and sum(first <= letter <= last for letter in text) >= 0.7 * len(text):
            return encoding
    return "WINDOWS-1252"


def _check_magic(head: bytes, path: str) -> None:
    for magic, (what, hint) in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{path!r} is not a text file in UTF-8: it is {what}", hint=hint)


def _not_utf8(file: Path, path: str) -> DataError:
    with file.open("rb") as content:
        for number, line in enumerate(content, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                encoding = guess_encoding(line)
                shown = line[:60].decode(encoding, errors="replace").strip()
                return DataError(
                    f"{path!r} is not in UTF-8: line {number}, byte {error.start + 1} is 0x{line[error.start]:02x}. "
                    f"It looks like {encoding}, in which the line begins with {shown!r}",
                    hint=f"Save it as UTF-8 (in Excel: CSV UTF-8), or: iconv -f {encoding} -t UTF-8 old.csv > new.csv",
                )
    return DataError(f"{path!r} changed while it was read", hint="Try again when its writer is done.")
