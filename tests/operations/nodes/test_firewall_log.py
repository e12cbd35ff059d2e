"""Packets that a firewall's log rules show."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from playground.engines.seam import Engine
from playground.errors import NotReady, PlaygroundError
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router
from playground.operations.nodes.firewall_log import Logged, read_logged
from tests.traffic import ask, serve


def test_a_line_is_a_row() -> None:
    packet = bytes.fromhex("6000000000203aff") + ip_address("fe80::1").packed
    row = {
        "prefix": "modem 12",
        "interface": "eth0",
        "out_interface": None,
        "bytes": 72,
        "packet": (packet + ip_address("ff02::1").packed + bytes(32)).hex(),
    }
    assert read_logged(row) == Logged(
        12, "eth0", None, "icmp", "fe80::1", None, "ff02::1", None, 72
    )
    # Rules that the node's root has made itself.
    for number in ("\N{SUPERSCRIPT TWO}", "9" * 5000):
        assert read_logged({**row, "prefix": f"modem {number}"}).rule == 0


def test_what_a_log_rule_takes_is_shown_and_goes_on(engine: Engine) -> None:
    h1, router, www = Host("h1"), Router("router"), Host("www")
    Link(h1, router, addresses=("10.5.0.2/24", "10.5.0.1/24"))
    Link(router, www, addresses=("10.6.0.1/24", "10.6.0.2/24"))
    router.firewall.log(protocol="icmp", rate="1/hour", burst=1)
    router.firewall.log(protocol="tcp", port=80, state="new")
    with Lab(h1, quiet=True), serve(www, 80), router.firewall.watch() as log:
        assert repr(log) == "<Watch of what router logs>"
        assert ask(h1, "10.6.0.2", 80).startswith("10.5.0.2")
        seen = log.next()
        assert (seen.rule, seen.protocol, seen.source) == (2, "tcp", "10.5.0.2")
        assert (seen.destination, seen.destination_port) == ("10.6.0.2", 80)
        assert (seen.interface, seen.out_interface) == ("eth0", "eth1")
        h1.ping("10.6.0.2", count=3)
        seen = log.next()
        assert (seen.rule, seen.protocol, seen.source_port, seen.bytes) == (1, "icmp", None, 84)
        with pytest.raises(NotReady):
            log.next(timeout_s=0)
        with pytest.raises(PlaygroundError, match="somebody watches the log of router already"):
            router.firewall.watch()
        log.close()
        assert list(log) == []
        with pytest.raises(PlaygroundError, match="this watch of router was closed"):
            log.next()
