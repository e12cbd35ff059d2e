"""The agent's end of the launchers: one a node, ended when it is idle."""

from __future__ import annotations

import json
import os
import selectors
import socket
import time

from playground.agent.nodes.entering import find_node
from playground.agent.nodes.launcher import LAUNCHER_IDLE_S
from playground.agent.nodes.launcher_clients import Launcher, Launches, start_request
from tests.support_agent import Namespaces, apart, needs_root, wake_at_childrens_end


def test_a_request_is_one_packet_of_json() -> None:
    command = {"argv": ["ip", "route"], "env": {}, "cwd": "/"}
    assert json.loads(start_request(3, 42, command, 1.5)) == {
        "job": 3,
        "pid": 42,
        "argv": ["ip", "route"],
        "env": {},
        "cwd": "/",
        "by": 1.5,
    }


class Watched:
    """Launches, and what they have told."""

    def __init__(self) -> None:
        wake_at_childrens_end()
        self.selector = selectors.DefaultSelector()
        self.ended: list[tuple[int, int]] = []
        self.lost: list[Launcher] = []
        self.launches = Launches(
            self.selector, lambda job, code: self.ended.append((job, code)), self.lost.append
        )

    def start(self, pid: int, job: int, script: str) -> Launcher:
        here, there = socket.socketpair()
        null = os.open("/dev/null", os.O_RDWR)
        command = {"argv": ["/bin/sh", "-c", script], "env": {}, "cwd": None}
        packet = start_request(job, pid, command, time.monotonic() + 10)
        launcher = self.launches.send(find_node(pid), packet, [null, null, null, there.fileno()])
        there.close()
        assert launcher is not None
        here.settimeout(10)
        self.launches.answered(launcher, job, json.loads(here.recv(4096))["pid"])
        return launcher

    def until(self, wanted: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.ended) + len(self.lost) < wanted:
            assert time.monotonic() < deadline
            for key, events in self.selector.select(0.1):
                key.data(key.fd, events)


def _two_commands(pid: int) -> tuple[bool, list[tuple[int, int]], list[bool]]:
    watched = Watched()
    first = watched.start(pid, 1, "exit 3")
    watched.until(1)
    second = watched.start(pid, 2, "kill -9 $$")
    watched.until(2)
    there = [bool(watched.launches)]
    for late_s in (LAUNCHER_IDLE_S - 1, LAUNCHER_IDLE_S + 1):
        watched.launches.end_idle(time.monotonic() + late_s)
        there.append(bool(watched.launches))
    return first is second, watched.ended, there


@needs_root
def test_commands_of_a_node_share_a_launcher_that_goes_when_it_is_idle(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    shared, ended, there = apart(_two_commands, pair[0].pid)
    assert shared
    assert ended == [(1, 3), (2, -9)]
    assert there == [True, True, False]


def _killed(pid: int) -> tuple[list[set[int]], bool]:
    watched = Watched()
    launcher = watched.start(pid, 1, "sleep 20")
    while not launcher.pid:
        for key, events in watched.selector.select(1):
            key.data(key.fd, events)
    os.kill(launcher.pid, 9)
    watched.until(1)
    again = watched.start(pid, 2, "true")
    return [lost.jobs for lost in watched.lost], again is not launcher


@needs_root
def test_what_a_killed_launcher_had_under_way_is_told_and_the_next_one_is_new(
    nodes: tuple[Namespaces, Namespaces],
) -> None:
    assert apart(_killed, nodes[0].pid) == ([{1}], True)
