"""System calls that Python lacks, and files of /proc."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from pathlib import Path

import pytest

from playground.agent.kernel.syscalls import (
    CLONE_NEWNET,
    PR_GET_PDEATHSIG,
    PR_SET_PDEATHSIG,
    capset,
    keeping_death_signal,
    permitted_capabilities,
    prctl,
    read_text,
    setns,
    system_call,
    unshare,
    write_text,
)
from playground.agent.nodes.sockets import SYS_PIDFD_GETFD
from tests.support_agent import apart, needs_root


def test_a_refused_call_says_what_was_tried() -> None:
    with pytest.raises(OSError, match="entering a namespace: Bad file descriptor") as caught:
        setns(-1, CLONE_NEWNET)
    assert caught.value.errno == errno.EBADF


def test_a_call_by_its_number_raises_its_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        system_call(SYS_PIDFD_GETFD, -1, 0, 0)


@needs_root
def test_a_namespace_is_left_for_a_new_one() -> None:
    def leave() -> int:
        unshare(CLONE_NEWNET)
        return os.stat("/proc/self/ns/net").st_ino

    assert apart(leave) != os.stat("/proc/self/ns/net").st_ino


def test_capabilities_are_those_that_the_kernel_shows() -> None:
    [shown] = [line for line in read_text("/proc/self/status").splitlines() if "CapPrm" in line]
    assert permitted_capabilities() == int(shown.split()[1], 16)


def test_capabilities_that_are_given_up_are_gone() -> None:
    def give_up() -> int:
        capset(0, 0, 0)
        return permitted_capabilities()

    assert apart(give_up) == 0


@needs_root
def test_the_signal_at_the_parents_death_outlives_a_change_of_user() -> None:
    def change(keep: bool) -> bool:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if keep:
            with keeping_death_signal():
                os.setresuid(12, 12, -1)
        else:
            os.setresuid(12, 12, -1)
        number = ctypes.c_int()
        prctl(PR_GET_PDEATHSIG, ctypes.addressof(number))
        return number.value == signal.SIGKILL

    assert apart(change, True)
    assert not apart(change, False)


def test_text_that_is_no_utf_8_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"caf\xe9\n")
    text = read_text(f"{tmp_path}/file")
    assert text.encode("utf-8", "surrogateescape") == b"caf\xe9\n"


def test_only_a_file_that_is_there_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(f"{tmp_path}/none", "1")
    (tmp_path / "one").write_text("")
    write_text(f"{tmp_path}/one", "1")
    assert (tmp_path / "one").read_text() == "1"


def test_of_a_file_without_end_the_beginning_is_read() -> None:
    assert read_text("/dev/zero", 70_000) == "\0" * 70_000
