"""Echoes between machines, here nodes of one machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground.agent.machines.reachability import echo_request, examined, is_reply, mtu_to, reach
from tests.support_agent import Namespaces, connect, end, node, run, veth


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Namespaces, Namespaces]]:
    """Two nodes on one cable of 1450 bytes; the second believes that it takes 1400."""
    with Namespaces() as h1, Namespaces() as h2, connect() as agent:
        cable = veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"), mtu_bytes=1450)
        agent.call("wire", bridges=[], veths=[cable])
        agent.call(
            "network",
            nodes=[node(h1.pid, "198.18.0.1/24"), node(h2.pid, "198.18.0.2/24")],
        )
        run(agent, h2.pid, "ip link set eth0 mtu 1400")
        yield h1, h2


def test_a_machine_is_reached_by_small_packets_and_by_full_ones(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    h1, _ = pair
    with h1.network():
        found = reach(["198.18.0.2"], 1400)["198.18.0.2"]
    assert all(time_ms is not None and 0 < time_ms < 1000 for time_ms in found.values())


def test_one_that_takes_no_full_packets_is_told_from_one_that_is_not_there(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    h1, _ = pair
    with h1.network():
        found = reach(["198.18.0.2", "198.18.0.3"], 1451)
    assert found["198.18.0.2"]["small_ms"] is not None
    assert found["198.18.0.2"]["full_ms"] is None
    assert found["198.18.0.3"] == {"small_ms": None, "full_ms": None}


def test_the_mtu_is_that_of_the_interface_that_leads_there(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    for machine, mtu_bytes in zip(pair, (1450, 1400), strict=True):
        with machine.network():
            assert mtu_to("198.18.0.9") == mtu_bytes


def test_a_machine_without_others_sees_itself(pair: tuple[Namespaces, Namespaces]) -> None:
    with pair[0].network():
        found = examined([])
    assert (found["mtu_bytes"], found["reached"]) == (0, {})
    assert found["clock_s"] > 0


def test_a_reply_is_told_from_all_else() -> None:
    header = bytes([0x45]) + bytes(19)
    reply = header + b"\0" + echo_request(7, 1, 8)[1:]
    assert is_reply(reply, 7, 1)
    assert not is_reply(reply, 7, 2)
    assert not is_reply(header + echo_request(7, 1, 8), 7, 1)
    assert not is_reply(header, 7, 1)
