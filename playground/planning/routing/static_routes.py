"""Static routes of every host and router.

Shortest paths by the number of routers passed; among equals the one declared
first.  Pure functions of the segments, their addresses and the realms.

A route is computed for each destination from each router, and at every router
on the way the rest of the way is shorter; so no packet goes round in a ring.

"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any

from playground.model.addresses import Address, Network
from playground.model.notation import is_host_route
from playground.model.parts import End, LinkBase
from playground.model.records import dataclass
from playground.model.topology import Host, Machine, Router
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.loopbacks import by_realm
from playground.planning.addresses.nat_realms import Realm, Realms, inner_links
from playground.planning.addresses.router_parts import (
    RouterPart,
    Speaker,
    end_of,
    own_links,
    whole,
    with_parts,
)
from playground.planning.addresses.segments import Segment
from playground.planning.plan_parts import MAIN_TABLE, RoutePlan

DEFAULTS: dict[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


def find_routes(
    machines: Sequence[Machine],
    realms: Realms,
    addressing: Addressing,
    names: Mapping[End, str],
    unnumbered: Mapping[End, Address] = MappingProxyType({}),
    heard: Mapping[Speaker, Collection[tuple[str, Address]]] = MappingProxyType({}),
) -> dict[Machine, tuple[RoutePlan, ...]]:
    """Return the routes of every host and router, IPv4 before IPv6.

    ``unnumbered`` are the ends of links without addresses over which IPv4 goes all the same, by
    a routing protocol, with what its routes call them.  ``heard`` are the neighbours, as interfaces
    and gateways, that tell a router of all behind them by a routing protocol: where it has no
    others, it gets no routes but those to what is on its links.

    Those that the kernel adds by itself for an interface's own prefix are left
    out.  They stand in an order in which they can be added: what is on the
    link itself first, the default route last.

    * A router gets a route to every prefix of its realm, and to every
      point-to-point address; where the realm lies behind a masquerading
      router, its default route leads to the nearest.
    * A masquerading router knows its inside likewise, and has a default route
      on its outside if all that is there lies behind one next hop; else it
      knows that in full too.
    * A host's default route leads to the nearest masquerading router, or else
      to the next hop that most destinations have; the others are explicit.
    * ``Router(routing=None)`` gets none but those to point-to-point peers.
      Others send through it only what it is linked to itself, which it can
      deliver without knowing more.
    * A prefix on one side of a point-to-point link that is wider than /32
      (10.25.1.65/16 towards 10.25.1.1/32) makes all within it look as if it
      were on that link.  What is not gets a route of its own, so that nobody
      has to answer for another's address (proxy ARP).

    In IPv6, which is not translated, what lies outside of a masquerading
    router also has routes to the prefixes inside it, through that router.

    Each VRF of a router has routes of its own, as if it was another router, and a route to the
    interface of another VRF for each leak from there.

    """
    routes: dict[Machine, list[RoutePlan]] = {machine: [] for machine in machines}
    for family in FAMILIES:
        if not any(speaks == family for _, speaks in addressing.subnets):
            continue
        over = unnumbered if family == 4 else {}
        atlas = _Atlas(machines, realms, addressing, family, over)
        for machine in with_parts(machines):
            routes[whole(machine)].extend(_routes_of(machine, atlas, names, heard))
    return {machine: tuple(found) for machine, found in routes.items()}


# -- where things are -------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Destination:
    """A prefix, or one point-to-point address, and where it is.

    ``places`` are segments; with a node, what lies behind that node there.
    ``loopback``: it is an address of that node's own.  ``within`` is the prefix that a
    point-to-point address lies in, if its owner uses it there as well.

    """

    network: Network
    places: tuple[tuple[Segment, Machine | RouterPart | None], ...]
    host_route: bool = False
    within: _Destination | None = None
    loopback: bool = False
    key: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _key(self.network))


def _key(network: Network) -> int:
    """Return a number that stands for a prefix: hashing one is slow, and done often."""
    return int(network.network_address) << 8 | network.prefixlen


# A next hop: the segment it is on, and the router; None for "on the link itself".
_Hop = tuple[Segment, Machine | RouterPart | None]


@dataclass
class _Paths:
    """The result of a breadth-first search: when it reached each vertex, and by which hop."""

    found: dict[object, tuple[int, _Hop]] = field(default_factory=dict)


class _Atlas:
    """The graph of one family, its destinations, and the searches made so far.

    The graph is directed (``ways`` holds for every vertex those it leads to)
    and has a vertex for every segment and every router.
    A segment leads to the routers on it, a router to its segments.  What a
    router without routes can deliver to is a vertex of its own, ``("last",
    segment)``, from which nothing leads on.  A masquerading router's vertex
    stands for its inside only.

    """

    def __init__(
        self,
        machines: Iterable[Machine],
        realms: Realms,
        addressing: Addressing,
        family: int,
        unnumbered: Mapping[End, Address],
    ) -> None:
        self.unnumbered = unnumbered
        self.realms = realms
        self.addressing = addressing
        self.family = family
        self.ways: dict[object, list[Any]] = {}
        self.gateways: dict[_Hop, Address] = {}
        self.routers_on: dict[Segment, list[Router | RouterPart]] = {}
        self._paths: dict[tuple[Segment, ...], _Paths] = {}
        self._destinations: dict[Realm, tuple[_Destination, ...]] = {}
        self._places: dict[Realm, dict[Segment, list[tuple[int, _Destination]]]] = {}
        self._next_hops: dict[Segment, list[tuple[Machine | RouterPart, Address]]] = {}
        machines = tuple(machines)
        self._loopbacks = by_realm(machines, realms)
        self._leaks: dict[Realm, list[tuple[Network, RouterPart | Router]]] = {}
        for machine in with_parts(machines):
            if isinstance(machine, (Router, RouterPart)) or machine.loopback:
                self._add_gateways(machine)
            if isinstance(machine, (Router, RouterPart)):
                self._add(machine)
                self._add_leaks(machine)

    def _add_gateways(self, machine: Machine | RouterPart) -> None:
        for link in own_links(machine):
            segment = self.segment(link, machine)
            if segment:
                end = end_of(link, machine)
                own = self.addressing.of(end, self.family)
                address = own[0].ip if own else self.unnumbered[end]
                if (segment, machine) not in self.gateways:
                    self.gateways[segment, machine] = address
                    self._next_hops.setdefault(segment, []).append((machine, address))

    def _add(self, router: Router | RouterPart) -> None:
        inside = self.segments(inner_links(router), router)
        for segment in inside:
            self.ways.setdefault(segment, []).append(router)
            self.routers_on.setdefault(segment, []).append(router)
        self.ways[router] = (
            list(inside) if router.routing else [("last", segment) for segment in inside]
        )

    def _add_leaks(self, router: Router | RouterPart) -> None:
        links = own_links(router)
        for realm in dict.fromkeys(self.realms.of_link(link, whole(router)) for link in links):
            for network in leaked_into(router, self.family):
                self._leaks.setdefault(realm, []).append((network, router))

    def segment(self, link: LinkBase, node: Machine | RouterPart) -> Segment | None:
        """Return a link's segment, if the node has an address of this family there."""
        end = end_of(link, node)
        speaks = end in self.unnumbered or self.addressing.of(end, self.family)
        return self.realms.segment_of[end] if speaks else None

    def segments(
        self, links: Iterable[LinkBase], node: Machine | RouterPart
    ) -> tuple[Segment, ...]:
        """Return the segments of links, once each, where this family is spoken."""
        found = (self.segment(link, node) for link in links)
        return tuple(dict.fromkeys(segment for segment in found if segment))

    def paths(self, segments: tuple[Segment, ...]) -> _Paths:
        """Return the ways from a node that is linked to these segments."""
        if segments not in self._paths:
            self._paths[segments] = self._search(segments)
        return self._paths[segments]

    def _search(self, segments: tuple[Segment, ...]) -> _Paths:
        # A breadth-first search written out, since it is where the time goes:
        # that of networkx took three times as long.
        ways = self.ways
        found: dict[object, tuple[int, _Hop]] = {}
        for order, segment in enumerate(segments):
            found[segment] = (order, (segment, None))
        queue: list[object] = list(segments)
        for vertex in queue:
            hop = found[vertex][1]
            for other in ways.get(vertex, ()):
                if other not in found:
                    # A router met first of all is the next hop itself.
                    found[other] = (len(found), (hop[0], other) if hop[1] is None else hop)
                    queue.append(other)
        return _Paths(found)

    def nearest_exit(
        self, paths: _Paths, realms: Iterable[Realm], but: Machine | RouterPart
    ) -> _Hop | None:
        """Return the next hop to the nearest masquerading router of these realms."""
        exits = [
            paths.found[router]
            for realm in realms
            for router in realm.exits
            if router is not but and router in paths.found and self.segments(router.uplinks, router)
        ]
        return min(exits, key=lambda found: found[0])[1] if exits else None

    def destinations(self, realm: Realm) -> tuple[_Destination, ...]:
        """Return all there is to be reached in a realm."""
        if realm not in self._destinations:
            found = [*self._within(realm), *self._own(realm), *self._leaked(realm)]
            if self.family == 6:
                found += self._behind(realm)
            self._destinations[realm] = tuple(found)
        return self._destinations[realm]

    def on(self, segments: Iterable[Segment], realm: Realm) -> list[_Destination]:
        """Return what of a realm is to be reached on some segments of it, in the realm's order."""
        if realm not in self._places:
            places: dict[Segment, list[tuple[int, _Destination]]] = {}
            for number, destination in enumerate(self.destinations(realm)):
                for place in dict.fromkeys(place for place, _ in destination.places):
                    places.setdefault(place, []).append((number, destination))
            self._places[realm] = places
        there = dict(item for one in segments for item in self._places[realm].get(one, ()))
        return [there[number] for number in sorted(there)]

    def next_hops(self, segment: Segment) -> Sequence[tuple[Machine | RouterPart, Address]]:
        """Return the nodes on a segment that packets may be sent on by, and their addresses."""
        return self._next_hops.get(segment, ())

    def _within(self, realm: Realm) -> Iterator[_Destination]:
        subnets: dict[Segment, _Destination] = {}
        peers: dict[int, list[tuple[Segment, End]]] = {}
        for segment in realm.segments:
            if not self.addressing.speaks(segment, self.family):
                continue
            subnet = self.addressing.subnets[segment, self.family]
            if subnet is not None:
                subnets[segment] = _Destination(subnet, ((segment, None),))
                continue
            for end in segment.ends:
                for address in self.addressing.of(end, self.family):
                    peers.setdefault(int(address), []).append((segment, end))
        yield from subnets.values()
        if not peers:
            return
        # Where the owner of a point-to-point address uses it in a subnet too.
        also: dict[int, Segment] = {}
        for segment in subnets:
            for end in segment.ends:
                for address in self.addressing.of(end, self.family):
                    if int(address) in peers:
                        also[int(address)] = segment
        length = DEFAULTS[self.family].max_prefixlen
        for number, ends in peers.items():
            places = [segment for segment, _ in ends]
            within = None
            if number in also:
                places.append(also[number])
                within = subnets[also[number]]
            network = type(DEFAULTS[self.family])((number, length))
            yield _Destination(
                network,
                tuple((place, None) for place in dict.fromkeys(places)),
                host_route=True,
                within=within,
            )

    def _own(self, realm: Realm) -> Iterator[_Destination]:
        """Yield the loopback addresses of the nodes of a realm: one that several have is once."""
        found: dict[Network, list[tuple[Segment, Machine | RouterPart | None]]] = {}
        for machine in self._loopbacks.get(realm, ()):
            places = [
                (segment, machine)
                for segment in self.segments(own_links(machine), machine)
                if self.realms.of_segment[segment] is realm
            ]
            for address in machine.loopback:
                if places and address.version == self.family:
                    found.setdefault(address.network, []).extend(places)
        for network, where in found.items():
            yield _Destination(network, tuple(where), host_route=True, loopback=True)

    def _leaked(self, realm: Realm) -> Iterator[_Destination]:
        """Yield what can be reached from a realm, by a router with a VRF in it, in another VRF."""
        for network, part in self._leaks.get(realm, ()):
            links = own_links(part)
            places = tuple(
                (segment, part)
                for segment in self.segments(links, part)
                if self.realms.of_segment[segment] is realm
            )
            if places:
                yield _Destination(network, places)

    def _behind(self, realm: Realm) -> Iterator[_Destination]:
        """Yield what lies inside the masquerading routers of a realm."""
        for inner in self.realms.all:
            places = tuple(
                (segment, router)
                for router in inner.exits
                for segment in self.segments(router.uplinks, router)
                if self.realms.of_segment[segment] is realm
            )
            if places:
                for destination in self.destinations(inner):
                    yield _Destination(destination.network, places, destination.host_route)


