"""A lab that hangs leaves threads to the others, and what waits is done in its order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import pytest

from playground.frontends.web.thread_shares import ThreadShares

LIMIT_S = 20.0


def test_a_lab_that_hangs_leaves_threads_to_the_others() -> None:
    go_on = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        shares = ThreadShares(threads, 2)
        hanging = shares.of("hangs")
        assert shares.of("hangs") is hanging
        waiting = [hanging.submit(go_on.wait, LIMIT_S) for _ in range(6)]
        try:
            assert shares.of("other").submit(max, 1, 2).result(LIMIT_S) == 2
            assert not any(one.done() for one in waiting)
            assert waiting[5].cancel()
        finally:
            go_on.set()
        assert not wait_for(waiting, LIMIT_S).not_done
        assert [one.result(LIMIT_S) for one in waiting[:5]] == [True] * 5


def test_an_error_is_the_callers_and_the_thread_is_free_again() -> None:
    with ThreadPoolExecutor(1) as threads:
        share = ThreadShares(threads, 1).of("lab")
        with pytest.raises(ZeroDivisionError):
            share.submit(divmod, 1, 0).result(LIMIT_S)
        assert share.submit(divmod, 7, 2).result(LIMIT_S) == (3, 1)


def test_what_waits_when_the_pool_is_closed_is_cancelled() -> None:
    go_on = threading.Event()
    threads = ThreadPoolExecutor(1)
    share = ThreadShares(threads, 2).of("lab")
    first, second = (share.submit(go_on.wait, LIMIT_S) for _ in range(2))
    threads.shutdown(wait=False, cancel_futures=True)
    go_on.set()
    assert first.result(LIMIT_S)
    assert second.cancelled()
    assert share.submit(max, 1, 2).cancelled()
