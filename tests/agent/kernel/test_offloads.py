"""Offloads of interfaces, turned off."""

from __future__ import annotations

import socket

import pytest

from playground.agent.kernel import offloads
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, in_network, needs_root, plug


@needs_root
@pytest.mark.parametrize("offload", [False, True], ids=["off", "on"])
def test_offloads(agent: Client, nodes: tuple[Namespaces, Namespaces], offload: bool) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2, offload)
    textbook = {
        "tx-checksum-ip-generic",
        "tx-scatter-gather",
        "tx-tcp-segmentation",
        "tx-tcp6-segmentation",
        "tx-generic-segmentation",
        "tx-udp-segmentation",
        "rx-gro",
    }
    for pid, name in ((h1.pid, "eth0"), (agent.hello()["pid"], f"p{h1.pid}")):
        with in_network(pid):
            on = _active_features(name)
        if offload:
            assert {"tx-checksum-ip-generic", "tx-tcp-segmentation"} <= on
        else:
            assert on & textbook == set()


def _active_features(interface: str) -> set[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        names = offloads.feature_names(probe, interface)
        blocks = offloads.features(probe, interface)
    return {name for bit, name in enumerate(names) if blocks[bit // 32][2] >> bit % 32 & 1}
