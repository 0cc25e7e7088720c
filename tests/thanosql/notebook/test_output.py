"""What stands under a cell: rows as a table, recordings as players beside what was said and heard."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from thanosql.notebook.table import MOST_CHARACTERS, MOST_ROWS
from thanosql.notebook.word_diff import Verdict, compare_words
from thanosql.result import Result
from thanosql.scoring import word_errors
from thanosql.types import Clip, ClipCaption


def result_of(columns: dict[str, Any], kind: str = "SELECT") -> Result:
    return Result(kind, "SELECT …", tuple(pa.table(columns).to_batches()), seconds=0.25)


def clip_of(said: str = "", heard: str = "", **fields: Any) -> Clip:
    caption = (ClipCaption("text", said), ClipCaption("predicted", heard), ClipCaption("speaker", "anna"))
    return Clip("a.wav", "audio/mpeg", b"x", 1.0, caption, reference_column="text", predicted_column="predicted")


def html_of(*clips: Clip) -> str:
    return Result("PRINT AUDIO", "", clips=clips)._repr_html_()


class Tags(HTMLParser):
    """The tags of a document, to see what a browser would see."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.cells: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def test_types_stand_under_the_names_and_numbers_line_up_on_the_right():
    markup = result_of({"seconds": [1.5], "text": ["hello"]})._repr_html_()
    seen = Tags(markup)
    assert seen.cells[:3] == ["secondsdouble", "texttext", "1.5"]
    assert 'style="text-align:right">1.5<' in markup
    assert 'style="text-align:left">hello<' in markup
    assert markup.count('scope="col"') == 2


def test_twenty_rows_are_shown_and_the_others_at_a_click_that_needs_no_server():
    markup = result_of({"a": list(range(100))})._repr_html_()
    assert markup.count("<tr>") == 1 + 20
    assert markup.count('<tr class="tq-more">') == 80
    assert "<details><summary" in markup
    assert "Show 80 more rows" in markup
    assert "script" not in Tags(markup).tags


def test_a_notebook_does_not_hold_all_of_a_long_result_and_says_where_the_rest_is():
    markup = result_of({"a": list(range(1_000_000))})._repr_html_()
    assert markup.count("<tr") == 1 + MOST_ROWS
    assert f"The first {MOST_ROWS} of 1,000,000 rows are in this page" in markup
    assert "_.show(rows=1000)" in markup


def test_hidden_rows_with_long_texts_do_not_fill_the_notebook():
    wide = {str(number): ["word " * 50] * 200 for number in range(10)}
    assert len(result_of(wide)._repr_html_()) < 2 * MOST_CHARACTERS


def test_a_short_result_has_nothing_to_click():
    assert "<details" not in result_of({"a": [1, 2]})._repr_html_()


def test_a_browser_does_not_obey_a_cell():
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    seen = Tags(result_of({attack: [attack]}, kind=attack)._repr_html_())
    assert set(seen.tags) == {"style", "div", "table", "thead", "tbody", "tr", "th", "td", "br", "span"}
    assert seen.text.count(attack) == 2
    assert "onerror" not in seen.attributes


def test_null_is_not_the_text_null():
    assert result_of({"a": ["NULL", None]})._repr_html_().count(">NULL</i>") == 1


def test_recordings_are_players_that_load_nothing_until_they_are_played():
    clip = Clip("a/b.flac", "audio/flac", b"fLaC", 2.5, (ClipCaption("text", "<b>hello</b>"),))
    seen = Tags(html_of(clip))
    assert {"controls", "preload", "aria-label"} <= seen.attributes.keys()
    assert (seen.attributes["preload"], seen.attributes["aria-label"]) == ("none", "a/b.flac")
    assert seen.attributes["src"] == "data:audio/flac;base64,ZkxhQw=="
    assert "b" not in seen.tags
    assert seen.cells[:4] == ["recording", "text", "a/b.flac · 2.5\N{NO-BREAK SPACE}s", seen.cells[3]]
    assert seen.cells[3].startswith("<b>hello</b>")


def test_a_clip_with_a_hostile_media_type_is_still_one_attribute():
    clip = Clip("a.wav", 'audio/wav"><script>alert(1)</script>', b"x", 1.0)
    assert "script" not in Tags(html_of(clip)).tags


def test_a_clip_that_cannot_be_played_says_why():
    markup = html_of(Clip("a.wav", error="the file does not exist"))
    assert "<audio" not in markup
    assert "the file does not exist" in markup


def test_what_was_heard_stands_beside_what_was_said_with_marks_of_form_and_not_of_colour_alone():
    seen = html_of(clip_of("the cat sat down", "a the cat sit"))
    assert Tags(seen).cells[:9] == [
        *("recording", "text", "predicted", "WER", "speaker"),
        *("a.wav · 1.0\N{NO-BREAK SPACE}s", "the cat sat down", "a the cat sit", "75%"),
    ]
    assert "the cat <mark>sat</mark> <del>down</del>" in seen
    assert "<ins>a</ins> the cat <mark>sit</mark>" in seen
    assert "struck out" in seen, "the marks are explained"


def test_a_transcript_is_no_markup():
    attack = "<img src=x onerror=alert(1)>"
    seen = Tags(html_of(clip_of("hello", attack)))
    assert "img" not in seen.tags
    assert "<img" in seen.text


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Don't panic, it's 42!", "DON'T PANIC ITS 42"),
        ("we like ice cream", "we like cream's"),
        ("a well-known – word", "a well known word"),
        ("", "something"),
        ("안녕하세요 여러분", "안녕하세요 여러 분"),
    ],
)
def test_the_marks_count_as_the_word_error_rate_does(said, heard):
    diff, counts = compare_words(said, heard), word_errors([said], [heard])
    errors = sum(pair.verdict is not Verdict.RIGHT for pair in diff.pairs)
    words = sum(pair.verdict is not Verdict.ADDED for pair in diff.pairs)
    assert (errors, words, diff.wer) == (counts.errors, counts.length, counts.rate)


def test_a_wrong_word_stands_beside_the_one_that_looks_like_it():
    pairs = compare_words("we like ice cream", "we like cream's").pairs
    assert [(pair.said, pair.heard) for pair in pairs if pair.verdict is not Verdict.RIGHT] == [
        ("ice", ""),
        ("cream", "cream's"),
    ]
