"""What the kernel says of a process, whatever the process calls itself."""

from __future__ import annotations

import os

import pytest

from playground.agent.kernel.process_stat import parse_stat, process_stat


def test_a_process_knows_its_parent_and_is_running() -> None:
    found = process_stat("self")
    assert found == process_stat(os.getpid())._replace(cpu_s=found.cpu_s)
    assert (found.state, found.parent) == ("R", os.getppid())
    start, end = found.environment
    with open("/proc/self/environ", "rb") as file:
        assert end - start == len(file.read())


@pytest.mark.parametrize("name", ["sh", "a) b", "(x) S 1 2 (", ""])
def test_a_name_may_hold_anything(name: str) -> None:
    numbers = " ".join(map(str, range(5, 53)))
    found = parse_stat(f"7 ({name}) Z 3 {numbers}\n")
    assert (found.name, found.state, found.parent) == (name, "Z", 3)
    assert (found.started_ticks, found.environment) == (22, (50, 51))


def test_a_name_that_is_no_text_can_be_printed() -> None:
    numbers = " ".join(map(str, range(5, 53)))
    assert parse_stat(f"7 (a\udcff) S 1 {numbers}").name.encode() == "a\ufffd".encode()


def test_one_that_has_ended_is_not_there() -> None:
    with pytest.raises(ProcessLookupError):
        parse_stat("")
