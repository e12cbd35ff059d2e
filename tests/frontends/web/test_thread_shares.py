"""A lab that hangs holds up no other, and what waits is done in its order."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import wait as wait_for

import pytest

from playground import NotReady
from playground.frontends.web.thread_shares import ThreadShare, ThreadShares, within

LIMIT_S = 20.0


def test_labs_that_hang_leave_the_others_their_threads() -> None:
    go_on = threading.Event()
    shares = ThreadShares(2)
    hanging = [shares.of(f"hangs {number}") for number in range(8)]
    assert shares.of("hangs 0") is hanging[0]
    waiting = [share.submit(go_on.wait, LIMIT_S) for share in hanging for _ in range(6)]
    try:
        assert shares.of("other").submit(max, 1, 2).result(LIMIT_S) == 2
        assert not any(one.done() for one in waiting)
        # What waits for its turn takes no thread.
        assert sum("playground web hangs 0" in one.name for one in threading.enumerate()) == 2
        assert waiting[5].cancel()
    finally:
        go_on.set()
    assert not wait_for(waiting, LIMIT_S).not_done
    assert [one.result(LIMIT_S) for one in waiting[:5]] == [True] * 5


def test_who_opens_a_lab_that_hangs_again_gets_no_more_threads() -> None:
    go_on, shares = threading.Event(), ThreadShares(1)
    waiting = shares.of("hangs").submit(go_on.wait, LIMIT_S)
    gc.collect()
    later = shares.of("hangs").submit(max, 1, 2)
    assert not later.done()
    go_on.set()
    assert waiting.result(LIMIT_S) and later.result(LIMIT_S) == 2


def test_an_error_is_the_callers_and_the_thread_is_free_again() -> None:
    share = ThreadShare(1, "lab")
    with pytest.raises(ZeroDivisionError):
        share.submit(divmod, 1, 0).result(LIMIT_S)
    assert share.submit(divmod, 7, 2).result(LIMIT_S) == (3, 1)


def test_what_is_done_is_done_in_order_and_leaves_no_thread() -> None:
    done: list[int] = []
    share = ThreadShare(1, "in order")
    wait_for([share.submit(done.append, number) for number in range(50)], LIMIT_S)
    assert done == list(range(50))
    for thread in threading.enumerate():
        if thread.name == "in order":
            thread.join(LIMIT_S)
    assert "in order" not in [thread.name for thread in threading.enumerate()]


def test_what_waits_when_all_is_closed_is_cancelled() -> None:
    go_on, shares = threading.Event(), ThreadShares(1)
    share = shares.of("lab")
    first, second = (share.submit(go_on.wait, LIMIT_S) for _ in range(2))
    shares.shutdown()
    go_on.set()
    assert first.result(LIMIT_S)
    assert second.cancelled()
    assert share.submit(max, 1, 2).cancelled()


def test_who_waits_for_a_lab_is_told_that_it_does_not_answer() -> None:
    go_on, share = threading.Event(), ThreadShare(1, "hangs")

    async def ask() -> None:
        with pytest.raises(NotReady, match=r"lab h has not answered within 0\.05 s"):
            await within(0.05, "lab h", share, go_on.wait)
        left_out = asyncio.create_task(within(0.05, "lab h", share, lambda: asked.append(1)))
        with pytest.raises(NotReady):
            await left_out
        go_on.set()
        assert await within(LIMIT_S, "lab h", share, lambda: 5) == 5

    asked: list[int] = []
    asyncio.run(ask())
    assert asked == []  # nobody waited for it any more


def test_a_limit_of_the_call_itself_is_told_as_it_is() -> None:
    def own() -> None:
        raise NotReady("http does not answer at port 80")

    with pytest.raises(NotReady, match="port 80"):
        asyncio.run(within(LIMIT_S, "lab", ThreadShare(1, "lab"), own))
