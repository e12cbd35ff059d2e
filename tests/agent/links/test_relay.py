"""The relay: what becomes of each frame, and when it ends."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import pytest

from playground.agent.links.relay import Relay, needs_relay, relayed, tap_names
from tests.support_agent import PLAIN_IMPAIRMENT


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        ({}, False),
        ({"rate_mbit": 2.0}, False),
        ({"loss_percent": 5.0}, False),
        ({"delay_ms": 1.0}, True),
        ({"duplicate_percent": 1.0}, True),
        ({"corrupt_percent": 1.0}, True),
        ({"reorder_percent": 1.0}, True),
        ({"bursts": (1.0, 25.0)}, True),
    ],
)
def test_what_only_a_relay_can_do(wanted: dict[str, Any], needed: bool) -> None:
    assert needs_relay({**PLAIN_IMPAIRMENT, **wanted}) is needed


def test_a_tap_is_told_what_its_relay_does_and_not_what_others_do() -> None:
    wanted = {**PLAIN_IMPAIRMENT, "delay_ms": 20.0, "rate_mbit": 2.0}
    assert relayed(wanted) == {"delay_ms": 20.0, "queue_packets": 1000}


def test_two_taps_of_an_interface_take_turns() -> None:
    first, second = tap_names(12)
    assert first != second
    assert max(len(first), len(second)) < 16  # IFNAMSIZ


def waiting(frames: list[bytes], **wanted: Any) -> list[tuple[float, bytes]]:
    """Give a relay frames, one a second; return when each is due, as they leave."""
    relay = Relay(-1, -1, -1, {**PLAIN_IMPAIRMENT, **wanted})
    for second, frame in enumerate(frames):
        relay.take(frame, float(second))
    return [(due, frame) for due, _, frame in sorted(relay.waiting)]


FRAMES = [b"a" * 60, b"b" * 60, b"c" * 60]


@pytest.mark.parametrize(
    ("wanted", "dues"),
    [
        ({"delay_ms": 1500.0}, [1.5, 2.5, 3.5]),
        ({"loss_percent": 100.0}, []),
        ({"duplicate_percent": 100.0}, [0, 0, 1, 1, 2, 2]),
        ({"duplicate_percent": 100.0, "loss_percent": 100.0}, [0, 1, 2]),
        ({"delay_ms": 1500.0, "reorder_percent": 100.0}, [0, 1, 2]),
        ({"bursts": (100.0, 0.0)}, []),  # one that begins at once, and never ends
        ({"queue_packets": 2}, [0, 1]),
    ],
)
def test_when_frames_leave(wanted: dict[str, Any], dues: list[float]) -> None:
    assert [due for due, _ in waiting(FRAMES, **wanted)] == dues


def test_jitter_spreads_and_never_goes_back_in_time() -> None:
    dues = [due for due, _ in waiting([b"x"] * 200, delay_ms=100.0, jitter_ms=500.0)]
    late_s = [due - second for second, due in enumerate(sorted(dues))]
    assert min(late_s) >= 0
    assert 0.1 < max(late_s) <= 0.6 + 1e-9


def test_a_corrupted_frame_has_one_bit_changed() -> None:
    for before, (_, after) in zip(FRAMES, waiting(FRAMES, corrupt_percent=100.0), strict=True):
        changed = int.from_bytes(before, "big") ^ int.from_bytes(after, "big")
        assert changed.bit_count() == 1


def _served(wanted: dict[str, Any], node_ends: bool) -> tuple[list[bytes], int]:
    """Run a relay until its tap, or its node, has ended; return what it sent and what it kept."""
    tap_out, tap_in = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)  # frames stay apart
    out_out, out_in = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    node_out, node_in = os.pipe()
    for frame in FRAMES:
        os.write(tap_in, frame)
    if node_ends:
        os.write(node_in, b"x")
    relay = Relay(tap_out, out_in, node_out, {**PLAIN_IMPAIRMENT, **wanted})
    relay.take(os.read(tap_out, 100), time.monotonic())
    os.close(tap_out)  # as where a tap is removed: reading it is an error
    relay.tap = os.open("/", os.O_RDONLY)
    relay.serve()
    sent = []
    with contextlib.suppress(BlockingIOError):
        while True:
            sent.append(os.read(out_out, 100))
    for fd in (tap_in, out_out, out_in, node_out, node_in, relay.tap):
        os.close(fd)
    return sent, len(relay.waiting)


def test_a_relay_whose_tap_is_gone_sends_what_waits_before_it_ends() -> None:
    assert _served({"delay_ms": 20.0}, node_ends=False) == ([FRAMES[0]], 0)


def test_a_relay_whose_node_has_ended_ends_at_once() -> None:
    assert _served({"delay_ms": 20.0}, node_ends=True) == ([], 1)
