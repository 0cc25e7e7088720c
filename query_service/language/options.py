"""OPTIONS ( name = value, … ): which options there are, and the values that make sense for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from query_service.language.source import NO_PLACE, Source, nearest
from thanosql.errors import InvalidOption
from thanosql.types import IfExists


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the user wrote, and where; two names are equal where they read the same."""

    text: str
    at: int = field(default=NO_PLACE, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it was written."""

    name: str
    value: object
    """int, float, bool, str or a list of them."""
    bare: bool
    """The value is a bare name, without quotes."""
    at: int
    value_at: int


class Effect(StrEnum):
    """What an option does for a statement: the marks in the dialect's table of options."""

    FULL = "●"
    PARTIAL = "○"
    NONE = "–"


class Kind(StrEnum):
    """The type of an option's value, in words for its user."""

    COLUMN = "the name of a column"
    NAME = "a name"
    INTEGER = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "True or False"
    SWITCH_OR_PATH = "True, False or a path in quotes"
    TEXT = "a text in quotes"
    TEXTS = "a list of texts such as ['Anna Müller', 'Kubernetes']"
    CHOICE = "one of"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of one statement."""

    name: str
    kind: Kind
    meaning: str
    default: Any = None
    effect: Effect = Effect.FULL
    field: str = ""
    """Field of the statement that takes the value; the option's own name where it is empty."""
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    """The value must be greater than `low`."""
    open_high: bool = False
    values: Mapping[object, object] | None = None
    """What a written value stands for, where it is not itself."""
    remark: str = ""
    """What a notice adds where the effect is not full."""

    @property
    def target(self) -> str:
        """Field of the statement that takes the value."""
        return self.field or self.name

    def partial(self, **changes: Any) -> Option:
        """The same option where it has a part of its effect."""
        return replace(self, effect=Effect.PARTIAL, **changes)

    def ignored(self, remark: str = "") -> Option:
        """The same option where it is accepted and does nothing."""
        return replace(self, effect=Effect.NONE, remark=remark)

    @property
    def range(self) -> str:
        """The values that make sense, in words."""
        if self.kind is Kind.CHOICE and self.values:
            return "one of " + ", ".join(repr(value) for value in self.values)
        if self.low is None or self.high is None:
            return str(self.kind)
        low = f"{'above' if self.open_low else 'from'} {self.low:.10g}"
        return f"{self.kind} {low} {'to below' if self.open_high else 'up to'} {self.high:.10g}"


# The dialect's table of options. `overwrite` and `if_exists` fill the same field, as do the old spellings.
AUDIO_COL = Option("audio_col", Kind.COLUMN, "column with the audio path", Name("audio_path"))
TEXT_COL = Option("text_col", Kind.COLUMN, "column with the transcript", Name("text"))
EPOCHS = Option("epochs", Kind.INTEGER, "passes over the data", 5, low=1, high=10_000)
MAX_EPOCHS = replace(EPOCHS, name="max_epochs", field="epochs", meaning="the same as epochs")
BATCH_SIZE = Option("batch_size", Kind.INTEGER, "most rows in a training batch", 16, low=1, high=65_536)
LEARNING_RATE = Option(
    "learning_rate", Kind.NUMBER, "peak learning rate; by default from the recipe", low=0, open_low=True, high=1
)
EVAL_FRACTION = Option(
    "eval_fraction", Kind.NUMBER, "share of the rows held out; 0.1 from 50 rows up", low=0, high=1, open_high=True
)
SEED = Option("seed", Kind.INTEGER, "the same seed gives the same model", 0, low=0, high=2**31 - 1)
EARLY_STOPPING = Option("early_stopping", Kind.BOOLEAN, "stop when the held-out rows get no better", False)
LORA = Option("lora", Kind.BOOLEAN, "train low-rank adapters, which takes less memory", False)
AUGMENTATION = Option(
    "augmentation",
    Kind.BOOLEAN,
    "vary speed and hide parts of what is learned from; by default from the amount of data",
)
DEVICES = Option("devices", Kind.INTEGER, "GPUs, or processes without one, that train together", 1, low=1, high=1_024)
LANGUAGE_MODEL = Option(
    "language_model",
    Kind.SWITCH_OR_PATH,
    "decode with a language model, of the transcripts or of a text or ARPA file; by default where it helps",
)
OVERWRITE = Option(
    "overwrite",
    Kind.BOOLEAN,
    "True: an existing one is replaced",
    IfExists.FAIL,
    field="if_exists",
    values={True: IfExists.REPLACE, False: IfExists.FAIL},
)
IF_EXISTS = Option(
    "if_exists",
    Kind.CHOICE,
    "what becomes of an existing one",
    IfExists.FAIL,
    values={"fail": IfExists.FAIL, "replace": IfExists.REPLACE, "append": IfExists.APPEND},
)
MODEL_NAME = Option("model_name", Kind.NAME, "the name that the model gets here; by default its own")
SHEET = Option("sheet", Kind.TEXT, "of a workbook: the sheet that is read; by default the first")
RESULT_COL = Option("result_col", Kind.COLUMN, "name of the column with the transcripts", Name("predicted"))
COLUMN_NAME = replace(RESULT_COL, name="column_name", field="result_col", meaning="the same as result_col")
CONFIDENCE_COL = Option("confidence_col", Kind.COLUMN, "extra column: confidence from 0 to 1")
WORDS_COL = Option("words_col", Kind.COLUMN, "extra column: words with their times, as JSON")
ERROR_COL = Option("error_col", Kind.COLUMN, "extra column: why a row has no transcript")
ON_ERROR = Option("on_error", Kind.CHOICE, "what a bad file does", "null", values={"null": "null", "fail": "fail"})
CACHE = Option("cache", Kind.BOOLEAN, "use and fill the cache of transcripts", True)
HOTWORDS = Option("hotwords", Kind.TEXTS, "words and phrases that are likely to be said, and are favoured", ())
HOTWORD_WEIGHT = Option(
    "hotword_weight",
    Kind.NUMBER,
    "how much they are favoured: nats for each letter, by default 1",
    low=0,
    open_low=True,
    high=20,
)


GONE = {
    "table_name": "CREATE TABLE name AS … keeps the rows of a statement; behind COPY stands the table's name itself.",
}
"""Options that other releases of the dialect had, with what to do instead."""


def read_options(
    source: Source, statement: str, options: tuple[Option, ...], given: tuple[Given, ...]
) -> tuple[dict[str, Any], tuple[Option, ...]]:
    """The statement's fields that the options fill, and the options that were given without full effect.

    Raises:
        InvalidOption: an option that there is not, or twice, or whose value makes no sense.
    """
    known = {option.name: option for option in options}
    values: dict[str, Any] = {}
    filled: dict[str, Given] = {}
    weak: list[Option] = []
    for each in given:
        option = known.get(each.name)
        if option is None:
            raise _unknown(source, statement, each, known)
        if option.target in filled:
            first = filled[option.target]
            message = f"option {each.name} is given twice"
            if first.name != each.name:
                message = f"option {each.name} says the same thing as {first.name}, which is given too"
            raise source.error(InvalidOption, message, each.at, "Keep one of them.")
        filled[option.target] = each
        value = _read_value(source, option, each)
        if option.effect is not Effect.FULL:
            weak.append(option)
        if option.effect is not Effect.NONE:
            values[option.target] = value
    return values, tuple(weak)


def _unknown(source: Source, statement: str, given: Given, known: Mapping[str, Option]) -> InvalidOption:
    if given.name in GONE:
        raise source.error(InvalidOption, f"there is no option {given.name} any more", given.at, GONE[given.name])
    near = nearest(given.name, known)
    meant = f"Did you mean {near}? " if near else ""
    there_are = f"The options of {statement} are: {', '.join(known)}." if known else f"{statement} has no options."
    return source.error(InvalidOption, f"{statement} has no option {given.name}", given.at, meant + there_are)


def _read_value(source: Source, option: Option, given: Given) -> object:
    value = given.value
    if option.kind in (Kind.INTEGER, Kind.NUMBER):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if option.kind is Kind.INTEGER and isinstance(value, float):
            fits = False
        if fits and isinstance(value, (int, float)):
            fits = _lies_within(option, value)
    elif option.kind is Kind.BOOLEAN:
        # 'true' in quotes is what a user of other tools writes.
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        fits = isinstance(value, bool)
    elif option.kind is Kind.SWITCH_OR_PATH:
        value = str(value).lower() if isinstance(value, bool) else value
        fits = isinstance(value, str) and bool(value.strip()) and not given.bare
    elif option.kind is Kind.TEXTS:
        value = [value] if isinstance(value, str) else value
        fits = isinstance(value, list) and all(isinstance(text, str) and text.strip() for text in value)
    elif option.kind is Kind.CHOICE:
        value = value.lower() if isinstance(value, str) else value
        fits = isinstance(value, str) and value in (option.values or {})
    else:
        fits = isinstance(value, str) and bool(value.strip())
    if not fits:
        shown = given.value if given.bare else repr(given.value)
        message = f"option {option.name} takes {option.range}, not {shown}"
        raise source.error(InvalidOption, message, given.value_at, f"{option.name}: {option.meaning}.")
    if option.kind is Kind.TEXTS and isinstance(value, list):
        return tuple(Name(text, given.value_at) for text in value)
    if option.kind is Kind.SWITCH_OR_PATH and str(value).lower() in ("true", "false"):
        return Name(str(value).lower(), given.value_at)
    if option.kind in (Kind.COLUMN, Kind.NAME, Kind.TEXT, Kind.SWITCH_OR_PATH):
        return Name(str(value), given.value_at)
    if option.values is not None:
        return option.values[value]
    return value


def _lies_within(option: Option, value: float) -> bool:
    if value != value:  # nan
        return False
    above = option.low is None or value > option.low or (value == option.low and not option.open_low)
    below = option.high is None or value < option.high or (value == option.high and not option.open_high)
    return above and below
