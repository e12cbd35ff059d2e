"""What a router is told to advertise: checked at once."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.ipv6.advertising import Advertisement
from playground.operations.network import Host, Link, Router, Switch


class Lan:
    def __init__(self) -> None:
        self.home, self.r1, self.h1 = Switch("home"), Router("r1"), Host("h1")
        self.lan = Link(self.home, self.r1)
        self.other = Link(self.home, self.h1)


@pytest.mark.parametrize("rdnss", ["fe80::1", "ff02::fb", "::", "::1", 2**64])
def test_a_name_server_is_one_that_every_host_can_ask(rdnss: Any) -> None:
    it = Lan()
    with pytest.raises(TopologyError, match=r"hosts could ask|is no name server"):
        it.r1.advertise(it.lan, rdnss=rdnss)


def test_a_router_remembers_what_it_tells() -> None:
    it = Lan()
    it.r1.advertise(it.lan)
    assert it.r1.advertised == {it.lan: Advertisement(it.lan)}
    it.r1.advertise(
        it.lan,
        prefix="2001:db8:7::/64",
        managed=True,
        lifetime_s=0,
        rdnss=[it.h1, "2001:db8::53"],
        dnssl="example.com",
        preference="low",
    )
    assert it.r1.advertised == {
        it.lan: Advertisement(
            it.lan,
            (ip_network("2001:db8:7::/64"),),  # type: ignore[arg-type]
            managed=True,
            autonomous=False,
            lifetime_s=0,
            rdnss=(it.h1, ip_address("2001:db8::53")),  # type: ignore[arg-type]
            dnssl=("example.com",),
            preference="low",
        )
    }
    it.r1.stop_advertising()
    assert it.r1.advertised == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prefix": "10.0.0.0/24"}, "no range of IPv6"),
        ({"prefix": "2001:db8::/56"}, "of a /64 only"),
        ({"prefix": "fe80::/64"}, "take from nobody"),
        ({"managed": 1}, "managed=1 is neither True nor False"),
        ({"lifetime_s": 5}, "write 0 for a router that is no way out, or 10 to 9000"),
        ({"lifetime_s": 9001}, "10 to 9000"),
        ({"preference": "highest"}, "'low', 'medium', 'high'"),
        ({"rdnss": "10.0.0.1"}, "no name server"),
        ({"dnssl": "a b"}, "no domain"),
        ({"dnssl": ["example.com", "x;}\n"]}, "no domain"),
    ],
)
def test_what_cannot_be_sent_is_refused(arguments: dict[str, Any], words: str) -> None:
    it = Lan()
    with pytest.raises(TopologyError, match=words):
        it.r1.advertise(it.lan, **arguments)
    assert it.r1.advertised == {}


def test_it_is_said_of_a_link_of_the_router() -> None:
    it = Lan()
    for wrong in (it.other, it.home, "eth0", None):
        with pytest.raises(TopologyError, match=r"router r1: advertise\(\)"):
            it.r1.advertise(wrong)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="nothing is advertised on"):
        it.r1.stop_advertising(it.lan)


def test_of_a_trunk_a_vlan_has_to_be_named() -> None:
    office, r1 = Switch("office", vlans=(10, 20)), Router("r1")
    trunk = Link(office, r1, trunk=True)
    with pytest.raises(TopologyError, match=r"say which, as in link\[10\]"):
        r1.advertise(trunk)
    r1.advertise(trunk[10])
    assert [*r1.advertised] == [trunk[10]]
