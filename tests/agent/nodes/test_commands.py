"""Commands: what is refused before anything starts, and what a child says."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from playground.agent.nodes.commands import Command, start_in_node
from tests.support_agent import Namespaces, apart, needs_root


@pytest.mark.parametrize(
    ("argv", "kind", "said"),
    [
        ([], TypeError, "a list of words"),
        (["sleep", 5], TypeError, "a list of words"),
        (["echo", "a\0b"], ValueError, "NUL"),
    ],
)
def test_what_is_no_command(argv: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        Command(argv)


def _started(pid: int, argv: list[str], **options: Any) -> tuple[Any, int]:
    child, channel = start_in_node(pid, Command(argv, **options), None)
    with channel:
        said = channel.recv(1 << 16)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(said) if said else None, status


def _of_shell(pid: int, script: str) -> tuple[Any, int]:
    return _started(pid, ["sh", "-c", script])


def _nothing_after_all(pid: int) -> tuple[Any, int]:
    return _started(pid, ["/no/such"], prepare=list)


def _with_last_words(pid: int, folder: str) -> tuple[Any, int]:
    return _started(pid, ["mkdir", folder], prepare=lambda: ["one", "two"])


@needs_root
def test_the_channel_ends_when_a_command_runs(pair: tuple[Namespaces, Namespaces]) -> None:
    # The first three descriptors are open all the same.
    script = "test -e /proc/self/fd/0 && test -e /proc/self/fd/2 && exit 3"
    assert apart(_of_shell, pair[0].pid, script) == (None, 3)


@needs_root
def test_the_channel_says_why_a_command_does_not_run(pair: tuple[Namespaces, Namespaces]) -> None:
    said, status = apart(_started, pair[0].pid, ["no-such-program"])
    assert (said["type"], status) == ("FileNotFoundError", 127)
    assert "there is no program 'no-such-program' on the node" in said["message"]


@needs_root
def test_what_prepares_a_command_decides_how_often_it_runs(
    pair: tuple[Namespaces, Namespaces], tmp_path: Path
) -> None:
    assert apart(_nothing_after_all, pair[0].pid) == (None, 0)
    assert apart(_with_last_words, pair[0].pid, f"{tmp_path}/") == (None, 0)
    # The channel ends when they run, and not when they have ended.
    deadline = time.monotonic() + 30
    while sorted(os.listdir(tmp_path)) != ["one", "two"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
