"""What may follow at a place of a statement: keywords, options, tables, columns, models, files, commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from thanosql.lexer import LEADING, QUERY, SPEECH
from thanosql.manual import OptionManual, manual
from thanosql.shell.names import Names
from thanosql.statement_text import last_statement

_TOKENS = re.compile(r"""'(?:[^']|'')*'?|"(?:[^"]|"")*"?|[^\W\d]\w*|\d[\w.]*|\S""")
_BARE = re.compile(r"[a-z_]\w*")
_ROWS = ("PREDICT", "EVALUATE", "LIST", "SELECT", "VALUES", "WITH")
"""Words that a parenthesis behind FROM may open with."""
FILES = 200
"""Most files of a folder that are offered."""


@dataclass(frozen=True)
class Item:
    """Something that may follow."""

    text: str
    meta: str
    """What it is, in a word or a sentence."""


@dataclass(frozen=True)
class Place:
    """Where in a statement something is typed."""

    word: str
    """What of it is there already."""
    tokens: tuple[str, ...]
    """What stands before, words in capitals."""
    quote: str = ""
    """The quote that `word` stands in, which has not been closed."""


def suggest(before: str, names: Names, folder: Path | None = None, *, after: str = "") -> tuple[int, tuple[Item, ...]]:
    """What may follow, the likeliest first, and how many characters before the cursor it replaces.

    Args:
        before: The text up to the cursor.
        names: What the catalog has.
        folder: Root of the paths in statements; None where it is on another machine.
        after: The text behind the cursor: of a SELECT the tables often stand there.
    """
    statement = last_statement(before)
    place = _place(statement)
    if place.quote == "'" and _takes_path(place.tokens):
        items = list(_files(place.word, folder))
        return len(place.word.rpartition("/")[2]), tuple(match(place.word.rpartition("/")[2], items))
    items = list(_candidates(place, statement + after, names))
    return len(place.word) + (place.quote == '"'), tuple(match(place.word, items))


def match(word: str, items: Iterable[Item]) -> list[Item]:
    """The items that `word` may be short for: those that begin with it first, then those that hold its letters.

    >>> [item.text for item in match("ltr", [Item("train", ""), Item("librispeech_train", ""), Item("ltr2", "")])]
    ['ltr2', 'librispeech_train']
    """
    ranked = []
    for number, item in enumerate(dict.fromkeys(items)):
        rank = _rank(word.lower(), item.text.strip('"').lower())
        if rank is not None:
            ranked.append((rank, number, item))
    return [item for _, _, item in sorted(ranked, key=lambda each: each[:2])]


def _rank(word: str, text: str) -> int | None:
    """How far `word` is from `text`: 0 where it begins with it; None where it is nothing like it."""
    if text.startswith(word):
        return 0
    if re.search(rf"(?:\b|_){re.escape(word)}", text):
        return 1
    if word in text:
        return 2
    if len(word) < 2 or text[:1] != word[0]:  # its letters, in their order, from the first on
        return None
    letters = iter(text)
    return 3 if all(letter in letters for letter in word) else None


def _place(statement: str) -> Place:
    tokens = _TOKENS.findall(statement)
    word = quote = ""
    if tokens and statement.endswith(tokens[-1]):
        last = tokens[-1]
        if last[0] in "'\"" and (len(last) == 1 or last[-1] != last[0]):
            word, quote = last[1:], last[0]
            tokens.pop()
        elif re.fullmatch(r"\w+", last):
            word = last
            tokens.pop()
    return Place(word, tuple(token if token[0] in "'\"" else token.upper() for token in tokens), quote)


def _takes_path(tokens: tuple[str, ...]) -> bool:
    return bool(tokens) and (
        (tokens[0] in ("COPY", "UPLOAD") and tokens[-1] == "FROM") or (tokens[0] == "EXPORT" and tokens[-1] == "TO")
    )


def _files(word: str, folder: Path | None) -> Iterator[Item]:
    if folder is None or ".." in Path(word).parts or Path(word).is_absolute():
        return
    where = folder / word.rpartition("/")[0]
    try:
        entries = sorted(where.iterdir(), key=lambda each: (not each.is_dir(), each.name))
    except OSError:
        return
    shown = [each for each in entries if not each.name.startswith(".")]
    for each in shown[:FILES]:
        yield Item(f"{each.name}/", "folder") if each.is_dir() else Item(each.name, "file")


def _candidates(place: Place, whole: str, names: Names) -> Iterator[Item]:
    tokens = place.tokens
    last = tokens[-1] if tokens else ""
    options = _open_options(tokens)
    if options is not None:
        yield from _in_options(place, options, whole, names)
    elif place.quote == "'":
        return
    elif not tokens:
        yield from (Item(word, _summary(word)) for word in LEADING)
    elif last == "EXPLAIN":
        yield from (Item(word, _summary(word)) for word in LEADING if word != "EXPLAIN")
    elif last == "USING" and ("BUILD" in tokens):
        yield from _named(names.bases)
    elif last == "USING":
        yield from _named(names.models)
    elif last in ("MODEL", "EXISTS") and "MODEL" in tokens and "BUILD" not in tokens:
        yield from ([Item("IF", "")] if tokens[0] in ("DROP", "DELETE") and last == "MODEL" else [])
        yield from _named(names.models)
    elif last == "JOB":
        yield from (Item(id, text) for id, text in names.jobs.items())
    elif last in ("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "COPY", "EXISTS") or (
        last == "," and _clause(tokens) == "FROM"
    ):
        yield from _tables(names)
    elif last == "(" and tokens[-2:-1] in (("FROM",), ("JOIN",), ("AS",), ("IN",)):
        yield from (Item(word, _summary(word)) for word in _ROWS)
    elif last == ".":
        table = tokens[-2] if len(tokens) > 1 else ""
        found = next((name for name in names.columns if name.upper() == table.strip('"').upper()), "")
        yield from _columns(whole, names, only=found)
    else:
        yield from _in_clause(last, tokens, whole, names)


