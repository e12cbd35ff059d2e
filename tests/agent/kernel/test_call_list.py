"""Lists of system calls do the same in a child that shares memory, in a forked one, and here."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.agent.kernel.call_list import OPENED, CallList, Later, can_start_children

Make = Callable[[CallList], int]


def _in_child(calls: CallList) -> int:
    if not can_start_children():
        assert os.uname().machine != "x86_64"
        pytest.skip("there is no code for this machine")
    free = os.dup(0)
    os.close(free)
    return calls.start_child(0, opened=free)


def _in_fork(calls: CallList) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            calls.make_here()
        except OSError as error:
            os.write(writer, f"{error.errno} {error.strerror}".encode())
        finally:
            os._exit(1)
    os.close(writer)
    said = os.read(reader, 1000).decode()
    os.close(reader)
    if said:
        os.waitpid(child, 0)
        number, _, reason = said.partition(" ")
        raise OSError(int(number), reason)
    return child


@pytest.fixture(params=[_in_child, _in_fork], ids=["shared", "forked"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_calls_are_made_in_their_order_and_a_program_runs(tmp_path: Path, make: Make) -> None:
    calls = CallList()
    calls.add("chdir", str(tmp_path), purpose="entering")
    calls.add("umask", 0o027, purpose="setting the mask")
    calls.make_folder("folder")
    calls.make_file("folder/file", 0o666)
    calls.make_link("link", "folder/file")
    calls.write("folder/file", b"first\n", os.O_APPEND)
    calls.write("link", b"second\n", os.O_APPEND)
    calls.open("out", os.O_WRONLY | os.O_CREAT)
    calls.add("dup3", OPENED, 1, 0, purpose="speaking into it")
    calls.execute("/bin/sh", ["sh", "-c", 'echo "$WORD $(umask)"'], ["WORD=said"])
    assert os.waitpid(make(calls), 0)[1] == 0
    assert (tmp_path / "folder" / "file").read_text() == "first\nsecond\n"
    assert (tmp_path / "out").read_text() == "said 0027\n"
    assert os.stat(tmp_path / "folder").st_mode & 0o777 == 0o750
    # The parent has its own mask and folder.
    assert Path.cwd() != tmp_path


def test_the_first_call_that_fails_ends_it_and_says_which(tmp_path: Path, make: Make) -> None:
    calls = CallList()
    calls.make_folder(str(tmp_path / "made"))
    calls.make_folder(str(tmp_path / "missing" / "folder"))
    calls.make_folder(str(tmp_path / "never"))
    calls.execute("/bin/true", ["true"], [])
    with pytest.raises(FileNotFoundError, match=r"making the folder .*missing/folder: No such"):
        make(calls)
    assert sorted(os.listdir(tmp_path)) == ["made"]


def test_a_program_that_is_not_there_is_said(make: Make) -> None:
    calls = CallList()
    calls.execute("/nowhere/program", ["program"], [])
    with pytest.raises(FileNotFoundError, match="running /nowhere/program: No such file"):
        make(calls)


def test_an_error_that_is_none_is_passed_over(tmp_path: Path, make: Make) -> None:
    calls = CallList()
    calls.write(str(tmp_path / "missing"), b"word", unless=errno.ENOENT)
    calls.make_folder(str(tmp_path / "made"))
    calls.execute("/bin/true", ["true"], [])
    assert os.waitpid(make(calls), 0)[1] == 0
    assert os.listdir(tmp_path) == ["made"]


def test_a_child_that_is_killed_meanwhile_is_no_host() -> None:
    calls = CallList()
    # Nobody reads, and the signal of that is not ignored.
    reader, writer = os.pipe()
    os.close(reader)
    calls.treat_signal(signal.SIGPIPE, signal.SIG_DFL)
    calls.add("write", writer, b".", 1, purpose="telling")
    calls.add("umask", 0, purpose="setting the mask")
    calls.execute("/bin/true", ["true"], [])
    with pytest.raises(ChildProcessError, match="telling: the process was killed"):
        _in_child(calls)
    os.close(writer)


def test_signals_are_treated_in_the_child_alone(tmp_path: Path, make: Make) -> None:
    calls = CallList()
    calls.treat_signal(signal.SIGUSR1, signal.SIG_IGN)
    calls.open(str(tmp_path / "out"), os.O_WRONLY | os.O_CREAT)
    calls.add("dup3", OPENED, 1, 0, purpose="speaking into it")
    calls.execute("/bin/cat", ["cat", "/proc/self/status"], [])
    assert os.waitpid(make(calls), 0)[1] == 0
    rows = dict(line.split(":\t") for line in (tmp_path / "out").read_text().splitlines())
    assert int(rows["SigIgn"], 16) >> signal.SIGUSR1 - 1 & 1
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_what_is_known_later_may_be_another_each_time(tmp_path: Path) -> None:
    calls = CallList()
    calls.write(Later("file"), b"", os.O_CREAT, purpose="making a file")
    calls.execute("/bin/sh", ["sh", "-c", 'exit "$CODE"'], Later("environ"))
    free = os.dup(0)
    os.close(free)
    for code in (3, 4):
        file, environ = str(tmp_path / str(code)), [f"CODE={code}", "OTHER=word"]
        child = calls.start_child(0, opened=free, file=file, environ=environ)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert sorted(os.listdir(tmp_path)) == ["3", "4"]
    missing = str(tmp_path / "missing" / "file")
    with pytest.raises(FileNotFoundError, match="making a file: No such"):
        calls.start_child(0, opened=free, file=missing, environ=[])
