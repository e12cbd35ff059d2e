"""FRR's settings as text: what ospfd, ospf6d, ripd, ripngd and bgpd read when they start.

Pure functions from a few rows to FRR's own words (https://docs.frrouting.org).
All timers are short, so that a lab is up at once and a lesson sees a failure heal:
a silent neighbour is given up after 1 s (OSPF), 3 s (OSPFv3, BGP) or 15 s (RIP),
where 40, 90 and 180 s are usual.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from playground.model.addresses import Address, Network
from playground.model.routing.bgp import BgpOptions, PeerSettings
from playground.model.routing.ospf import OspfArea, OspfLink
from playground.model.routing.policy import PrefixList, RouteMap
from playground.planning.routing.policy_text import PolicyTexts


class OspfPort(NamedTuple):
    """An interface that OSPF knows; a ``passive`` one has no neighbour to speak to.

    One that is ``local`` leads to nobody: it only has addresses that others are told of.
    ``said`` is the rest of what was said of it, ``others`` the addresses of who is there.

    """

    interface: str
    area: str
    cost: int
    passive: bool
    point_to_point: bool
    local: bool = False
    said: OspfLink = OspfLink()
    others: tuple[Address, ...] = ()


class Redistribution(NamedTuple):
    """Another source of routes that a daemon tells of, by a policy or all of them."""

    source: str
    policy: RouteMap | None = None


class RipPort(NamedTuple):
    """An interface that RIP knows."""

    interface: str
    passive: bool


class BgpPeer(NamedTuple):
    """A router that BGP speaks to, in an autonomous system.

    ``source`` is the address that this router speaks from, None where that of
    the link to the peer is right: to a peer in another system.  ``on_subnet`` is
    False where the two share a link and no range of addresses.  ``said`` is what was said
    of it.  ``interface`` is set where the link has no addresses, and the interface stands for
    whoever is at its other end.

    """

    address: Address
    as_number: int
    source: Address | None = None
    on_subnet: bool = True
    said: PeerSettings = PeerSettings()
    interface: str | None = None

    @property
    def name(self) -> str:
        """What bgpd calls it."""
        return self.interface or str(self.address)


class BgpFamily(NamedTuple):
    """BGP's settings for one version of IP: it announces ``networks`` as its own.

    With ``default`` it tells the others of a default route, and ``redistribute`` names
    whose other routes it tells them of.

    """

    version: int
    networks: tuple[Network, ...]
    peers: tuple[BgpPeer, ...]
    default: bool = False
    redistribute: tuple[Redistribution, ...] = ()


_NO_OPTIONS = BgpOptions()


def ospf_settings(
    router_id: Address,
    ports: Iterable[OspfPort],
    default: bool,
    redistribute: Iterable[Redistribution] = (),
    areas: Mapping[str, OspfArea] = MappingProxyType({}),
    router: str = "",
    vrf: str | None = None,
) -> str:
    """Return ospfd's settings; with ``default`` it tells the others of a default route.

    ``redistribute`` names whose other routes it tells them of; ``areas`` is what was said of
    those that it is in, ``vrf`` the VRF in which it speaks.

    >>> print(ospf_settings(address, [OspfPort("eth0", "0.0.0.0", 10, False, True)], False))
    router ospf
     ospf router-id 10.0.1.1
    ...

    """
    policies = PolicyTexts(router, 4)
    ports = list(ports)
    lines = [
        f"router ospf{_in(vrf)}",
        f" ospf router-id {router_id}",
        # RFC 2328 has 5 s and 1 s here, against routers that change their minds too often.
        " timers throttle lsa all 0",
        " timers lsa min-arrival 0",
        " timers throttle spf 10 50 500",
        " log-adjacency-changes",
        *_redistributed(redistribute, policies),
        *([" default-information originate always"] if default else []),
        *_areas(areas, policies, 4),
    ]
    for port in ports:
        if port.said.network == "non-broadcast":
            lines += [f" neighbor {other}" for other in port.others]
    for port in ports:
        lines += [f"interface {port.interface}{_in(vrf)}", f" ip ospf area {port.area}"]
        if port.local:
            lines += [" ip ospf passive"]
            continue
        said = port.said
        lines += [
            f" ip ospf cost {port.cost}",
            *(
                # A greeting every 250 ms, and dead after 1 s: the fastest that ospfd knows.
                [" ip ospf dead-interval minimal hello-multiplier 4"]
                if said.hello_s is None
                else [
                    f" ip ospf hello-interval {said.hello_s}",
                    f" ip ospf dead-interval {said.dead_s or 4 * said.hello_s}",
                ]
            ),
            " ip ospf retransmit-interval 1",
            # Where there are but two, nobody waits for the choice of a designated router.
            *([f" ip ospf network {kind}"] if (kind := _network_type(port)) else []),
            *([" ip ospf passive"] if port.passive else []),
            *([] if said.priority is None else [f" ip ospf priority {said.priority}"]),
        ]
        if said.password is not None:
            lines += [
                " ip ospf authentication message-digest",
                f" ip ospf message-digest-key 1 md5 {said.password}",
            ]
        if said.bfd_ms is not None:
            lines += [" ip ospf bfd", f" ip ospf bfd profile {bfd_profile(said.bfd_ms)}"]
    return _text([*policies.lines, *lines])


def ospf6_settings(
    router_id: Address,
    ports: Iterable[OspfPort],
    default: bool,
    redistribute: Iterable[Redistribution] = (),
    areas: Mapping[str, OspfArea] = MappingProxyType({}),
    router: str = "",
    vrf: str | None = None,
) -> str:
    """Return ospf6d's settings, likewise: OSPFv3 finds the ways of IPv6 (RFC 5340)."""
    policies = PolicyTexts(router, 6)
    lines = [
        f"router ospf6{_in(vrf)}",
        f" ospf6 router-id {router_id}",
        " timers lsa min-arrival 0",
        # Less, and ospf6d may keep a route that was withdrawn as it came up: 10 of 30
        # tries with ospfd's 10 and 50 ms, 1 with 100 ms, none with 200 ms (FRR 10.3).
        " timers throttle spf 200 200 500",
        " log-adjacency-changes",
        *_redistributed(redistribute, policies),
        *([" default-information originate always"] if default else []),
        *_areas(areas, policies, 6),
    ]
    for port in ports:
        lines += [f"interface {port.interface}{_in(vrf)}", f" ipv6 ospf6 area {port.area}"]
        if port.local:
            lines += [" ipv6 ospf6 passive"]
            continue
        said = port.said
        # The fastest that ospf6d knows is a greeting a second.
        hello_s = said.hello_s or 1
        dead_s = said.dead_s or (3 if said.hello_s is None else 4 * hello_s)
        lines += [
            f" ipv6 ospf6 cost {port.cost}",
            f" ipv6 ospf6 hello-interval {hello_s}",
            f" ipv6 ospf6 dead-interval {dead_s}",
            " ipv6 ospf6 retransmit-interval 1",
            # ospf6d has no such thing as a network without broadcast.
            *(
                [f" ipv6 ospf6 network {kind}"]
                if (kind := _network_type(port)) and kind != "non-broadcast"
                else []
            ),
            *([" ipv6 ospf6 passive"] if port.passive else []),
            *([] if said.priority is None else [f" ipv6 ospf6 priority {said.priority}"]),
        ]
        if said.password is not None:
            key = f"key-id 1 hash-algo hmac-sha-256 key {said.password}"  # RFC 7166
            lines += [f" ipv6 ospf6 authentication {key}"]
        if said.bfd_ms is not None:
            lines += [f" ipv6 ospf6 bfd profile {bfd_profile(said.bfd_ms)}"]
    return _text([*policies.lines, *lines])


