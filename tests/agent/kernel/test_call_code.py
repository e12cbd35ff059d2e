"""The code that walks a list of system calls."""

from __future__ import annotations

import mmap
import os

import pytest

from playground.agent.kernel import call_code


def test_code_is_run_from_memory_that_nobody_writes() -> None:
    place = call_code.address()
    if os.uname().machine != "x86_64":
        assert place is None
        return
    assert place is not None
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            first, last = (int(text, 16) for text in line.split()[0].split("-"))
            if first <= place < last:
                assert line.split()[1] == "r-xp"
                break
        else:
            pytest.fail("the code is nowhere")


def test_stacks_are_the_process_own() -> None:
    top = call_code.stack()
    assert top % 16 == 0
    assert top == call_code.stack()
    assert top % mmap.PAGESIZE
