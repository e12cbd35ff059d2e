"""Work beside other work: results, errors, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from playground.operations.connection.threads import Beside, each, start_child


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


def children() -> list[int]:
    """The processes that this one has to wait for, zombies too."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_a_process_that_was_started_for_nobody_is_ended() -> None:
    """Ctrl-C comes at a hundred moments, of which some are between fork and exec."""
    before = children()
    interrupted = 0
    for moment in range(100):
        timer = threading.Timer(moment * 5e-5, os.kill, [os.getpid(), signal.SIGINT])
        process: subprocess.Popen[bytes] | None = None
        try:
            timer.start()
            process = start_child(["sleep", "600"], stdin=subprocess.PIPE)
            timer.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            timer.join()
            if process is not None:
                process.kill()
                process.wait()
                assert process.stdin is not None
                process.stdin.close()
        assert children() == before, f"at moment {moment}"
    assert interrupted > 50


def test_a_program_that_is_not_there_is_told_as_it_is() -> None:
    with pytest.raises(FileNotFoundError):
        start_child(["/no/such/program"])
    with start_child([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE) as process:
        assert process.communicate()[0] == b"1\n"
