"""Work beside other work: results, errors, and nothing left running."""

from __future__ import annotations

import threading

import pytest

from playground.operations.connection.threads import Beside, each


def test_both_run_at_once() -> None:
    met = threading.Barrier(2)
    with Beside(met.wait, 10) as other:
        met.wait(10)
        assert other.result() in (0, 1)


def test_an_error_is_raised_where_the_result_is_wanted() -> None:
    with Beside(int, "x") as other, pytest.raises(ValueError, match="invalid literal"):
        other.result()


def test_an_error_in_the_block_waits_for_the_other_too() -> None:
    done = threading.Event()
    with pytest.raises(KeyError), Beside(lambda: done.wait(10)) as other:
        threading.Timer(0.01, done.set).start()
        raise KeyError
    assert other.result() is True


def test_each_result_stands_in_its_place() -> None:
    assert each(lambda number: number * number, range(5)) == [0, 1, 4, 9, 16]
    assert each(len, []) == []


def test_the_first_error_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        ended.append(number)
        if number:
            raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 1"):
        each(work, range(4))
    assert sorted(ended) == [0, 1, 2, 3]


@pytest.mark.parametrize("begun", [False, True], ids=["while it begins", "once it works"])
def test_an_interrupt_leaves_no_work_behind(monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    def interrupted(*_: object) -> None:
        really(*_)
        raise KeyboardInterrupt

    owner, name = (threading.Event, "set") if begun else (threading.Thread, "start")
    really, worked = getattr(owner, name), []
    other = Beside(worked.append, 1)
    with monkeypatch.context() as patch:
        if begun:
            patch.setattr(other._gate, "set", lambda: interrupted(other._gate))
        else:
            patch.setattr(other._thread, "start", lambda: interrupted(other._thread))
        with pytest.raises(KeyboardInterrupt), other:
            raise AssertionError("it was entered")
    other._thread.join(10)
    # Either all of it was done before the error came here, or nothing ever is.
    assert worked == ([1] if begun else [])
