"""EXPLAIN of BUILD MODEL and FIT MODEL: what there is to learn from, how that is done, and how long it takes."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from itertools import islice

from query_service.explaining.figures import duration, number
from query_service.explaining.recordings import add_rows, count_files, tell_failures
from query_service.explaining.soundings import Soundings, sound
from query_service.explaining.tree import Branch
from query_service.explaining.view import NOT_KNOWN, Explaining, View
from query_service.jobs.build import check_first_files, check_language_model, job_spec, rows_to_learn
from query_service.models.getting import find_checkpoint, find_prebuilt
from query_service.planning.steps import FitModel, GetModel, MakeReady, TrainModel, UploadModel
from query_service.running.spool import RowSpool
from query_service.transcribing.recordings import LEFT_OUT, Failure, Recordings
from thanosql.errors import UnknownBaseModel
from thanosql.types import BaseModel, BaseModelSource, Model, Progress, TrainingPlan

_SOURCES = {
    BaseModelSource.HUB: "downloaded from the hub",
    BaseModelSource.CACHED: "from the hub, and here already",
    BaseModelSource.BUNDLED: "which comes with the product",
    BaseModelSource.FOLDER: "a folder of the workspace",
}
ROWS_TRIED = 1_000
"""Rows among which are the first files, which are opened as BUILD opens them."""
MOST_LENGTHS = 20_000
"""Lengths of recordings that the trainer is told."""


def explain_training(step: TrainModel, view: View) -> Explaining:
    """What there is to learn from."""
    work = view.work
    goes_on = isinstance(step, FitModel)
    lines: list[str] = []
    base = None
    if not goes_on:
        base = resolve_base(step, view)
        lines += tell_base(base)
    lines += _tell_version(step, view)
    check_language_model(step, work)
    if not view.is_known(step.query):
        lines.append(NOT_KNOWN)
        view.times.append(None)
    else:
        lines += yield from _weigh(step, view, base)
    title = f"{'go on training' if goes_on else 'fine-tune'} {step.base} into {step.model}, as a job"
    return Branch(title, tuple(lines), (Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query)),))


def explain_making_ready(step: MakeReady, view: View) -> Explaining:
    """What a model that is used for the first time is made from."""
    yield from ()
    base = view.work.services.trainer.resolve_base_model(step.base)
    return Branch(f"make {step.model} ready, which is used for the first time", tuple(tell_base(base)))


def explain_getting(step: GetModel | UploadModel, view: View) -> Explaining:
    """What a model would be made from, as it is.

    Raises:
        UnknownModel, NotFound, UnknownBaseModel: there is no such thing.
    """
    yield from ()
    find = find_prebuilt(step, view.work) if isinstance(step, GetModel) else find_checkpoint(step, view.work)
    return Branch(f"make model {step.model}, as a job", tuple(tell_base(find[1])))


def resolve_base(step: TrainModel, view: View) -> BaseModel:
    """What stands behind USING; an error shows its place."""
    try:
        return view.work.services.trainer.resolve_base_model(step.base.text)
    except UnknownBaseModel as error:
        raise view.work.source.placed(error, step.base.at) from error


def tell_base(base: BaseModel) -> Iterator[str]:
    """Where a base model comes from."""
    yield f"base: {describe(base)}, {_SOURCES[base.source]}"
    if base.fallback_notice:
        yield base.fallback_notice


def describe(base: BaseModel) -> str:
    """A base as the catalog keeps it with the models that are made from it."""
    return f"{base.checkpoint}@{base.revision}" if base.revision else base.checkpoint


def _tell_version(step: TrainModel, view: View) -> Iterator[str]:
    there = next((model for model in view.work.snapshot.models if model.name == step.model.text), None)
    if there is not None:
        yield f"a model {step.model} exists, in version {there.version}: it gets a new version"


def _weigh(step: TrainModel, view: View, base: BaseModel | None) -> Generator[Progress, None, list[str]]:
    work = view.work
    recordings = Recordings(work.workspace)
    with RowSpool() as first:
        yield from add_rows(recordings, view, _parts(step, view, first))
        check_first_files(first, work, step)
    waiting = recordings.waiting()
    soundings = yield from sound(recordings, waiting, work)
    recordings.results.update(soundings.failures)
    plan = _plan(step, view, recordings, soundings)
    if plan is not None and any(each > plan.longest_seconds > 0 for each in soundings.lengths.values()):
        for each, seconds in list(soundings.lengths.items()):
            if seconds > plan.longest_seconds:
                path, most = recordings.paths[each], plan.longest_seconds
                message = f"{path!r} is {seconds:.1f} s long, over the limit of {most:g} s"
                recordings.results[each] = soundings.failures[each] = Failure("too long", message)
                del soundings.lengths[each]
        plan = _plan(step, view, recordings, soundings)
    is_sample = soundings.read < soundings.recordings
    files, about = number(count_files(recordings), "distinct file"), "about " if is_sample else ""
    lines = [f"{number(len(recordings.rows), 'row')}, {files}, {about}{duration(soundings.seconds)} of audio"]
    if is_sample:
        lines.append(f"the headers of {soundings.read:,} files were read, which stand for {soundings.recordings:,}")
    without = sum(each == LEFT_OUT for each in recordings.rows)
    if without:
        lines.append(f"{number(without, 'row')} without a text in {step.text} would be dropped")
    lines += tell_failures(recordings, "would be dropped", of_all=not is_sample)
    lines += _tell_plan(plan, about)
    if plan is not None:
        lines += _tell_time(step, view, base, plan)
    return lines


def _parts(step: TrainModel, view: View, first: RowSpool) -> Iterator[tuple[list[str | None], list[str | None]]]:
    for batch in rows_to_learn(step, view.work):
        view.work.cancellation.check()
        if first.rows < ROWS_TRIED:
            first.append(batch)
        yield batch.column("audio_path").to_pylist(), batch.column("text").to_pylist()


def _plan(step: TrainModel, view: View, recordings: Recordings, soundings: Soundings) -> TrainingPlan | None:
    """What the trainer says; None where nothing is left to learn from."""
    usable = sum(recordings.uses[each] for each in soundings.lengths)
    read = usable + sum(recordings.uses[each] for each in soundings.failures)
    waiting = sum(recordings.uses[each] for each in recordings.waiting()) + sum(
        recordings.uses[each] for each in soundings.failures
    )
    if not usable:
        return None
    lengths = (seconds for each, seconds in soundings.lengths.items() for _ in range(recordings.uses[each]))
    rows = max(1, round(waiting * usable / read))
    return view.work.services.trainer.plan_training(job_spec(step), rows, list(islice(lengths, MOST_LENGTHS)))


def _tell_plan(plan: TrainingPlan | None, about: str) -> Iterator[str]:
    if plan is None:
        yield "no row is left to learn from: the statement would be refused"
        return
    rows, held_out = number(plan.train_rows, "row"), number(plan.held_out_rows, "row")
    yield f"to learn from: {about}{rows}, {about}{duration(plan.train_seconds)} of audio; held out: {about}{held_out}"
    rate = f"learning rate {plan.learning_rate:g}"
    how = "with augmentation" if plan.is_augmented else "without augmentation"
    adapters = ", adapters in place of the weights" if plan.uses_adapters else ""
    epochs, steps = number(plan.epochs, "epoch"), number(plan.steps, "step")
    yield f"training: {epochs} of about {steps} of at most {number(plan.step_rows, 'row')}, {rate}, {how}{adapters}"
    yield "a row whose text the alphabet cannot spell, or whose recording is silent, is found out by the job"


def _tell_time(step: TrainModel, view: View, base: BaseModel | None, plan: TrainingPlan) -> Iterator[str]:
    earlier = find_earlier(view.work.snapshot.models, step.base.text if base is None else describe(base), base is None)
    if earlier is None:
        view.times.append(None)
        yield "expected time: not known: no training of this base was measured here"
        return
    model, rate, besides = earlier
    trained = plan.train_seconds * plan.epochs / rate
    view.times.append(trained + besides)
    yield (
        f"expected time: about {duration(trained)} of training, at {rate:.3g} s of audio a second as of {model.name} "
        f"version {model.version}, which took {duration(besides)} besides"
    )


def find_earlier(models: tuple[Model, ...], base: str, goes_on: bool) -> tuple[Model, float, float] | None:
    """The last model that was trained of a base, the rate (seconds of audio a second), and the seconds for all else.

    Args:
        models: Of the snapshot.
        base: As `Model.base` has it; the name of a model where training goes on from one.
        goes_on: See there.
    """
    for model in sorted(models, key=lambda each: each.updated_at, reverse=True):
        is_same = model.name == base or model.base.partition("@")[0] == base if goes_on else model.base == base
        figures = _measured(model) if is_same else None
        if figures is not None:
            return (model, *figures)
    return None


def _measured(model: Model) -> tuple[float, float] | None:
    report = json.loads(model.report or "{}")
    names = ("audio_seconds_per_second", "seconds", "audio_seconds", "held_out_seconds", "epochs")
    values = [report.get(name) for name in names]
    if not all(isinstance(each, int | float) for each in values):
        return None
    rate, seconds, audio, held_out, epochs = map(float, values)
    if rate <= 0:
        return None
    return rate, max(0.0, seconds - (audio - held_out) * epochs / rate)