# -- the routes of one node -------------------------------------------------


# Where a packet goes: the gateway, or None for the link itself, and the interface.
_Target = tuple[Address | None, str]


class _Table:
    """The routes of one node in one family, as they are gathered."""

    def __init__(self, node: Machine | RouterPart, atlas: _Atlas, names: Mapping[End, str]) -> None:
        self.node = node
        self.atlas = atlas
        self.interfaces: dict[Segment, str] = {}
        self.own: set[int] = set()
        # The kernel adds routes for these by itself.
        self.connected: set[int] = set()
        # Prefixes that the kernel takes to be on a point-to-point link.
        self.wide: list[tuple[Network, _Target]] = []
        self.routes: dict[int, tuple[Network, _Target]] = {}
        self.own.update(int(address) for address in node.loopback)
        for link in own_links(node):
            segment = atlas.segment(link, node)
            if segment is None:
                continue
            end = end_of(link, node)
            self.interfaces.setdefault(segment, names[end])
            subnet = atlas.addressing.subnets.get((segment, atlas.family))
            if subnet:
                self.connected.add(_key(subnet))
            for address in atlas.addressing.of(end, atlas.family):
                self.own.add(int(address))
                if subnet is None and not is_host_route(address):
                    self.wide.append((address.network, (None, names[end])))
        self.wide.sort(key=lambda item: -item[0].prefixlen)

    def leads_by(self, heard: Collection[tuple[str, Address]]) -> bool:
        """Tell whether all that it could send packets on by are among these gateways."""
        return all(
            (interface, address) in heard
            for segment, interface in self.interfaces.items()
            for machine, address in self.atlas.next_hops(segment)
            if machine is not self.node
        )

    def target(self, hop: _Hop) -> _Target:
        """Return the address and interface of a next hop."""
        segment, router = hop
        via = self.atlas.gateways[segment, router] if router else None
        return via, self.interfaces[segment]

    def targets(self, paths: _Paths, realms: Iterable[Realm]) -> dict[_Destination, _Target]:
        """Return where to send for every destination of these realms, connected ones too."""
        there = (one for realm in realms for one in self.atlas.destinations(realm))
        return self._targets(paths, there)

    def on_links(self, segments: Sequence[Segment], realm: Realm) -> dict[_Destination, _Target]:
        """Return where to send for what of a realm is on these segments: the links themselves."""
        paths = _Paths({one: (order, (one, None)) for order, one in enumerate(segments)})
        found = self._targets(paths, self.atlas.on(segments, realm))
        return {item: target for item, target in found.items() if target[0] is None}

    def _targets(
        self, paths: _Paths, destinations: Iterable[_Destination]
    ) -> dict[_Destination, _Target]:
        found: dict[_Destination, _Target] = {}
        by_hop: dict[_Hop, _Target] = {}
        reached = paths.found
        for destination in destinations:
            best: tuple[int, _Hop] | None = None
            for segment, router in destination.places:
                if router == self.node:
                    continue
                # A router without routes knows nothing of what another has on its own.
                last = () if destination.loopback else (("last", segment),)
                for vertex in (segment, *last):
                    way = reached.get(vertex)
                    if way is None or (best and best[0] <= way[0]):
                        continue
                    order, hop = way
                    if router and hop[1] is None:
                        hop = (segment, router)
                    best = (order, hop)
            if best is None:
                continue
            hop = best[1]
            if hop not in by_hop:
                by_hop[hop] = self.target(hop)
            found[destination] = by_hop[hop]
        return found

    def add(self, targets: Mapping[_Destination, _Target], default: _Target | None) -> None:
        """Add routes to these destinations, but those that a wider route covers.

        ``default`` counts as a wider route where it is given.

        """
        for destination, target in targets.items():
            key = destination.key
            if key in self.routes or key in self.connected:
                continue
            if destination.host_route and key >> 8 in self.own:
                continue
            if self._cover(destination, targets, default) != target:
                self.routes[key] = (destination.network, target)

    def _cover(
        self,
        destination: _Destination,
        targets: Mapping[_Destination, _Target],
        default: _Target | None,
    ) -> _Target | None:
        """Return where the node would send if this destination had no route of its own."""
        within = destination.within
        for network, target in self.wide:
            if destination.network.subnet_of(network):  # type: ignore[arg-type]
                if within and within.network.prefixlen > network.prefixlen:
                    break
                return target
        if within and within in targets:
            return targets[within]
        return default

    def plans(self, default: _Target | None) -> Iterator[RoutePlan]:
        """Yield the routes in an order in which they can be added."""
        number = self.node.vrf.table if isinstance(self.node, RouterPart) else MAIN_TABLE
        for on_link in (True, False):
            for network, (via, interface) in self.routes.values():
                if (via is None) is on_link:
                    yield RoutePlan(network, via, interface, number)
        if default:
            yield RoutePlan(DEFAULTS[self.atlas.family], *default, number)


