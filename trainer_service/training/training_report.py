"""The report on a training, as it is kept with the model and shown by DESCRIBE; and the sentence that ends a BUILD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from thanosql.comparison import Comparison, compare
from thanosql.evaluation import Evaluation, evaluate
from thanosql.types import Notice, Severity
from trainer_service.data.data_report import DataReport
from trainer_service.data.dataset import Utterance
from trainer_service.training.course import Outcome
from trainer_service.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Heard:
    """How the base model and the new one fare on the held-out rows."""

    before: Evaluation
    after: Evaluation
    comparison: Comparison
    """Of their word error rates, pair by pair."""
    characters: Comparison
    """Of their character error rates."""


def listen(held_out: Sequence[Utterance], before: Sequence[str], after: Sequence[str]) -> Heard | None:
    """Evaluates what two models hear in the held-out rows; None where there are none."""
    if not held_out:
        return None
    references = [each.text for each in held_out]
    speakers = [each.speaker for each in held_out]
    names = [each.audio_path for each in held_out]
    base, new = (evaluate(references, texts, speakers=speakers, names=names) for texts in (before, after))
    return Heard(base, new, compare(base, new), compare(base, new, metric="cer"))


def tell_verdict(heard: Heard | None, how: str, outcome: Outcome) -> Notice:
    """What the user is told of the error rate at the end.

    Args:
        heard: The evaluations; None where no rows were held out.
        how: The held-out rows were chosen.
        outcome: Of the training.
    """
    if heard is None:
        return Notice(
            "No rows were held out, so the error rate of the new model is not known. eval_fraction=0.1 holds some out; "
            "PREDICT with text_col tells the error rate over other rows."
        )
    comparison = heard.comparison
    chosen = " + ".join(map(str, outcome.best_epochs))
    which = f"mean of epochs {chosen}" if len(outcome.best_epochs) > 1 else f"epoch {chosen}"
    text = f"Word error rate on {heard.after.rows} held-out rows ({how}): {comparison.sentence}; {which}."
    advice = comparison.warning
    if comparison.is_shown and comparison.after > comparison.before:
        advice = "It got worse: try a smaller learning_rate or more rows."
    words = " ".join(filter(None, (text, advice, heard.after.caveat)))
    return Notice(words, Severity.WARNING if advice else Severity.INFO)


def make_report(
    data: DataReport,
    learned: Sequence[Utterance],
    held_out: Sequence[Utterance],
    how: str,
    recipe: Recipe,
    outcome: Outcome,
    heard: Heard | None,
    sample_rate: int,
) -> dict[str, Any]:
    """The training report: numbers and short texts, ready for JSON."""
    report: dict[str, Any] = {
        **asdict(data),
        "train_rows": len(learned),
        "held_out_rows": len(held_out),
        "held_out_seconds": sum(each.samples for each in held_out) / sample_rate,
        "held_out_choice": how,
    }
    if heard is not None:
        report |= {
            "base_wer": heard.before.wer.score,
            "base_cer": heard.before.cer.score,
            "wer": heard.after.wer.score,
            "cer": heard.after.cer.score,
            "base_wer_interval": asdict(heard.before.wer),
            "base_cer_interval": asdict(heard.before.cer),
            "comparison": heard.comparison.sentence,
            "comparison_in_characters": heard.characters.sentence,
            "difference": asdict(heard.comparison.difference),
            # The epochs were chosen by the rows that they are evaluated on, which flatters a little.
            "chosen_among": f"{outcome.epochs} epochs and the mean of the best, by the held-out rows",
            "evaluation": heard.after.to_json(),
        }
    return report | {
        "loss": outcome.losses[-1],
        "losses": [round(loss, 4) for loss in outcome.losses],
        "epochs": outcome.epochs,
        "best_epochs": list(outcome.best_epochs),
        "steps": outcome.steps,
        "audio_seconds_per_second": round(outcome.audio_seconds_per_second, 1),
        "padding": round(outcome.padding, 4),
        "lost_rows": len(outcome.lost),
        "recipe": asdict(recipe),
    }
