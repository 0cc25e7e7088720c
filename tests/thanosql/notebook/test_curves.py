"""The picture of a training in a notebook."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

from thanosql.notebook.curves import MOST_POINTS, Curves, as_picture, draw
from thanosql.notebook.display import NotebookDisplay
from thanosql.types import Event, Progress, StatementDone, StatementStarted


def moment(step: float, loss: float, total: float = 100, **figures: float) -> Progress:
    return Progress("train", step, total, "steps", figures={"loss": loss, **figures})


def course(steps: int = 100) -> Curves:
    curves = Curves()
    for step in range(steps):
        figures = {"base_wer": 0.8} | ({"wer": 0.6 if step < 70 else 0.5} if step >= 30 else {})
        curves.add(moment(step, 3.0 - 2 * step / steps, steps, **figures))
    return curves


def test_a_training_is_told_from_other_work_by_its_loss():
    assert not Curves().add(Progress("transcribe", 1, 2, figures={"wer": 0.2}))


def test_each_evaluation_is_a_point():
    assert course().wer == [(30, 0.6), (70, 0.5)]


def test_events_that_come_twice_are_drawn_once():
    curves = course()
    before = list(curves.loss)
    curves.add(moment(50, 9.0))
    assert curves.loss == before


def test_the_picture_is_an_image_with_words_for_those_who_do_not_see_it():
    markup = as_picture(course())
    words = re.search(r'alt="([^"]*)"', markup)[1]
    assert words == "training of 100 steps; loss 3 at first, 1.02 at step 99; WER of the base 80.0%; WER 50.0%"
    source = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", markup)[1]
    root = ElementTree.fromstring(base64.b64decode(source))
    assert root.tag.endswith("svg")
    assert len(root.findall("{*}circle")) == 2


def test_a_long_training_makes_no_large_picture():
    curves = course(50_000)
    assert len(curves.loss) <= 2 * MOST_POINTS
    assert len(draw(curves)) < 10_000


def test_there_is_no_picture_of_nothing():
    assert as_picture(Curves()) == ""


def test_loss_that_is_no_number_does_not_break_the_picture():
    curves = course()
    curves.add(moment(100, float("nan")))
    assert "nan" not in draw(curves)


def test_the_picture_is_drawn_while_the_training_runs_and_stays_when_it_has_ended(monkeypatch):
    shown: list[str] = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/html"])

    def display(data, **_):
        shown.append(data["text/html"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    now = [0.0]
    notebook = NotebookDisplay(lambda: now[0])
    notebook.show(Event(0, StatementStarted("", 0, "BUILD MODEL", "")))
    for step in range(1, 5):
        now[0] += 1
        notebook.show(Event(step, moment(step, 1 / step)))
    assert "<progress" in shown[-1]
    assert "data:image/svg+xml" in shown[-1]
    notebook.show(Event(9, StatementDone(0, 1, 4.0)))
    assert "<progress" not in shown[-1]
    assert "BUILD MODEL: done in 4.0 s" in shown[-1]
    assert "data:image/svg+xml" in shown[-1]
