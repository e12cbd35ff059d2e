"""Owners of labs: processes, told from others that got their numbers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from playground.engines import owners

HERE = socket.gethostname()


def _dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("owner", "gone"),
    [
        pytest.param(f"ada@{HERE}:{os.getpid()}", False, id="alive"),
        pytest.param(f"ada@{HERE}:1", False, id="another user's"),
        pytest.param(f"ada@{HERE}:{_dead_process()}", True, id="dead"),
        pytest.param(f"ada@elsewhere.example:{_dead_process()}", False, id="another machine's"),
        pytest.param(f"ada@{HERE}:{10**30}", False, id="no number of a process"),
        pytest.param("who knows", False, id="unreadable"),
    ],
)
def test_an_owner_is_gone_only_if_its_process_was_here_and_died(owner, gone):
    assert owners.is_gone(owner) is gone
    assert owners.is_gone(owner, "not a mark") is gone


MACHINE, BOOT, NAMESPACE, STARTED = owners.own_mark().split()
OTHER = "0"


@pytest.mark.parametrize(
    ("mark", "gone"),
    [
        pytest.param((MACHINE, BOOT, NAMESPACE, STARTED), False, id="this very process"),
        pytest.param((MACHINE, BOOT, NAMESPACE, OTHER), True, id="its number was used again"),
        pytest.param((MACHINE, OTHER, NAMESPACE, STARTED), True, id="before the last reboot"),
        pytest.param((MACHINE, BOOT, OTHER, OTHER), False, id="numbers of another namespace"),
        pytest.param((OTHER, OTHER, NAMESPACE, OTHER), False, id="a machine called the same"),
    ],
)
def test_the_mark_tells_the_owner_from_another_process_of_its_number(mark, gone):
    assert owners.is_gone(owners.own_name(), " ".join(mark)) is gone


def test_the_owner_is_this_process_of_this_user():
    assert owners.own_name().endswith(f"@{HERE}:{os.getpid()}")
    assert owners.is_own(owners.own_name())
    assert not owners.is_own(f"somebody-else@{HERE}:{os.getpid()}")
    code = "from playground.engines import owners; print(owners.own_mark())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert other.split()[:3] == [MACHINE, BOOT, NAMESPACE]
    assert int(other.split()[3]) >= int(STARTED)
