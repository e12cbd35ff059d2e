"""Commands: what is refused before anything starts, and what a child says."""

from __future__ import annotations

import json
import os
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
    return _started(pid, ["/no/such"], prepare=lambda: None)


def _with_last_word(pid: int) -> tuple[Any, int]:
    return _started(pid, ["sh", "-c", "exit "], prepare=lambda: "6")


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
def test_what_prepares_a_command_decides_on_its_last_word(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    assert apart(_nothing_after_all, pair[0].pid) == (None, 0)
    assert apart(_with_last_word, pair[0].pid) == (None, 6)