def _routes_of(
    node: Machine | RouterPart,
    atlas: _Atlas,
    names: Mapping[End, str],
    heard: Mapping[Speaker, Collection[tuple[str, Address]]],
) -> Iterable[RoutePlan]:
    table = _Table(node, atlas, names)
    if isinstance(node, (Router, RouterPart)):
        for network, vrf in leaked_into(node, atlas.family).items():
            table.routes[_key(network)] = network, (None, vrf)
    if not table.interfaces:
        return table.plans(None)
    if isinstance(node, Host):
        default = _route_host(node, table)
    elif isinstance(node, (Router, RouterPart)):
        default = _route_router(node, table, heard.get(node, ()))
    return table.plans(default)


def leaked_into(node: Router | RouterPart, family: int) -> dict[Network, str]:
    """Return the networks that a router's table, or that of a VRF, learns from its other VRFs."""
    router, own = (node.router, node.vrf.name) if isinstance(node, RouterPart) else (node, None)
    return {
        leak.network: leak.source
        for leak in router.leaks
        if leak.into == own and leak.network.version == family
    }


def _route_host(host: Host, table: _Table) -> _Target | None:
    atlas = table.atlas
    segments = atlas.segments(own_links(host), host)
    if len(segments) == 1 and not table.wide:
        short_cut = _only_router(segments[0], atlas)
        if short_cut and atlas.addressing.subnets.get((segments[0], atlas.family)) is not None:
            return table.target((segments[0], short_cut))
    paths = atlas.paths(segments)
    realms = tuple(dict.fromkeys(atlas.realms.of_segment[segment] for segment in segments))
    targets = table.targets(paths, realms)
    out = atlas.nearest_exit(paths, realms, host)
    default = table.target(out) if out else _commonest(targets)
    table.add(targets, default)
    return default


