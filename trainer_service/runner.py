"""The child process of a job: `python -m trainer_service.runner` reads a task, works, tells how it goes.

The task is one line of JSON on standard input; messages are lines of JSON on standard output; the last one is the
product or the failure. When standard input ends, the parent has gone, and so does this process.

A task for several devices is worked on by as many processes, which torchrun starts. Over several machines, with
workspace, models and state on a disk that all share, the trainer is given `--torchrun "--nnodes 2 --rdzv-backend c10d
--rdzv-endpoint HOST:29500"`; on each of the others, `torchrun --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500
--nproc-per-node N -m trainer_service.runner FILE` is started by hand. The file is `jobs/<id>/state/task.json` in the
state folder, where the job has written it.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from thanosql.errors import JobFailed, ThanoSQLError
from thanosql.modelstore import require_writable
from thanosql.rpc.spans import span
from thanosql.types import JobKind, JobResult, Notice, Progress
from trainer_service.jobs.jobs import Message, Product, Task, explain_disk, is_disk_full, write_line
from trainer_service.jobs.told_outside import send_log, traced

log = logging.getLogger("trainer_service.runner")  # as a program it has another name

STOP_WITHIN = 0.5
"""Seconds from SIGTERM to the end of the process; the parent kills it soon after."""
STOPPED = 128 + signal.SIGTERM
"""Exit code of a process that was asked to end: whoever did not ask tells by it that the job may go on."""
LAUNCHER = "THANOSQL_LAUNCHER"
"""Variable with the number of the process that is torchrun, for those that it starts."""
LOOK_SECONDS = 0.2
"""Between two looks for it."""
TELL_SECONDS = 0.2
"""Between two messages on the progress of a phase."""
ENVIRONMENT = {
    # How long GNU OpenMP's threads spin while they wait for each other, before they give their core away. With the
    # default (300,000 turns), a training beside other work on two cores ran at a third of the speed measured with this;
    # alone it is a few per cent slower.
    "GOMP_SPINCOUNT": "20000",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}
"""Read by the libraries when they are imported, so set before."""

Say = Callable[[Progress | Notice], None]


def main() -> None:
    """Works on the task that standard input gives, or the file that is named, and ends the process."""
    # What libraries print must not come between the messages.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = Task.from_json(Path(sys.argv[1]).read_text("utf-8") if len(sys.argv) > 1 else sys.stdin.readline())
    os.environ |= ENVIRONMENT
    if task.spec.devices > 1 and not is_launched():
        launch(task, messages.fileno())
    _end_with_parent()
    is_first = int(os.environ.get("RANK", "0")) == 0
    lock = threading.Lock()

    def write(message: Message) -> None:
        if is_first:  # one speaks for all
            with lock:
                messages.write(write_line(message) + "\n")
                messages.flush()

    code = 0
    send_log(write)
    is_stopping = listen_for_stop()
    try:
        with traced(task if is_first else replace(task, otlp_endpoint="")):
            product = work(task, thin_out(write), is_stopping)
        if product is not None:
            write(product)
    except Exception as error:
        code = 1
        if not is_stopping():  # what comes of that is no failure
            traceback.print_exc()
            failure = explain(error)
            if failure is not None:
                write(failure)
    code = STOPPED if code and is_stopping() else code
    sys.stderr.flush()
    # Without the tear-down of torch and ONNX Runtime, which takes its time and has nothing to save.
    os._exit(code)


def launch(task: Task, messages: int) -> NoReturn:
    """Becomes torchrun, which starts this module once for each device; the first of them tells and writes for all."""
    file = Path(task.state) / "task.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(task.to_json(), "utf-8")
    os.dup2(messages, 1)
    os.environ[LAUNCHER] = str(os.getpid())
    options = [*shlex.split(task.torchrun), "--nproc-per-node", str(task.spec.devices)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "trainer_service.runner", str(file)]
    os.execv(sys.executable, torchrun)


def is_launched() -> bool:
    """Whether torchrun started this process, as one of those that train together."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= set(os.environ)


