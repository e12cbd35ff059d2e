"""A declaration names no zone of IPv6, wherever it has an address or a range."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

import playground.model
from playground import Host, Lab, Link, Router
from playground.errors import PlaygroundError, TopologyError
from playground.model.addresses import address_from, interface_from, network_from
from playground.model.routing.policy import PrefixList
from playground.services import DHCP, DNS, DNS64, DHCPv6

EVIL = "2001:db8::1%\nenable-tftp"


def test_texts_are_what_the_standard_library_makes_of_them() -> None:
    assert address_from("2001:db8::1") == ip_address("2001:db8::1")
    assert interface_from("10.0.0.1/24") == ip_interface("10.0.0.1/24")
    assert network_from("10.0.0.0/8") == network_from(ip_network("10.0.0.0/8"))


@pytest.mark.parametrize("read", [address_from, interface_from, network_from])
@pytest.mark.parametrize("value", [EVIL, IPv6Address(EVIL), IPv6Network(EVIL), 7, b"\1" * 16, None])
def test_zones_and_what_is_no_text_are_refused(
    read: Callable[[object], object], value: object
) -> None:
    with pytest.raises(ValueError, match=r"^it (names a zone|is no text)$"):
        read(value)


def _router(routing: str) -> tuple[Router, Link]:
    router = Router("r", routing=routing)
    return router, Link(router, Host("h"))


REFUSED: dict[str, Callable[[str], object]] = {
    "advertise": lambda text: (made := _router("ospf"))[0].advertise(made[1], rdnss=text),
    "prefix": lambda text: (made := _router("ospf"))[0].advertise(made[1], prefix=f"{text}/64"),
    "pool": lambda text: DHCPv6(pool=(text, "2001:db8::9")),
    "static": lambda text: DHCPv6(static={"h": text}),
    "dns64": lambda text: DNS64(to="ns", prefix=f"{text}/96"),
    "vrrp": lambda text: (made := _router("ospf"))[0].vrrp(made[1], address=text),
    "dns": lambda text: DNS(records=[("a.example", "AAAA", text.replace("\n", ";"))]),
    "subnet": lambda text: Link(Host("a"), Host("b"), subnet=f"{text}/64"),
    "address": lambda text: Link(Host("a"), Host("b"), addresses=(f"{text}/64", None)),
    "ospf": lambda text: _router("ospf")[0].ospf_area(1, ranges=[f"{text}/128"]),
    "policy": lambda text: PrefixList("some", f"{text.split()[0]}x/128"),
    "route": lambda text: _router("ospf")[0].route("default", via=text),
    "network": lambda text: _router("ospf")[0].route(IPv6Network(text), via="2001:db8::1"),
}


@pytest.mark.parametrize("where", REFUSED)
def test_no_declaration_takes_a_zone(where: str) -> None:
    with pytest.raises(PlaygroundError):
        REFUSED[where](EVIL)


def test_a_server_of_names_with_a_zone_is_none() -> None:
    host = Host("dns64", services=[DNS64(to=EVIL)])
    Link(host, Host("h"))
    with pytest.raises(TopologyError, match="which it cannot reach in this lab"):
        Lab(host).plan()


def test_long_numbers_are_shown_in_short() -> None:
    for made in (
        lambda: DHCPv6(lease_s=10**5000),
        lambda: DHCPv6(pool=(10**5000, 1)),  # type: ignore[arg-type]
        lambda: DHCP(lease_s=10**5000),
    ):
        with pytest.raises(TopologyError, match="<int>"):
            made()


def test_the_model_reads_addresses_in_one_place() -> None:
    [folder] = playground.model.__path__
    reading = re.compile(r"\bip_(address|network|interface)\(|\bIPv6(Address|Network|Interface)\(")
    found = {
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if reading.search(line) and ">>>" not in line and not line.lstrip().startswith("(IPv")
    }
    # dhcpv6.py compares what has been read.
    assert found - {"services/ipv6/dhcpv6.py"} == {"addresses.py"}
