"""Programs and devices that come with a node's links."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link
from playground.planning.planner import make_plan


def test_a_tunnel_of_wireguard_brings_its_programs_and_a_tun_device() -> None:
    a, b = Host("a", services=["wireguard"]), Host("b", tun=True)
    Link(a, b)
    Tunnel(a, b, kind="wireguard")
    for node in make_plan([a]).nodes:
        assert [settings.service for settings in node.services] == ["wireguard"]
        assert node.container.devices == ("/dev/net/tun",)


def test_other_tunnels_bring_nothing() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    Tunnel(a, b, kind="vxlan")
    assert not any(node.services or node.container for node in make_plan([a]).nodes)


def test_a_node_that_runs_without_the_programs_is_named() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    plan = make_plan([a])
    Tunnel(a, b, kind="wireguard")
    with pytest.raises(TopologyError, match="a runs already, without the programs of WireGuard"):
        make_plan([a], previous=plan)
