"""The supervisor's decisions: what it keeps of a log, when it starts a program again."""

from __future__ import annotations

from typing import Any

import pytest

from playground.agent.nodes.supervisor import LOG_BYTES, Output, SupervisedProgram


def program(**request: Any) -> SupervisedProgram:
    return SupervisedProgram({"pid": 1, "name": "main", "argv": ["true"], **request})


def test_the_last_of_a_log_is_kept() -> None:
    output = Output()
    output.add(b"first")
    for number in range(40):
        output.add(bytes([number]) * (LOG_BYTES // 16))
    content = output.content()
    assert len(content) == LOG_BYTES
    assert content[-1] == 39
    assert b"first" not in content


@pytest.mark.parametrize(
    ("restart", "returncode", "restarts", "again"),
    [
        (None, 1, 0, False),
        ({"when": "no", "most": None}, 1, 0, False),
        ({"when": "always", "most": None}, 0, 99, True),
        ({"when": "unless-stopped", "most": None}, 0, 99, True),
        ({"when": "on-failure", "most": None}, 0, 0, False),
        ({"when": "on-failure", "most": None}, -9, 99, True),
        ({"when": "on-failure", "most": 2}, 1, 1, True),
        ({"when": "on-failure", "most": 2}, 1, 2, False),
    ],
    ids=repr,
)
def test_when_a_program_is_started_again(
    restart: dict[str, Any] | None, returncode: int, restarts: int, again: bool
) -> None:
    ended = program(restart=restart)
    ended.restarts = restarts
    assert ended.restarts_after(returncode) is again


def test_a_program_is_settled_when_it_is_as_it_should_be() -> None:
    one = program()
    assert one.settled  # neither wanted nor there
    one.wanted = True
    assert not one.settled
    one.pid = 7
    assert one.settled
    one.wanted = False
    assert not one.settled


def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(TypeError, match="argv must be a list of words"):
        program(argv=[])