def _in_clause(last: str, tokens: tuple[str, ...], whole: str, names: Names) -> Iterator[Item]:
    follow = _FOLLOW.get(" ".join(tokens[-2:])) or (_FOLLOW.get(last) if len(tokens) == 1 else None)
    if follow:
        yield from (Item(word, "") for word in follow)
        return
    if tokens[0] in ("BUILD", "FIT") and "AS" not in tokens:
        yield from (Item(word, "") for word in ("USING", "OPTIONS", "AS"))
        return
    if last == "AS" and any(token in tokens for token in ("USING", "AUDIO", "CREATE")):
        yield from (Item(word, _summary(word)) for word in ("SELECT", "WITH", "PREDICT", "EVALUATE"))
    is_query = any(token in tokens for token in ("SELECT", "UPDATE", "DELETE", "SET", "WHERE"))
    if is_query:
        yield from _columns(whole, names)
    words = QUERY if is_query else (*SPEECH, *QUERY)
    yield from (Item(word, "") for word in dict.fromkeys(("OPTIONS", "USING", *words)))
    if is_query:
        yield from (Item(name, "function") for name in manual().functions)


_FOLLOW: Mapping[str, tuple[str, ...]] = {
    **{"LIST": ("TABLES", "MODELS", "BASE MODELS", "JOBS", "THANOSQL MODEL", "THANOSQL DATASET")},
    **{"DESCRIBE": ("TABLE", "MODEL", "JOB"), "PRINT": ("AUDIO",), "BUILD": ("MODEL",), "FIT": ("MODEL",)},
    **{"EXPORT": ("MODEL",), "UPLOAD": ("MODEL",), "CANCEL": ("JOB",), "RESUME": ("JOB",), "GET": ("THANOSQL",)},
    **{"PREDICT": ("USING",), "EVALUATE": ("USING",), "PRINT AUDIO": ("OPTIONS", "AS"), "INSERT": ("INTO",)},
    **{"GET THANOSQL": ("MODEL", "DATASET"), "LIST THANOSQL": ("MODEL", "DATASET"), "LIST BASE": ("MODELS",)},
    **{"DROP": ("TABLE", "MODEL"), "DELETE": ("FROM", "MODEL"), "CREATE": ("TABLE", "OR REPLACE TABLE")},
    **{"ALTER": ("TABLE",)},
}
"""What follows a word that a statement begins with, or two words."""


def _open_options(tokens: tuple[str, ...]) -> int | None:
    """Where the ( of OPTIONS stands that is not closed yet."""
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token == "(":
            opened.append(place)
        elif token == ")" and opened:
            opened.pop()
    return opened[-1] if opened and tokens[opened[-1] - 1 : opened[-1]] == ("OPTIONS",) else None


def _in_options(place: Place, opened: int, whole: str, names: Names) -> Iterator[Item]:
    statement = manual().statement_of(" ".join(place.tokens[:opened]))
    if statement is None:
        return
    inside = place.tokens[opened + 1 :]
    known = {option.name.upper(): option for option in statement.options}
    if inside[-1:] == ("=",) and len(inside) > 1:
        if (option := known.get(inside[-2])) is not None:
            yield from _values(option, place.quote, whole, names)
    elif not place.quote and (not inside or inside[-1] == ","):
        given = {token for token, next in pairwise(inside) if next == "="}
        for name, option in known.items():
            if name not in given:
                default = f"; {option.default} by default" if option.default else ""
                yield Item(f"{option.name}=", f"{option.meaning}{default}")


def _values(option: OptionManual, quote: str, whole: str, names: Names) -> Iterator[Item]:
    if option.is_column:
        for item in _columns(whole, names):
            yield Item(item.text.strip('"') if quote else f"'{item.text.strip(chr(34))}'", item.meta)
    for choice in option.choices:
        yield Item(choice.strip("'") if quote else choice, option.meaning)
    if option.default and not quote and option.default not in option.choices:
        yield Item(option.default, "default")


def _clause(tokens: tuple[str, ...]) -> str:
    words = ("SELECT", "FROM", "WHERE", "BY", "SET", "HAVING", "VALUES")
    return next((token for token in reversed(tokens) if token in words), "")


def _tables(names: Names) -> Iterator[Item]:
    for name, columns in names.columns.items():
        yield Item(_written(name), f"table: {', '.join(columns)}")


def _named(models: Mapping[str, str]) -> Iterator[Item]:
    # A base is found whatever its letters' case; a name with other letters wants quotes.
    for name, what in models.items():
        yield Item(name if re.fullmatch(r"[^\W\d]\w*", name) else f'"{name}"', what)


def _columns(whole: str, names: Names, only: str = "") -> Iterator[Item]:
    """The columns of the tables that are named in the statement; of all tables where none is."""
    words = {token.strip('"').lower() for token in _TOKENS.findall(whole)}
    tables = [only] if only else [name for name in names.columns if name.lower() in words] or list(names.columns)
    seen: dict[str, list[str]] = {}
    for table in tables:
        for column in names.columns[table]:
            seen.setdefault(column, []).append(table)
    for column, where in seen.items():
        yield Item(_written(column), f"column of {', '.join(where)}")
    if "PREDICT" in whole.upper():
        yield Item("predicted", "column of PREDICT")


def _written(name: str) -> str:
    return name if _BARE.fullmatch(name) and name.upper() not in QUERY else '"' + name.replace('"', '""') + '"'


def _summary(word: str) -> str:
    found = manual().find(word)
    return found[0].summary if len(found) == 1 else ""
