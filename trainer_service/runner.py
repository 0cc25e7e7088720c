"""The child process of a job: `python -m trainer_service.runner` reads a task, works, tells how it goes.

The task is one line of JSON on standard input; messages are lines of JSON on standard output; the last one is the
product or the failure. When standard input ends, the parent has gone, and so does this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from thanosql.errors import JobFailed, ThanoSQLError
from thanosql.types import JobKind, JobResult, Notice, Progress
from trainer_service.jobs import Message, Product, Task, explain_disk, is_disk_full, write_line

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
    """Works on the task that standard input gives, and ends the process."""
    # What libraries print must not come between the messages.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = Task.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    lock = threading.Lock()

    def write(message: Message) -> None:
        with lock:
            messages.write(write_line(message) + "\n")
            messages.flush()

    code = 0
    try:
        write(work(task, thin_out(write)))
    except Exception as error:
        traceback.print_exc()
        failure = explain(error)
        if failure is not None:
            write(failure)
        code = 1
    sys.stderr.flush()
    # Without the tear-down of torch and ONNX Runtime, which takes its time and has nothing to save.
    os._exit(code)


def work(task: Task, say: Say) -> Product:
    """Carries out a task: what it made stands in the model store then.

    Raises:
        ThanoSQLError: why it could not be done.
    """
    began = time.monotonic()
    os.environ |= ENVIRONMENT
    say(Progress("load the base model", 0, 1))
    import torch
    import transformers

    from trainer_service.checkpoints import load_checkpoint
    from trainer_service.export import describe, new_description, write_version
    from trainer_service.machine import available_cores, choose_device

    torch.set_num_threads(task.threads or available_cores())
    checkpoint = load_checkpoint(task.base, say)
    say(Progress("load the base model", 1, 1))
    spec = task.spec
    description = new_description(spec.model, task.version, class_name=task.class_name, base=task.origin, report={})
    description = describe(checkpoint, description)
    report: dict[str, Any] = {"fallback_notice": task.base.fallback_notice} if task.base.fallback_notice else {}
    result = JobResult(spec.model, task.version)
    clips, sample = [], []
    if spec.kind is not JobKind.EXPORT:
        from trainer_service.training import train

        trained = train(task, checkpoint, description, say, choose_device(task.device))
        report |= trained.report
        result, clips, sample = trained.result, trained.clips, trained.sample
    report["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    seconds = time.monotonic() - began
    report["seconds"] = round(seconds, 1)
    description = replace(description, report=report)
    write_version(Path(task.models), checkpoint, description, clips=clips, sample=sample, tell=say)
    result = replace(result, seconds=time.monotonic() - began)
    return Product(result, task.origin, json.dumps(report, ensure_ascii=False))


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
    """Ends this process when standard input ends: whoever started it is no more."""
    while sys.stdin.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