def _only_router(segment: Segment, atlas: _Atlas) -> Router | RouterPart | None:
    """Return the one router of a segment, if there is one and it leads anywhere.

    Most hosts are on such a segment, and need no search.

    """
    routers = atlas.routers_on.get(segment, [])
    if len(routers) != 1:
        return None
    router = routers[0]
    leads_on = len(atlas.segments(own_links(router), router)) > 1 or leaked_into(
        router, atlas.family
    )
    return router if leads_on else None


def _route_router(
    router: Router | RouterPart, table: _Table, heard: Collection[tuple[str, Address]]
) -> _Target | None:
    atlas = table.atlas
    inside = atlas.segments(inner_links(router), router)
    outside = atlas.segments(router.uplinks, router)
    if not router.routing:
        _route_peers(table, (*inside, *outside))
        return None
    if heard and not outside and table.leads_by(heard):
        # Whoever could be a next hop tells of what lies behind it.
        table.add(table.on_links(inside, atlas.realms.of_segment[inside[0]]), None)
        return None
    default = None
    if inside:
        paths = atlas.paths(inside)
        realms = (atlas.realms.of_segment[inside[0]],)
        table.add(table.targets(paths, realms), None)
        if not outside:
            out = atlas.nearest_exit(paths, realms, router)
            default = table.target(out) if out else None
    if outside:
        default = _route_outside(router, table, outside)
    return default


