"""Frames of published ports on their way to the right machine."""

from __future__ import annotations

import json

from playground.agent.machines.frame_routes import FrameRoutes, Frames, packed
from playground.agent.machines.numbers import global_pid
from playground.agent.ports.streams import CREDIT, DATA, END, OPEN, RESET


def port(pid: int) -> bytes:
    return json.dumps({"pid": pid, "protocol": "tcp", "port": 80}).encode()


def of(number: int) -> bytes:
    return json.dumps({"of": number}).encode()


def test_frames_come_whole_however_they_are_cut() -> None:
    data = packed(DATA, 1, b"a" * 1000) + packed(END, 2)
    frames = Frames()
    found = [frame for byte in data for frame in frames.take(bytes([byte]))]
    assert found == [(DATA, 1, b"a" * 1000), (END, 2, b"")]
    assert frames.take(data) == found


def test_a_connection_goes_to_the_machine_of_its_port() -> None:
    routes = FrameRoutes()
    found = routes.to_machine(OPEN, 1, port(global_pid(2, 7)))
    assert found == (2, packed(OPEN, 1, port(7)))
    routes.to_machine(OPEN, 2, port(global_pid(3, 7)))
    assert routes.to_machine(OPEN, 3, of(1)) == (2, packed(OPEN, 3, of(1)))
    assert routes.to_machine(DATA, 3, b"x") == (2, packed(DATA, 3, b"x"))
    assert routes.to_library(DATA, 3, b"y") == packed(DATA, 3, b"y")


def test_a_stream_is_forgotten_when_both_ends_have_said_all_or_one_breaks_it_off() -> None:
    routes = FrameRoutes()
    routes.to_machine(OPEN, 1, port(global_pid(2, 7)))
    for number in (3, 4):
        routes.to_machine(OPEN, number, of(1))
    routes.to_machine(END, 3, b"")
    assert routes.to_machine(CREDIT, 3, b"\0\0\0\1") is not None
    routes.to_library(END, 3, b"")
    assert routes.to_machine(CREDIT, 3, b"\0\0\0\1") is None
    routes.to_library(RESET, 4, b"")
    assert routes.to_machine(DATA, 4, b"late") is None
    routes.to_machine(RESET, 1, b"")
    assert routes.to_machine(OPEN, 5, of(1)) is None


def test_what_was_on_a_machine_that_is_lost_is_broken_off() -> None:
    routes = FrameRoutes()
    routes.to_machine(OPEN, 1, port(global_pid(2, 7)))
    routes.to_machine(OPEN, 2, port(global_pid(3, 7)))
    routes.to_machine(OPEN, 3, of(1))
    assert Frames().take(routes.lose(2, b"gone")) == [(RESET, 1, b"gone"), (RESET, 3, b"gone")]
    assert routes.to_machine(DATA, 2, b"x") is not None
