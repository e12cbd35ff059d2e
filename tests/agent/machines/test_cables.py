"""Links that cross machines, as two halves and a tunnel."""

from __future__ import annotations

import itertools
from typing import Any

from playground.agent.machines.cables import CrossingCable, share_wiring
from playground.agent.machines.numbers import global_pid
from playground.agent.machines.sharing import Places

M1, M2 = 3, 4
H1, H2 = global_pid(M1, 11), global_pid(M2, 12)


def host(pid: int) -> dict[str, Any]:
    return {"pid": pid, "interface": "eth0", "mac": "02:00:00:00:00:01", "bridge": None}


def port(number: int) -> dict[str, Any]:
    return {"pid": None, "interface": f"q1.{number}", "mac": None, "bridge": "sw1"}


def wired(
    *veths: tuple[Any, Any], machine: str | None = None, mtu_bytes: int = 1500
) -> tuple[dict[int, Any], list[CrossingCable], Places]:
    places = Places(M1)
    numbers = itertools.count(0xABC)
    rows = [{"a": a, "b": b, "mtu_bytes": mtu_bytes, "offload": False} for a, b in veths]
    bridges = [{"device": "sw1", "machine": machine}] if machine else [{"device": "sw1"}]
    shares, tunnels = share_wiring(
        {"bridges": bridges, "veths": rows},
        places,
        lambda name: {None: M1, "m2": M2}[name],
        lambda: next(numbers),
    )
    return shares, tunnels, places


def test_a_link_within_a_machine_stays_as_it_is() -> None:
    shares, tunnels, _ = wired((host(H2), host(H2)))
    assert tunnels == []
    assert shares[M2]["veths"][0]["b"] == host(H2)


def test_a_link_between_machines_becomes_two_halves() -> None:
    shares, [tunnel], _ = wired((host(H1), host(H2)), mtu_bytes=9000)
    far_end = {"pid": None, "interface": "x000abc", "mac": None, "bridge": None}
    assert shares[M1]["veths"][0] | {} == {
        "a": host(H1),
        "b": far_end,
        "mtu_bytes": 9000,
        "offload": False,
    }
    assert (shares[M2]["veths"][0]["a"], shares[M2]["veths"][0]["b"]) == (far_end, host(H2))
    assert (tunnel.vni, tunnel.a, tunnel.b, tunnel.mtu_bytes) == (0xABC, M1, M2, 9000)
    assert tunnel.far_end == "x000abc"
    assert tunnel.ends == ((M1, H1, "eth0"), (M2, H2, "eth0"))


def test_a_switch_stands_where_it_was_placed_and_its_ports_with_it() -> None:
    shares, tunnels, places = wired((port(0), host(H1)), (port(1), host(H2)), machine="m2")
    assert shares[M2]["bridges"] == [{"device": "sw1"}]
    assert places.interfaces == {"sw1": M2, "q1.0": M2, "q1.1": M2}
    assert [(tunnel.a, tunnel.b) for tunnel in tunnels] == [(M2, M1)]
    assert len(shares[M2]["veths"]) == 2


def test_a_tunnel_takes_the_larger_of_two_sizes() -> None:
    _, [tunnel], _ = wired((host(H1) | {"mtu_bytes": 1400}, host(H2) | {"mtu_bytes": 1600}))
    assert tunnel.mtu_bytes == 1600