def _in(vrf: str | None) -> str:
    """Return the words by which FRR is told of a VRF."""
    return f" vrf {vrf}" if vrf else ""


def _network_type(port: OspfPort) -> str | None:
    return port.said.network or ("point-to-point" if port.point_to_point else None)


def _areas(areas: Mapping[str, OspfArea], policies: PolicyTexts, version: int) -> Iterator[str]:
    """Yield what is said of areas; FRR calls "out" what others hear of one."""
    for number, said in areas.items():
        if said.kind not in (None, "normal"):
            kind, totally = said.kind.split()[-1].removesuffix("by"), "totally" in said.kind
            words = " no-summary" if totally else ""
            # Only where it is asked for does the border of an NSSA tell of a default route.
            words += " default-information-originate" if kind == "nssa" and not totally else ""
            yield f" area {number} {kind}{words}"
        if said.default_cost is not None and version == 4:
            yield f" area {number} default-cost {said.default_cost}"
        for network in said.ranges:
            if network.version == version:
                yield f" area {number} range {network}"
        for policy, way in ((said.send, "out"), (said.receive, "in")):
            if policy is not None:
                yield f" area {number} filter-list prefix {policies.prefix_list(policy)} {way}"


def bfd_profile(interval_ms: int) -> str:
    """Return the name of the profile of sessions with a packet every so many milliseconds."""
    return f"every-{interval_ms}ms"


