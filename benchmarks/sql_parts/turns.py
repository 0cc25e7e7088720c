"""Contenders that take turns: each is a process of its own, and in each round all of them do the same work."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from serving_parts.report import tell

Prepare = Callable[..., Callable[[], Any]]
"""Makes a contender ready, and gives what does its work once; a function at the top of a module."""


@dataclass
class Contender:
    """A contender's process, and what was measured of it."""

    name: str
    process: BaseProcess
    connection: Connection
    seconds: list[float] = field(default_factory=list)
    result: Any = None
    """Of the last turn."""


def take_turns(prepare: Mapping[str, Prepare], arguments: Sequence[Any], rounds: int) -> list[Contender]:
    """Starts the contenders, lets each warm up, and has them work in turn, another one first in each round."""
    spawn = multiprocessing.get_context("spawn")
    contenders = []
    for name, each in prepare.items():
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_contend, args=(each, tuple(arguments), theirs), name=name)
        process.start()
        theirs.close()
        contenders.append(Contender(name, process, ours))
        _receive(contenders[-1])
        _work(contenders[-1])
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            seconds = _work(contender)
            contender.seconds.append(seconds)
            tell(f"round {number + 1} of {rounds}: {contender.name} {seconds:.2f} s")
    for contender in contenders:
        contender.connection.send("end")
        contender.process.join(60)
    return contenders


def ratio_of(numerator: Contender, denominator: Contender) -> float:
    """Median over the rounds, so that what slows the machine for a while slows both sides of a ratio."""
    return statistics.median(a / b for a, b in zip(numerator.seconds, denominator.seconds, strict=True))


def _work(contender: Contender) -> float:
    contender.connection.send("run")
    seconds, contender.result = _receive(contender)
    return float(seconds)


def _receive(contender: Contender) -> Any:
    try:
        return contender.connection.recv()
    except EOFError:
        raise RuntimeError(f"{contender.name} has ended; its messages are above") from None


def _contend(prepare: Prepare, arguments: tuple[Any, ...], connection: Connection) -> None:
    run = prepare(*arguments)
    connection.send("ready")
    while connection.recv() == "run":
        begin = time.perf_counter()
        result = run()
        connection.send((time.perf_counter() - begin, result))
