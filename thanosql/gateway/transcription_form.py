"""What a request for a transcription asks for, read from the fields of its form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thanosql.gateway.failures import Refusal, invalid
from thanosql.gateway.formats import Format, Granularity

GRANULARITIES = ("word", "segment")
SINGLE = ("model", "language", "prompt", "response_format", "temperature", "stream", "chunking_strategy")
LISTS = ("timestamp_granularities[]", "timestamp_granularities")
"""Clients write the first; the second is what their documentation calls it."""
NOT_HERE = ("include[]", "include", "known_speaker_names[]", "known_speaker_references[]")
"""What OpenAI's API has and this one has not."""
MOST_PROMPT = 10_000
"""Characters of a prompt."""

_PHRASE_ENDS = re.compile(r"[,;:.!?\n\r\t，、。；：！？]+")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """A transcription that somebody asks for."""

    model: str
    language: str = ""
    """ISO 639-1: the model has to be one of this language; empty: whatever it is."""
    hotwords: tuple[str, ...] = ()
    """Phrases of the prompt."""
    form: Format = Format.JSON
    granularity: Granularity = field(default_factory=Granularity)
    is_streamed: bool = False
    """The answer is wanted as server-sent events."""


def read_form(fields: Mapping[str, Sequence[str]]) -> TranscriptionRequest:
    """Reads the fields that are no files.

    Raises:
        Refusal: a field is missing, unknown, or has a value that makes no sense.
    """
    for name, values in fields.items():
        if name in NOT_HERE:
            raise invalid(name, f"{name} is not to be had here", code="unsupported_parameter")
        if name not in (*SINGLE, *LISTS):
            known = ", ".join(("file", *SINGLE, LISTS[0]))
            raise invalid(name, f"there is no field {name!r}", hint=f"There are {known}.", code="unknown_parameter")
        if name in SINGLE and len(values) > 1:
            raise invalid(name, f"{name} is given {len(values)} times")
    given = {name: values[0] for name, values in fields.items() if name in SINGLE}
    model = given.get("model", "").strip()
    if not model:
        raise Refusal(
            400, "the field model is missing", "missing_required_parameter", "model", "GET /v1/models lists them."
        )
    form = _read_format(given.get("response_format", ""))
    is_streamed = _read_flag("stream", given.get("stream", ""))
    if is_streamed and form not in (Format.JSON, Format.TEXT):
        raise invalid("stream", f"{form} cannot be streamed", hint="Ask for json, or leave stream out.")
    _check_temperature(given.get("temperature", ""))
    if given.get("chunking_strategy", "auto") not in ("auto", ""):
        hint = "Recordings of any length are cut at pauses by themselves."
        raise invalid("chunking_strategy", "chunking_strategy can only be auto", hint=hint)
    return TranscriptionRequest(
        model=model,
        language=_read_language(given.get("language", "")),
        hotwords=read_prompt(given.get("prompt", "")),
        form=form,
        granularity=_read_granularity(fields, form),
        is_streamed=is_streamed,
    )


def read_prompt(prompt: str) -> tuple[str, ...]:
    """The phrases of a prompt, each once, which the decoder is to favour.

    >>> read_prompt("Ardent, Kubernetes; Marie Curie.")
    ('Ardent', 'Kubernetes', 'Marie Curie')

    Raises:
        Refusal: it is too long.
    """
    if len(prompt) > MOST_PROMPT:
        raise invalid("prompt", f"the prompt has {len(prompt):,} characters, more than {MOST_PROMPT:,}")
    phrases = (" ".join(each.split()) for each in _PHRASE_ENDS.split(prompt))
    return tuple(dict.fromkeys(each for each in phrases if each))


def _read_format(text: str) -> Format:
    try:
        return Format(text or Format.JSON)
    except ValueError:
        choices = ", ".join(Format)
        raise invalid(
            "response_format", f"there is no response_format {text!r}", hint=f"There are {choices}."
        ) from None


def _read_flag(name: str, text: str) -> bool:
    if text.lower() in ("", "false", "0"):
        return False
    if text.lower() in ("true", "1"):
        return True
    raise invalid(name, f"{name} is {text!r}", hint="Give true or false.")


def _check_temperature(text: str) -> None:
    """Decoding is deterministic: the values that OpenAI takes are taken, and change nothing."""
    try:
        value = float(text or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise invalid(
            "temperature", f"the temperature is {text!r}", hint="Give a number from 0 to 1; it changes nothing."
        )


def _read_language(text: str) -> str:
    language = text.strip().lower()
    if language and not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", language):
        raise invalid("language", f"{text!r} is no language", hint="Give a code of ISO 639-1, as en or ko.")
    return language.partition("-")[0]


def _read_granularity(fields: Mapping[str, Sequence[str]], form: Format) -> Granularity:
    wanted = [value for name in LISTS for value in fields.get(name, ())]
    for each in wanted:
        if each not in GRANULARITIES:
            raise invalid(LISTS[0], f"there is no granularity {each!r}", hint="There are word and segment.")
    if wanted and form is not Format.VERBOSE_JSON:
        raise invalid(LISTS[0], f"{form} tells no times of words", hint="Ask for response_format=verbose_json.")
    return Granularity("word" in wanted, "segment" in wanted or not wanted)