def bfd_settings(intervals_ms: Iterable[int]) -> str:
    """Return bfdd's settings: a profile for each interval.

    >>> print(bfd_settings([100]))
    bfd
     profile every-100ms
      receive-interval 100
    ...

    """
    lines = ["bfd"]
    for interval_ms in sorted(set(intervals_ms)):
        lines += [
            f" profile {bfd_profile(interval_ms)}",
            f"  receive-interval {interval_ms}",
            f"  transmit-interval {interval_ms}",
            "  detect-multiplier 3",
            " exit",
        ]
    return _text(lines)


def rip_settings(
    ports: Sequence[RipPort],
    default: bool,
    redistribute: Iterable[Redistribution] = (),
    router: str = "",
) -> str:
    """Return ripd's settings, likewise."""
    policies = PolicyTexts(router, 4)
    others = _redistributed(redistribute, policies)
    return _text(
        [
            *policies.lines,
            "router rip",
            " version 2",
            *(f" network {port.interface}" for port in ports),
            *(f" passive-interface {port.interface}" for port in ports if port.passive),
            # Updates every 5 s, the fastest that ripd knows; changes are told at once.
            " timers basic 5 15 10",
            *others,
            *([" default-information originate"] if default else []),
        ]
    )


def ripng_settings(
    ports: Sequence[RipPort],
    default: bool,
    redistribute: Iterable[Redistribution] = (),
    own: Sequence[Network] = (),
    router: str = "",
) -> str:
    """Return ripngd's settings, likewise: RIPng is RIP for IPv6 (RFC 2080).

    ``own`` are the router's loopback addresses: ripngd, unlike ripd, tells of none that
    are on an interface that leads to nobody.

    """
    policies = PolicyTexts(router, 6)
    others = _redistributed(redistribute, policies)
    return _text(
        [
            *policies.lines,
            "router ripng",
            *(f" network {port.interface}" for port in ports),
            *(f" passive-interface {port.interface}" for port in ports if port.passive),
            *(f" route {network}" for network in own),
            " timers basic 5 15 10",
            *others,
            *([" default-information originate"] if default else []),
        ]
    )


