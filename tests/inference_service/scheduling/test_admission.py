"""Who may queue how much audio."""

from __future__ import annotations

import asyncio

from inference_service.scheduling.admission import Admission


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_stream_is_held_back_at_the_capacity_and_let_on_when_there_is_room() -> None:
    async def scenario() -> None:
        admission = Admission(20)
        admission.open("a")
        await admission.enter("a", 10)
        await admission.enter("a", 10)
        third = asyncio.create_task(admission.enter("a", 10))
        await settle()
        assert not third.done()
        admission.leave("a", 10)
        await settle()
        assert third.done()

    asyncio.run(scenario())


def test_a_piece_over_the_capacity_enters_when_its_stream_holds_nothing() -> None:
    async def scenario() -> None:
        admission = Admission(20)
        admission.open("a")
        await admission.enter("a", 5)
        huge = asyncio.create_task(admission.enter("a", 30))
        await settle()
        assert not huge.done()
        admission.leave("a", 5)
        await settle()
        assert huge.done()

    asyncio.run(scenario())


def test_a_stream_that_is_held_back_keeps_no_other_out() -> None:
    async def scenario() -> None:
        admission = Admission(20)
        admission.open("bulk")
        await admission.enter("bulk", 20)
        admission.open("late")
        await asyncio.wait_for(admission.enter("late", 10), 1)

    asyncio.run(scenario())


def test_the_share_grows_when_another_stream_ends() -> None:
    async def scenario() -> None:
        admission = Admission(20)
        admission.open("a")
        admission.open("b")
        await admission.enter("a", 10)
        more = asyncio.create_task(admission.enter("a", 10))
        await settle()
        assert not more.done()
        admission.close("b")
        await settle()
        assert more.done()

    asyncio.run(scenario())


def test_pieces_of_a_stream_enter_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        admission = Admission(20)
        admission.open("a")
        await admission.enter("a", 15)
        large = asyncio.create_task(admission.enter("a", 15))
        await settle()
        small = asyncio.create_task(admission.enter("a", 1))
        await settle()
        assert not small.done()
        admission.leave("a", 15)
        await settle()
        assert large.done()
        assert small.done()

    asyncio.run(scenario())
