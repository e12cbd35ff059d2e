"""The line for sockets: a descriptor or an error for a question, and its end otherwise."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from playground.agent.line.socket_requests import SocketRequests
from tests.support_agent import Namespaces, needs_root
from tests.support_line import Line

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def lines() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    return ours, theirs


def question(pid: int, **changes: Any) -> bytes:
    asked = {"id": 4, "pid": pid, "family": socket.AF_INET, "type": socket.SOCK_DGRAM}
    return json.dumps({**asked, "protocol": 0, **changes}).encode()


@needs_root
def test_a_socket_of_the_node_comes_with_the_answer(
    line: Line, pair: tuple[Namespaces, Namespaces]
) -> None:
    library, agents = lines()
    SocketRequests(line.selector, agents.detach())
    with library:
        library.send(question(pair[0].pid))
        line.turn()
        data, descriptors, _, _ = socket.recv_fds(library, 4096, 1)
        assert json.loads(data) == {"id": 4}
        with socket.socket(fileno=descriptors[0]) as made:
            assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_DGRAM)
    line.turn()
    assert not line.selector.get_map()


@needs_root
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"protocol": 200}, "OSError"),
        ({"type": 1 << 40}, "OverflowError"),
        ({"family": "inet"}, "TypeError"),
    ],
    ids=["refused", "too large", "no number"],
)
def test_what_cannot_be_opened_is_an_error_and_no_end(
    line: Line, pair: tuple[Namespaces, Namespaces], changes: dict[str, Any], kind: str
) -> None:
    library, agents = lines()
    SocketRequests(line.selector, agents.detach())
    with library:
        for number in (1, 2):
            library.send(question(pair[0].pid, id=number, **changes))
            line.turn()
            answer = json.loads(library.recv(4096))
            assert (answer["id"], answer["error"]["type"]) == (number, kind)
    line.turn()


@pytest.mark.parametrize("packet", [b"no json", b"{}", b'{"id": 1}', b"\xff"])
def test_what_is_no_question_ends_the_line(line: Line, packet: bytes) -> None:
    library, agents = lines()
    SocketRequests(line.selector, agents.detach())
    with library:
        library.send(packet)
        line.turn()
        assert library.recv(4096) == b""
    assert not line.selector.get_map()


@needs_root
def test_another_line_takes_the_place_of_the_first(line: Line) -> None:
    first, agents = lines()
    second, offered = lines()
    requests = SocketRequests(line.selector, agents.detach())
    where = {
        "boot_id": BOOT_ID,
        "pid": os.getpid(),
        "pid_namespace": os.stat("/proc/self/ns/pid").st_ino,
        "descriptor": offered.fileno(),
    }
    with first, second:
        with offered:
            assert requests.take(where) is None
        assert first.recv(4096) == b""
        second.send(b"{}")
        line.turn()
        assert second.recv(4096) == b""


def test_a_line_that_cannot_be_taken_leaves_the_first(line: Line) -> None:
    library, agents = lines()
    requests = SocketRequests(line.selector, agents.detach())
    said = requests.take({"boot_id": "0f", "pid": 1, "pid_namespace": 1, "descriptor": 0})
    assert str(said).startswith("the engine runs on another machine")
    assert len(line.selector.get_map()) == 1
    library.close()
    line.turn()
    assert not line.selector.get_map()


def test_without_a_line_there_is_nothing_to_watch(line: Line) -> None:
    SocketRequests(line.selector, None)
    assert not line.selector.get_map()
