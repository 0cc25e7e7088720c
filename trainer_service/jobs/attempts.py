"""Decides whether a job whose process was killed is begun again: for as long as it gets further, and a few times more.

A child process, or the whole trainer, may be killed at any moment. What it had done up to its last checkpoint is not
lost: the job is begun again by itself and goes on from there. A job that is killed at the same place again and again,
as happens where memory runs out, is given up after `ATTEMPTS` times. A job that got further meanwhile, by a newer
checkpoint or into a phase that it had not been in before, has all its attempts again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from thanosql.errors import JobFailed

ATTEMPTS = 3
"""Times that a job is begun without getting further."""


_LAST_SIGNAL = 64
_FIRST_FAILURE = re.compile(r"Root Cause \(first observed failure\):.*?exitcode\s*:\s*(-?\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a training goes on from."""

    step: int
    """Steps that were done."""
    is_end: bool = False
    """The training has ended, and what follows it has not."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a job has come."""

    checkpoint: Checkpoint | None = None
    phases: int = 0
    """How many different ones its processes have been in."""

    def is_further_than(self, other: Reached) -> bool:
        """Whether a job that was there before has got ahead."""
        return self.phases > other.phases or _rank(self.checkpoint) > _rank(other.checkpoint)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a job was begun since it last got further."""

    lost: int = 0
    """Processes that were killed since then."""
    reached: Reached = Reached()
    """How far the job had come when the last of them was killed."""
    is_running: bool = False
    """A process was at work on it when this was written."""

    @property
    def repeats(self) -> int:
        """Processes that were killed where one before them had been. One alone may be chance, more want less memory."""
        return max(0, self.lost - 1)

    @property
    def are_used_up(self) -> bool:
        """Whether the job is given up."""
        return self.lost >= ATTEMPTS


def lose(attempts: Attempts, reached: Reached) -> Attempts:
    """The attempts that are left after a process was killed, when the job had come as far as `reached`."""
    lost = 1 if reached.is_further_than(attempts.reached) else attempts.lost + 1
    return Attempts(lost, reached)


def find_exit_code(exit_code: int, last_words: Iterable[str]) -> int:
    """How a process really ended; negative: the signal that ended it.

    Where several train together, torchrun tells of the one that failed first. A process that ends itself because of a
    signal tells of it as shells do, by 128 and more.

    Args:
        exit_code: Of the child.
        last_words: The last lines that it wrote to its standard error.
    """
    told = _FIRST_FAILURE.search("\n".join(last_words))
    code = int(told[1]) if told else exit_code
    return 128 - code if 128 < code <= 128 + _LAST_SIGNAL else code


def is_killed(exit_code: int) -> bool:
    """Whether a process that ended without a word of its own was ended from outside."""
    return exit_code < 0


def give_up(failure: JobFailed) -> JobFailed:
    """The failure of a job whose attempts are used up."""
    times = f"; it was begun {ATTEMPTS} times and got no further"
    return JobFailed(failure.message + times, hint=failure.hint)


def say_where_it_goes_on(checkpoint: Checkpoint | None, steps: int) -> str:
    """A sentence: from where a job goes on, and how much is done again.

    Args:
        checkpoint: Of the job; None where it has none.
        steps: That had been done.

    >>> say_where_it_goes_on(Checkpoint(120), 133)
    'The job goes on from its checkpoint after step 120; 13 steps are done again.'
    """
    if checkpoint is None:
        return "There is no checkpoint yet, so the job begins again."
    if checkpoint.is_end:
        return "The training itself had ended; the job goes on with what follows it."
    again = max(0, steps - checkpoint.step)
    repeated = f"; {again} {'step is' if again == 1 else 'steps are'} done again" if again else ""
    return f"The job goes on from its checkpoint after step {checkpoint.step}{repeated}."


def _rank(checkpoint: Checkpoint | None) -> tuple[bool, int]:
    return (checkpoint.is_end, checkpoint.step) if checkpoint else (False, -1)
