"""Segments of a lab: the links that are one network.

A segment is a link between two hosts or routers, or all that hangs on
connected switches, of those with VLANs in one VLAN: what a broadcast reaches.
Also here: collecting the nodes that are linked to those that were given.  Pure
functions of the declarations.

"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from playground.errors import TopologyError
from playground.model.parts import End, LinkBase
from playground.model.records import dataclass
from playground.model.topology import (
    Attachment,
    Host,
    Link,
    Machine,
    Node,
    Router,
    Switch,
    reached,
    strands,
)
from playground.model.vlans import InnerVlan


@dataclass(frozen=True, eq=False)
class Segment:
    """One network.  ``ends`` are those of hosts and routers, routers first.

    Within routers, and within hosts, they stand in the order their links were
    declared.  ``name`` is the first switch's, or that of the link's two nodes.
    ``places`` are its switches, each with the VLAN that it is, or None.

    """

    name: str
    links: tuple[Link, ...]
    places: tuple[Attachment, ...]
    ends: tuple[End, ...]

    @property
    def switches(self) -> tuple[Switch, ...]:
        """Its switches, each once."""
        return tuple(dict.fromkeys(switch for switch, _ in self.places))

    @property
    def families(self) -> tuple[int, ...]:
        """The versions of IP that all of its links can carry."""
        return tuple(
            family for family in (4, 6) if all(family in link.families for link in self.links)
        )


def collect(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return these nodes and all that are linked to them, in the order declared.

    Raises `TopologyError` if there are none, if one is no node, if there is no
    host or router among them, and if two have the same name or short name.

    >>> collect([home])
    (Switch('home'), Host('h1'), Host('h2'))

    """
    given = tuple(nodes)
    for node in given:
        if not isinstance(node, Node):
            instead = ""
            if isinstance(node, (list, tuple)) and all(isinstance(one, Node) for one in node):
                instead = f"; write Lab({', '.join(one.name for one in node)})"
            elif isinstance(node, str):
                instead = f"; a name for the lab is name={node!r}"
            raise TopologyError(
                f"a lab is made of hosts, routers and switches, and {node!r} is none of them"
                + instead
            )
    found = linked(given)
    if not any(isinstance(node, Machine) for node in found):
        raise TopologyError(
            "a lab needs at least one host or router; give it one, and all that is linked to it "
            "comes along"
        )
    _refuse_same_names(found)
    return found


def linked(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return these nodes and all that are linked to them, in the order declared, unchecked."""
    found = dict.fromkeys(nodes)
    queue = list(found)
    for node in queue:
        for link in node.links:
            other = link.peer(node).node
            if other not in found:
                found[other] = None
                queue.append(other)
    return tuple(sorted(found, key=lambda node: node.serial))


def links_of(nodes: Iterable[Node]) -> tuple[Link, ...]:
    """Return every link of these nodes once, in the order declared."""
    unique = {link: None for node in nodes for link in node.links}
    return tuple(sorted(unique, key=lambda link: link.serial))


def find_segments(nodes: Sequence[Node]) -> tuple[Segment, ...]:
    """Return the segments between these nodes, in the order of their first links.

    >>> [segment.name for segment in find_segments(collect([home]))]
    ['home', 'modem--www.example.com']

    """
    groups: dict[object, list[Link]] = {}
    key_of: dict[LinkBase, object] = {}
    roots: dict[Attachment, Attachment] = {}
    networks: dict[object, list[Attachment]] = {}
    for link in links_of(nodes):
        for strand, places in strands(link):
            if places and places[0] not in roots:
                networks[places[0]] = reached(places[0])
                roots.update(dict.fromkeys(networks[places[0]], places[0]))
            key: object = roots[places[0]] if places else strand
            groups.setdefault(key, []).append(strand)
            key_of[strand] = key
    ports = _join_by_vnis(nodes, groups, networks, key_of)
    return tuple(_segment(links, networks.get(key, []), ports) for key, links in groups.items())


def _join_by_vnis(
    nodes: Iterable[Node],
    groups: dict[object, list[Link]],
    networks: dict[object, list[Attachment]],
    key_of: Mapping[LinkBase, object],
) -> set[End]:
    """Make one network of all that are ports of one VNI; return the routers' ends that are."""
    ports: set[End] = set()
    first: dict[int, object] = {}
    moved: dict[object, object] = {}
    for router in nodes:
        for number, vni in router.vnis.items() if isinstance(router, Router) else ():
            for link in vni.links:
                ports.add(link.end(router))
                key = key_of[link]
                key = moved.get(key, key)
                to = first.setdefault(number, key)
                to = moved.get(to, to)
                if to != key:
                    groups[to] = sorted(groups[to] + groups.pop(key), key=lambda one: one.serial)
                    networks[to] = networks.get(to, []) + networks.pop(key, [])
                    moved |= {one: to for one, goal in moved.items() if goal == key} | {key: to}
    return ports


def _segment(
    links: Sequence[Link], network: Iterable[Attachment], ports: Collection[End]
) -> Segment:
    places = sorted(network, key=lambda place: (place[0].serial, place[1] or 0))
    ends = [end for link in links for end in link.ends if end not in ports]
    routers = [end for end in ends if isinstance(end.node, Router)]
    hosts = [end for end in ends if isinstance(end.node, Host)]
    name = place_name(places[0]) if places else link_name(links[0])
    return Segment(name, tuple(links), tuple(places), (*routers, *hosts))


def place_name(place: Attachment) -> str:
    """Return what a switch, or one of its VLANs, is called as a network.

    No switch is called so, for the last part of a name is no number.

    >>> place_name((office, 10))
    'office.10'

    """
    switch, vlan = place
    return switch.name if vlan is None else f"{switch.name}.{vlan}"


def link_name(link: Link) -> str:
    """Return what a link is called: the switch at one end, or both its nodes."""
    for end in link.ends:
        if isinstance(end.node, Switch):
            carried = link.carried
            if end.node.qinq and carried.service is not None:
                part = getattr(link, "whole", None) is not None
                inner = InnerVlan.of(carried.service, link.vlan or 0) if part else carried.service
                return place_name((end.node, inner))
            return place_name((end.node, link.vlan if end.node.vlans else None))
    return "--".join(end.node.name for end in link.ends)


def _refuse_same_names(nodes: Iterable[Node]) -> None:
    # RFC 4343: upper and lower case are the same in a name.
    owners: dict[str, Node] = {}
    known = [*nodes]
    for node in known:
        for name in dict.fromkeys((node.name.lower(), node.short.lower())):
            other = owners.setdefault(name, node)
            if other is node:
                continue
            if node.name.lower() == other.name.lower():
                raise TopologyError(
                    f"two nodes are called {node.name!r}; give each a name of its own "
                    "(were statements run twice? lab.remove(link) undoes the second link)"
                )
            raise TopologyError(
                f"{other.name} and {node.name} would both answer to the name {name!r}; "
                f"choose names that differ in what stands before the first dot"
            )
    for node in known:
        for alias in node.container.aliases if isinstance(node, Machine) else ():
            other = owners.setdefault(alias.lower(), node)
            if other is not node:
                raise TopologyError(
                    f"{node.name}: aliases: {other.name} answers to {alias!r} already; give one "
                    "of them another name"
                )
