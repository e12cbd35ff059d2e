"""Addresses of interfaces, and the neighbours that a node knows."""

from __future__ import annotations

import socket

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from playground.agent.links.netlink import Netlink
from playground.agent.network.addresses import (
    IFA_F_NODAD,
    delete_address,
    has_address,
    new_address,
    packed_prefix,
)
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, read_message, run, says, veth


@needs_root
def test_neighbours_that_are_forgotten_are_asked_for_again(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "10.0.0.2" in run(agent, h1.pid, "ip neigh show nud reachable")
    here = {
        "pid": h1.pid,
        "interface": "eth0",
        "addresses": ["10.0.0.2", "10.0.0.9", "2001:db8::1"],
    }
    agent.call("forget_neighbours", nodes=[here, {**here, "interface": "eth9"}])
    assert run(agent, h1.pid, "ip neigh show nud reachable") == ""
    assert says(h2, h1, "10.0.0.2") == b"hello"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1/24", (socket.AF_INET, b"\x0a\0\0\x01", 24)),
        ("10.0.0.1", (socket.AF_INET, b"\x0a\0\0\x01", 32)),
        ("0.0.0.0/0", (socket.AF_INET, bytes(4), 0)),
        ("2001:db8::1/64", (socket.AF_INET6, bytes.fromhex("20010db8" + "0" * 23 + "1"), 64)),
        ("::1", (socket.AF_INET6, bytes(15) + b"\x01", 128)),
    ],
)
def test_an_address_in_bytes(text: str, expected: tuple[int, bytes, int]) -> None:
    assert packed_prefix(text) == expected


@pytest.mark.parametrize(
    ("text", "address", "broadcast", "flags"),
    [
        ("10.0.0.5/24", "10.0.0.5", "10.0.0.255", 0),
        ("10.0.0.5/30", "10.0.0.5", "10.0.0.7", 0),
        # RFC 3021: on a link of two there is no broadcast.
        ("10.0.0.5/31", "10.0.0.5", None, 0),
        ("10.0.0.5/32", "10.0.0.5", None, 0),
        # Of use at once, without RFC 4862's second of looking for another.
        ("2001:db8::5/64", "2001:db8::5", None, IFA_F_NODAD),
    ],
)
def test_a_new_address_as_another_library_reads_it(
    text: str, address: str, broadcast: str | None, flags: int
) -> None:
    read = read_message(ifaddrmsg, new_address("eth0", 3, text))
    assert (read["index"], read["prefixlen"], read["flags"]) == (3, int(text.split("/")[1]), flags)
    assert read.get_attr("IFA_LOCAL") == read.get_attr("IFA_ADDRESS") == address
    assert read.get_attr("IFA_BROADCAST") == broadcast


@needs_root
def test_an_address_is_given_found_and_taken_away(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        first, second = (socket.if_nametoindex(name) for name in ("e0", "e1"))
        netlink.send([new_address("e0", first, "10.1.0.1/24")])
        assert has_address(netlink, first, "10.1.0.1/24")
        assert not has_address(netlink, second, "10.1.0.1/24")
        assert not has_address(netlink, first, "10.1.0.2/24")
        netlink.send([delete_address("e0", first, "10.1.0.1/24")])
        assert not has_address(netlink, first, "10.1.0.1/24")
        with pytest.raises(OSError, match=r"cannot take the address 10.1.0.1/24 from e0"):
            netlink.send([delete_address("e0", first, "10.1.0.1/24")])
        netlink.close()
