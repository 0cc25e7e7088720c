"""Answers that come from other threads to the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future

import pytest

from inference_service.speech.hand_back import hand_back


def in_thread(work: object) -> None:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_answers_from_a_thread_arrive_in_one_wake_up() -> None:
    async def wait() -> tuple[list[int], int]:
        loop, wake_ups = asyncio.get_running_loop(), 0
        wake = loop.call_soon_threadsafe

        def count(*arguments: object) -> asyncio.Handle:
            nonlocal wake_ups
            wake_ups += 1
            return wake(*arguments)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = count  # type: ignore[method-assign]
        futures: list[Future[int]] = [Future() for _ in range(20)]
        waiters = [hand_back(future) for future in futures]
        # The loop stands still meanwhile, as it does when it has other work.
        in_thread(lambda: [future.set_result(number) for number, future in enumerate(futures)])
        return await asyncio.gather(*waiters), wake_ups

    assert asyncio.run(wait()) == (list(range(20)), 1)


def test_every_later_answer_wakes_the_loop_again() -> None:
    async def wait() -> list[int]:
        answers = []
        for number in range(50):
            future: Future[int] = Future()
            waiter = hand_back(future)
            threading.Thread(target=future.set_result, args=(number,)).start()
            answers.append(await waiter)
        return answers

    assert asyncio.run(wait()) == list(range(50))


def test_a_failure_arrives() -> None:
    async def wait() -> None:
        future: Future[int] = Future()
        waiter = hand_back(future)
        in_thread(lambda: future.set_exception(ValueError("broken")))
        await waiter

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(wait())


def test_who_gives_up_gives_up_the_work_too() -> None:
    async def wait() -> tuple[bool, bool]:
        given_up: Future[int] = Future()
        waiter = hand_back(given_up)
        waiter.cancel()
        late: Future[int] = Future()
        late.set_running_or_notify_cancel()
        other = hand_back(late)
        other.cancel()
        await asyncio.sleep(0)
        # It was being computed, and comes to nobody.
        late.set_result(1)
        await asyncio.sleep(0)
        return given_up.cancelled(), other.cancelled()

    assert asyncio.run(wait()) == (True, True)


def test_work_that_is_taken_back_ends_the_waiting() -> None:
    async def wait() -> None:
        future: Future[int] = Future()
        waiter = hand_back(future)
        in_thread(future.cancel)
        await waiter

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(wait())


def end_a_loop() -> weakref.ref[asyncio.AbstractEventLoop]:
    loop, future = asyncio.new_event_loop(), Future[int]()

    async def ask() -> None:
        hand_back(future)

    loop.run_until_complete(ask())
    loop.close()
    future.set_result(1)
    return weakref.ref(loop)


def test_a_loop_that_has_ended_is_forgotten_and_not_woken() -> None:
    gone = end_a_loop()
    gc.collect()
    assert gone() is None