def bgp_settings(
    as_number: int,
    router_id: Address,
    families: Iterable[BgpFamily],
    options: BgpOptions = _NO_OPTIONS,
    router: str = "",
    vrf: str | None = None,
    evpn: Sequence[BgpPeer] | None = None,
) -> str:
    """Return bgpd's settings, likewise; each family of addresses has sessions of its own.

    ``evpn`` are the peers that are told of MAC addresses too, None where nobody has any.

    """
    families = tuple(families)
    texts: dict[int, PolicyTexts] = {}
    for one in families:
        beside = next(iter(texts.values()), None)
        texts[one.version] = PolicyTexts(router, one.version, as_number, beside)
    lines = [
        f"router bgp {as_number}{_in(vrf)}",
        f" bgp router-id {router_id}",
        " bgp log-neighbor-changes",
        # Each session carries the routes of the family that it runs over.
        " no bgp default ipv4-unicast",
        # RFC 8212 has every system say what it takes and tells; here that is everything.
        " no bgp ebgp-requires-policy",
        " timers bgp 1 3",
        " coalesce-time 0",
        *([" bgp graceful-restart"] if options.graceful_restart else []),
        *([" bgp always-compare-med"] if options.compare_med else []),
        *([" bgp bestpath as-path multipath-relax"] if options.paths else []),
    ]
    for peer in (peer for family in families for peer in family.peers):
        lines += _bgp_session(peer)
    for family in families:
        policies = texts[family.version]
        lines += [
            f" address-family ipv{family.version} unicast",
            *(f"  network {network}" for network in family.networks),
            *(f" {line}" for line in _redistributed(family.redistribute, policies)),
            *(
                f"  aggregate-address {network}{' summary-only' * options.summary_only}"
                for network in options.aggregates
                if network.version == family.version
            ),
        ]
        if options.paths:
            lines += [f"  maximum-paths {options.paths}", f"  maximum-paths ibgp {options.paths}"]
        for peer in family.peers:
            lines += _bgp_routes(peer, family.default, policies)
        lines += [" exit-address-family"]
    lines += _evpn(evpn) if evpn is not None else []
    return _text([*(line for one in texts.values() for line in one.lines), *lines])


def _evpn(peers: Iterable[BgpPeer]) -> Iterator[str]:
    """Yield the family of addresses in which MAC addresses are told of (RFC 7432, RFC 8365)."""
    yield " address-family l2vpn evpn"
    for peer in peers:
        yield f"  neighbor {peer.name} activate"
        if peer.said.client:
            yield f"  neighbor {peer.name} route-reflector-client"
    # A router that has none has nothing to tell, and says so without starting anew later.
    yield "  advertise-all-vni"
    yield " exit-address-family"


def _bgp_session(peer: BgpPeer) -> Iterator[str]:
    to, said = f" neighbor {peer.name}", peer.said
    yield f"{to}{' interface' if peer.interface else ''} remote-as {peer.as_number}"
    yield f"{to} timers connect 1"
    yield f"{to} advertisement-interval 0"
    if peer.source:
        yield f"{to} update-source {peer.source}"
    if not peer.on_subnet:
        yield f"{to} disable-connected-check"
    if said.password is not None:
        yield f"{to} password {said.password}"
    if said.hold_s is not None:
        yield f"{to} timers {said.keepalive_s or max(said.hold_s // 3, 1)} {said.hold_s}"
    if said.bfd_ms is not None:
        yield f"{to} bfd"
        yield f"{to} bfd profile {bfd_profile(said.bfd_ms)}"


def _bgp_routes(peer: BgpPeer, default: bool, policies: PolicyTexts) -> Iterator[str]:
    to, said = f"  neighbor {peer.name}", peer.said
    yield f"{to} activate"
    if (peer.source and said.next_hop_self is not False) or said.next_hop_self:
        yield f"{to} next-hop-self"
    if isinstance(said.default, RouteMap):
        yield f"{to} default-originate route-map {policies.route_map(said.default)}"
    elif default or said.default:
        yield f"{to} default-originate"
    if said.client:
        yield f"{to} route-reflector-client"
    if said.allow_own_as:
        yield f"{to} allowas-in {said.allow_own_as}"
    if said.remove_private_as:
        yield f"{to} remove-private-AS all"
    if said.max_prefixes is not None:
        yield f"{to} maximum-prefix {said.max_prefixes}"
    for policy, way in ((said.receive, "in"), (said.send, "out")):
        if isinstance(policy, PrefixList):
            yield f"{to} prefix-list {policies.prefix_list(policy)} {way}"
        elif policy is not None:
            yield f"{to} route-map {policies.route_map(policy)} {way}"


def _redistributed(others: Iterable[Redistribution], policies: PolicyTexts) -> list[str]:
    return [
        f" redistribute {other.source}"
        + (f" route-map {policies.route_map(other.policy)}" if other.policy else "")
        for other in others
    ]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
