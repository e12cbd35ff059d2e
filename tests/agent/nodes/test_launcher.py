"""A mother of launchers, and what a launcher does with a request."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import Any

from playground.agent.nodes.entering import NodeEntry
from playground.agent.nodes.launcher import LATE, Profile, start_mother
from playground.agent.nodes.launcher_clients import start_request
from tests.support_agent import Namespaces, apart, needs_root, wake_at_childrens_end


def _launched(pid: int, argv: list[str], left_s: float) -> tuple[Any, Any]:
    """A launcher's answer to a request, and its message of the job's end."""
    wake_at_childrens_end()
    mother, line = start_mother(Profile(NodeEntry(pid)))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(line, [b"a launcher"], [there.fileno()])
    there.close()
    launcher = json.loads(here.recv(4096))
    assert launcher["launcher"] != mother
    asked, answers = socket.socketpair()
    null = os.open("/dev/null", os.O_RDWR)
    command = {"argv": argv, "env": {"PATH": "/usr/bin:/bin"}, "cwd": None}
    packet = start_request(5, pid, command, time.monotonic() + left_s)
    socket.send_fds(here, [packet], [null, null, null, answers.fileno()])
    answers.close()
    answer = json.loads(asked.recv(1 << 16))
    ended = None
    if "pid" in answer:
        assert select.select([here], [], [], 10)[0]
        ended = json.loads(here.recv(4096))
    here.close()
    line.close()
    os.waitpid(mother, 0)  # she ends with her line
    return answer, ended


@needs_root
def test_a_launcher_starts_a_command_and_tells_how_it_ended(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    answer, ended = apart(_launched, pair[0].pid, ["sh", "-c", "exit 3"], 10)
    assert set(answer) == {"pid"}
    assert ended == {"job": 5, "returncode": 3}


@needs_root
def test_a_request_that_is_read_too_late_is_given_up(pair: tuple[Namespaces, Namespaces]) -> None:
    answer, _ = apart(_launched, pair[0].pid, ["true"], -1)
    assert (answer["type"], answer["message"]) == ("TimeoutError", LATE)


@needs_root
def test_a_program_that_is_missing_is_explained(pair: tuple[Namespaces, Namespaces]) -> None:
    answer, _ = apart(_launched, pair[0].pid, ["no-such-program"], 10)
    assert "there is no program 'no-such-program'" in answer["message"]


@needs_root
def test_nodes_alike_share_a_mother(pair: tuple[Namespaces, Namespaces]) -> None:
    first, second = (Profile(NodeEntry(h.pid)) for h in pair)
    assert first == second
    assert len({first, second}) == 1
    with Namespaces("h3", prefix=["setpriv", "--no-new-privs"]) as other:
        assert Profile(NodeEntry(other.pid)) != first