def listen_for_stop() -> Callable[[], bool]:
    """Has SIGTERM ask the training to stop, which then leaves a checkpoint, and end the process if it takes long."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        ending = threading.Timer(STOP_WITHIN, os._exit, (STOPPED,))
        ending.daemon = True
        ending.start()

    signal.signal(signal.SIGTERM, ask)
    return asked.is_set


def work(task: Task, say: Say, is_stopping: Callable[[], bool] = lambda: False) -> Product | None:
    """Carries out a task: what it made stands in the model store then.

    Returns:
        What was made; None in all processes but the first of those that train together.

    Raises:
        ThanoSQLError: why it could not be done.
    """
    began = time.monotonic()
    require_writable(Path(task.models), task.spec.model)
    say(Progress("load the base model", 0, 1))
    with span("import"):
        import torch
        import transformers

        from trainer_service.bases.checkpoints import load_checkpoint
        from trainer_service.export.export import describe, new_description, write_version
        from trainer_service.training.distributed import join_ranks
        from trainer_service.training.machine import available_cores, choose_device, compute_repeatably

    device = choose_device(task.device)
    compute_repeatably(device)
    with ExitStack() as stack:
        ranks = stack.enter_context(join_ranks(device))
        torch.set_num_threads(task.threads or max(1, available_cores() // ranks.world_here))
        log.info("%s of %s begins on %s, from %s", task.spec.kind.value, task.spec.model, device, task.base.checkpoint)
        with span("load the base model"):
            checkpoint = load_checkpoint(task.base, say)
        say(Progress("load the base model", 1, 1))
        spec = task.spec
        description = new_description(spec.model, task.version, class_name=task.class_name, base=task.origin, report={})
        description = describe(checkpoint, description)
        report: dict[str, Any] = {"fallback_notice": task.base.fallback_notice} if task.base.fallback_notice else {}
        result = JobResult(spec.model, task.version)
        trained = None
        if spec.kind is not JobKind.EXPORT:
            from trainer_service.training.training import train

            state = Path(task.state or stack.enter_context(tempfile.TemporaryDirectory(prefix="training-")))
            trained = train(
                *(task, checkpoint, description, say, device), folder=state, ranks=ranks, is_stopping=is_stopping
            )
            if trained is None:
                return None
            checkpoint, description, result = trained.checkpoint, trained.description, trained.result
            report |= trained.report
    report["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    report["seconds"] = round(time.monotonic() - began, 1)
    description = replace(description, report=report)
    store = Path(task.models)
    if trained is None:
        written = write_version(store, checkpoint, description, tell=say)
    else:
        clips, sample, beside = trained.clips, trained.sample, trained.write_beside
        written = write_version(store, checkpoint, description, clips=clips, sample=sample, beside=beside, tell=say)
    result = replace(result, seconds=time.monotonic() - began)
    return Product(result, task.origin, json.dumps(dict(written.report), ensure_ascii=False))


def explain(error: Exception) -> ThanoSQLError | None:
    """The failure that the user is told; None: the parent explains it by the last lines of standard error."""
    if isinstance(error, ThanoSQLError):
        return error
    text = str(error)
    if is_disk_full(text):
        return explain_disk(text)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return JobFailed(
            f"memory ran out: {text.splitlines()[0] if text else 'of this machine'}",
            hint="Try a smaller batch_size, or leave out very long recordings.",
        )
    return None


def thin_out(write: Callable[[Message], None]) -> Say:
    """Lets through the first and the last message of each phase, and one now and then between."""
    phase, told_at = "", 0.0
    lock = threading.Lock()

    def say(message: Progress | Notice) -> None:
        nonlocal phase, told_at
        with lock:
            now = time.monotonic()
            if isinstance(message, Progress):
                is_last = message.total > 0 and message.done >= message.total
                if message.phase == phase and not is_last and now - told_at < TELL_SECONDS:
                    return
                phase, told_at = message.phase, now
            write(message)

    return say


def _end_with_parent() -> None:
    """Ends this process when whoever started it is no more, so that nobody trains for a trainer that has gone.

    The end of the trainer ends standard input, for those that torchrun has started too. Whether torchrun is still there
    they look for themselves: left alone, they would wait for each other for ever, and the trainer for their messages.
    """
    if is_launched():
        _watch(_wait_for_end_of_torchrun)
    if not is_launched() or LAUNCHER in os.environ:  # a torchrun that was started by hand has no such input
        _watch(_wait_for_end_of_input)


def _watch(wait: Callable[[], None]) -> None:
    def end() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=end, name=wait.__name__, daemon=True).start()


def _wait_for_end_of_input() -> None:
    while sys.stdin.read(1):
        pass


def _wait_for_end_of_torchrun() -> None:
    launcher = int(os.environ.get(LAUNCHER, os.getppid()))
    while os.getppid() == launcher:
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
