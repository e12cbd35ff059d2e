"""FRR's settings as text: what ospfd, ospf6d, ripd, ripngd and bgpd read when they start.

Pure functions from a few rows to FRR's own words (https://docs.frrouting.org).
All timers are short, so that a lab is up at once and a lesson sees a failure heal:
a silent neighbour is given up after 1 s (OSPF), 3 s (OSPFv3, BGP) or 15 s (RIP),
where 40, 90 and 180 s are usual.

"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from playground.model.addresses import Address, Network


class OspfPort(NamedTuple):
    """An interface that OSPF knows; a ``passive`` one has no neighbour to speak to.

    One that is ``local`` leads to nobody: it only has addresses that others are told of.

    """

    interface: str
    area: str
    cost: int
    passive: bool
    point_to_point: bool
    local: bool = False


class RipPort(NamedTuple):
    """An interface that RIP knows."""

    interface: str
    passive: bool


class BgpPeer(NamedTuple):
    """A router that BGP speaks to, in an autonomous system.

    ``source`` is the address that this router speaks from, None where that of
    the link to the peer is right: to a peer in another system.  ``on_subnet`` is
    False where the two share a link and no range of addresses.

    """

    address: Address
    as_number: int
    source: Address | None = None
    on_subnet: bool = True


class BgpFamily(NamedTuple):
    """BGP's settings for one version of IP: it announces ``networks`` as its own.

    With ``default`` it tells the others of a default route, and ``redistribute`` names
    whose other routes it tells them of.

    """

    version: int
    networks: tuple[Network, ...]
    peers: tuple[BgpPeer, ...]
    default: bool = False
    redistribute: tuple[str, ...] = ()


def ospf_settings(
    router_id: Address, ports: Iterable[OspfPort], default: bool, redistribute: Iterable[str] = ()
) -> str:
    """Return ospfd's settings; with ``default`` it tells the others of a default route.

    ``redistribute`` names whose other routes it tells them of.

    >>> print(ospf_settings(address, [OspfPort("eth0", "0.0.0.0", 10, False, True)], False))
    router ospf
     ospf router-id 10.0.1.1
    ...

    """
    lines = [
        "router ospf",
        f" ospf router-id {router_id}",
        # RFC 2328 has 5 s and 1 s here, against routers that change their minds too often.
        " timers throttle lsa all 0",
        " timers lsa min-arrival 0",
        " timers throttle spf 10 50 500",
        " log-adjacency-changes",
        *_redistributed(redistribute),
        *([" default-information originate always"] if default else []),
    ]
    for port in ports:
        lines += [f"interface {port.interface}", f" ip ospf area {port.area}"]
        if port.local:
            lines += [" ip ospf passive"]
            continue
        lines += [
            f" ip ospf cost {port.cost}",
            # A greeting every 250 ms, and dead after 1 s: the fastest that ospfd knows.
            " ip ospf dead-interval minimal hello-multiplier 4",
            " ip ospf retransmit-interval 1",
            # Where there are but two, nobody waits for the choice of a designated router.
            *([" ip ospf network point-to-point"] if port.point_to_point else []),
            *([" ip ospf passive"] if port.passive else []),
        ]
    return _text(lines)


def ospf6_settings(
    router_id: Address, ports: Iterable[OspfPort], default: bool, redistribute: Iterable[str] = ()
) -> str:
    """Return ospf6d's settings, likewise: OSPFv3 finds the ways of IPv6 (RFC 5340)."""
    lines = [
        "router ospf6",
        f" ospf6 router-id {router_id}",
        " timers lsa min-arrival 0",
        # Less, and ospf6d may keep a route that was withdrawn as it came up: 10 of 30
        # tries with ospfd's 10 and 50 ms, 1 with 100 ms, none with 200 ms (FRR 10.3).
        " timers throttle spf 200 200 500",
        " log-adjacency-changes",
        *_redistributed(redistribute),
        *([" default-information originate always"] if default else []),
    ]
    for port in ports:
        lines += [f"interface {port.interface}", f" ipv6 ospf6 area {port.area}"]
        if port.local:
            lines += [" ipv6 ospf6 passive"]
            continue
        lines += [
            f" ipv6 ospf6 cost {port.cost}",
            # The fastest that ospf6d knows is a greeting a second.
            " ipv6 ospf6 hello-interval 1",
            " ipv6 ospf6 dead-interval 3",
            " ipv6 ospf6 retransmit-interval 1",
            *([" ipv6 ospf6 network point-to-point"] if port.point_to_point else []),
            *([" ipv6 ospf6 passive"] if port.passive else []),
        ]
    return _text(lines)


def rip_settings(ports: Sequence[RipPort], default: bool, redistribute: Iterable[str] = ()) -> str:
    """Return ripd's settings, likewise."""
    return _text(
        [
            "router rip",
            " version 2",
            *(f" network {port.interface}" for port in ports),
            *(f" passive-interface {port.interface}" for port in ports if port.passive),
            # Updates every 5 s, the fastest that ripd knows; changes are told at once.
            " timers basic 5 15 10",
            *_redistributed(redistribute),
            *([" default-information originate"] if default else []),
        ]
    )


def ripng_settings(
    ports: Sequence[RipPort],
    default: bool,
    redistribute: Iterable[str] = (),
    own: Sequence[Network] = (),
) -> str:
    """Return ripngd's settings, likewise: RIPng is RIP for IPv6 (RFC 2080).

    ``own`` are the router's loopback addresses: ripngd, unlike ripd, tells of none that
    are on an interface that leads to nobody.

    """
    return _text(
        [
            "router ripng",
            *(f" network {port.interface}" for port in ports),
            *(f" passive-interface {port.interface}" for port in ports if port.passive),
            *(f" route {network}" for network in own),
            " timers basic 5 15 10",
            *_redistributed(redistribute),
            *([" default-information originate"] if default else []),
        ]
    )


def bgp_settings(as_number: int, router_id: Address, families: Iterable[BgpFamily]) -> str:
    """Return bgpd's settings, likewise; each family of addresses has sessions of its own."""
    families = tuple(families)
    lines = [
        f"router bgp {as_number}",
        f" bgp router-id {router_id}",
        " bgp log-neighbor-changes",
        # Each session carries the routes of the family that it runs over.
        " no bgp default ipv4-unicast",
        # RFC 8212 has every system say what it takes and tells; here that is everything.
        " no bgp ebgp-requires-policy",
        " timers bgp 1 3",
        " coalesce-time 0",
    ]
    for peer in (peer for family in families for peer in family.peers):
        to = f" neighbor {peer.address}"
        lines += [
            f"{to} remote-as {peer.as_number}",
            f"{to} timers connect 1",
            f"{to} advertisement-interval 0",
            *([f"{to} update-source {peer.source}"] if peer.source else []),
            *([f"{to} disable-connected-check"] if not peer.on_subnet else []),
        ]
    for family in families:
        lines += [
            f" address-family ipv{family.version} unicast",
            *(f"  network {network}" for network in family.networks),
            *(f" {line}" for line in _redistributed(family.redistribute)),
        ]
        for peer in family.peers:
            to = f"  neighbor {peer.address}"
            lines += [
                f"{to} activate",
                *([f"{to} next-hop-self"] if peer.source else []),
                *([f"{to} default-originate"] if family.default else []),
            ]
        lines += [" exit-address-family"]
    return _text(lines)


def _redistributed(protocols: Iterable[str]) -> list[str]:
    return [f" redistribute {protocol}" for protocol in protocols]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
