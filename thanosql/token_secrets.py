"""The secrets of tokens: how they are made, told from other texts, and kept as hashes.

A secret is `thanosql_`, 32 random letters and digits, and 6 that are a checksum of those: `thanosql_4fK…`. The prefix
lets scanners of repositories and logs find one that got away; the checksum tells a mistyped or cut one from one
that was revoked, and turns a guess away without asking the catalog.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "thanosql_"
_RANDOM = 32
"""Letters and digits that are drawn: 190 bits."""
_CHECK = 6
"""Letters and digits of the checksum: all 32 bits of a CRC-32."""
_DIGITS = string.digits + string.ascii_letters

PATTERN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
"""A secret in a text."""


def make_secret() -> str:
    """A new secret."""
    drawn = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return f"{PREFIX}{drawn}{_checksum(drawn)}"


def is_whole(secret: str) -> bool:
    """Whether a text is such a secret, with nothing lost or mistyped.

    >>> is_whole("thanosql_0123456789")
    False
    """
    drawn, check = secret.removeprefix(PREFIX)[:-_CHECK], secret[-_CHECK:]
    return PATTERN.fullmatch(secret) is not None and _checksum(drawn) == check


def hash_secret(secret: str) -> str:
    """What is kept of a secret: SHA-256, in hexadecimal.

    Slow hashes with salt (bcrypt, Argon2) are for what people think up, which can be guessed. Nobody guesses 190
    random bits, however fast a guess is, and no table holds them; a fast hash lets each call be checked.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(drawn: str) -> str:
    """CRC-32 of the drawn part, in base 62."""
    number = zlib.crc32(drawn.encode())
    digits = ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