def _route_outside(
    router: Router | RouterPart, table: _Table, outside: tuple[Segment, ...]
) -> _Target | None:
    atlas = table.atlas
    paths = atlas.paths(outside)
    realms = tuple(dict.fromkeys(atlas.realms.of_segment[segment] for segment in outside))
    targets = table.targets(paths, realms)
    out = atlas.nearest_exit(paths, realms, router)
    hops = {target for target in targets.values() if target[0] is not None}
    if out:
        hops.add(table.target(out))
    if len(hops) == 1:
        default = hops.pop()
        table.add(targets, default)
        return default
    table.add(targets, None)
    return table.target(out) if out else None


def _route_peers(table: _Table, segments: tuple[Segment, ...]) -> None:
    """Add routes to the other ends of point-to-point links, and nothing else."""
    paths = table.atlas.paths(segments)
    realms = dict.fromkeys(table.atlas.realms.of_segment[segment] for segment in segments)
    targets = table.targets(paths, realms)
    table.add({key: target for key, target in targets.items() if target[0] is None}, None)


def _commonest(targets: Mapping[_Destination, _Target]) -> _Target | None:
    """Return the next hop of most destinations; of equals, the first."""
    counts = Counter(target for target in targets.values() if target[0] is not None)
    return counts.most_common(1)[0][0] if counts else None
