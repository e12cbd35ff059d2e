"""Names of the ends of links, and their MAC addresses.

Interface names on hosts and routers, the names of switch ports and bridges in
the lab's own namespace, MAC addresses.  All are the same on every run for the
same declarations, and those of an earlier plan stay as they were.

"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from ipaddress import IPv6Address

from playground.errors import TopologyError
from playground.model.kernel.tunnels import KINDS
from playground.model.notation import IFNAME_LENGTH, is_reserved_ifname
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.topology import Link, Machine, Node, Switch
from playground.planning.plan import Plan
from playground.planning.plan_parts import InterfacePlan, WirePlan


@dataclass(frozen=True)
class Wiring:
    """The names that were chosen.

    ``names`` holds for every end the interface inside the host or router, or
    the port's name in the lab's own namespace; ``macs`` the MAC address of
    every host's and router's end; ``devices`` each switch's bridge; ``earlier``
    what an earlier plan says of an end; ``parents`` upon which interface one with a VLAN
    stands.

    """

    names: Mapping[End, str]
    macs: Mapping[End, str]
    devices: Mapping[Switch, str]
    earlier: Mapping[End, InterfacePlan] = field(default_factory=dict)
    parents: Mapping[End, str] = field(default_factory=dict)


def choose_names(
    nodes: Sequence[Node], links: Sequence[Link], *, lab: str, previous: Plan | None = None
) -> Wiring:
    """Name every interface, port and bridge, and give every interface its MAC.

    Interfaces are eth0, eth1 and so on in the order of a node's links, leaving
    out those chosen by hand; those of tunnels are called after their kind.  Bridges and
    ports are called after switch and node as far as 15 characters reach, and by a hash
    where they do not.  VLAN 10 upon eth0 is eth0.10, with the same MAC as eth0.  What
    ``previous`` has named keeps its name and MAC.

    Raises `TopologyError` where a name chosen by hand is in use already since
    the earlier plan, or two ends in the lab have the same MAC.

    """
    names: dict[End, str] = {}
    earlier: dict[End, InterfacePlan] = {}
    for link, wire in match(links, previous).items():
        for end, wire_end in zip(link.ends, (wire.a, wire.b), strict=True):
            names[end] = wire_end.interface
            if isinstance(end.node, Machine) and previous is not None:
                earlier[end] = _interface(previous, end.node.name, wire_end.interface)
    for node in nodes:
        if isinstance(node, Machine):
            _name_interfaces(node, names)
    devices = _name_bridges(nodes, names, previous)
    _name_ports(links, names, set(devices.values()))
    macs = _choose_macs(links, names, earlier, lab)
    parents: dict[End, str] = {}
    for node in nodes:
        if isinstance(node, Machine):
            for whole, end in _tagged(node):
                parents[end] = names[whole]
                # IEEE 802.1Q adds a tag, and no station.
                macs[end] = macs[whole]
            _name_tagged(node, names, earlier, previous)
    return Wiring(names, macs, devices, earlier, parents)


def link_local(mac: str) -> IPv6Address:
    """Return the address that a kernel gives an interface with this MAC address for its link.

    >>> link_local("02:64:50:06:7b:40")
    IPv6Address('fe80::64:50ff:fe06:7b40')

    """
    # RFC 4291 appendix A: the universal/local bit is turned, ff:fe put in the middle.
    number = bytearray.fromhex(mac.replace(":", ""))
    number[0] ^= 2
    return IPv6Address(b"\xfe\x80" + bytes(6) + number[:3] + b"\xff\xfe" + number[3:])


def derived_mac(lab: str, node: str, interface: str, attempt: int = 0) -> str:
    """Return a MAC address that is the same for the same names.

    >>> derived_mac("lab", "h1", "eth0")
    '02:64:50:06:7b:40'

    """
    text = "\0".join((lab, node, interface, *([str(attempt)] if attempt else [])))
    digest = hashlib.sha256(text.encode()).digest()
    # IEEE 802 (2014) section 8.2: 02 means one station, locally administered.
    return ":".join(["02", *(f"{byte:02x}" for byte in digest[:5])])


def match(links: Iterable[Link], previous: Plan | None) -> dict[Link, WirePlan]:
    """Find each link's wire of the earlier plan: the same one between the same two nodes."""
    if previous is None:
        return {}
    wires: dict[tuple[str, str, str | None], list[WirePlan]] = defaultdict(list)
    for wire in reversed(previous.wires):
        wires[wire.a.node, wire.b.node, wire.kind].append(wire)
    found = {}
    for link in links:
        kind = link.tunnel.kind if link.tunnel else None
        kind = link.bond_settings.mode if link.bond_settings else kind
        kind = "a bond's" if link.bond else kind
        waiting = wires[link.ends[0].node.name, link.ends[1].node.name, kind]
        if waiting:
            found[link] = waiting.pop()
    return found


def _interface(plan: Plan, node: str, name: str) -> InterfacePlan:
    for interface in plan.node(node).interfaces:
        if interface.name == name:
            return interface
    raise KeyError((node, name))


def _name_interfaces(node: Machine, names: dict[End, str]) -> None:
    ends = [link.end(node) for link in node.links]
    used = {names[end] for end in ends if end in names}
    for end in ends:
        if end in names or end.name is None:
            continue
        if end.name in used:
            raise TopologyError(
                f"{node.name}: the running lab has an interface {end.name} on it already; "
                f"choose another name for the new link's"
            )
        names[end] = end.name
        used.add(end.name)
    for link, end in zip(node.links, ends, strict=True):
        if end in names:
            continue
        kind = KINDS[link.tunnel.kind] if link.tunnel else None
        prefix, number = (kind.prefix, kind.first) if kind else ("eth", 0)
        prefix = "bond" if link.bonds_at(node) else prefix
        while f"{prefix}{number}" in used:
            number += 1
        names[end] = f"{prefix}{number}"
        used.add(names[end])


def _tagged(node: Machine) -> Iterator[tuple[End, End]]:
    """Yield a node's ends with tags, each after that of its trunk."""
    for link in node.links:
        for part in link.attachments:
            if part is not link:
                yield link.end(node), part.end(node)


def _name_tagged(
    node: Machine,
    names: dict[End, str],
    earlier: dict[End, InterfacePlan],
    previous: Plan | None,
) -> None:
    used = {names[link.end(node)] for link in node.links}
    for whole, end in _tagged(node):
        before = None
        if previous is not None and whole in earlier:
            there = previous.node(node.name).interfaces
            above = (one for one in there if (one.parent, one.vlan) == (names[whole], end.vlan))
            before = next(above, None)
        if before:
            earlier[end] = before
        wanted = before.name if before else f"{names[whole]}.{end.vlan}"
        fits = len(wanted) <= IFNAME_LENGTH and wanted not in used
        names[end] = wanted if fits else _fit(wanted, used)
        used.add(names[end])


def _name_bridges(
    nodes: Iterable[Node], names: Mapping[End, str], previous: Plan | None
) -> dict[Switch, str]:
    earlier = {item.name: item.device for item in previous.switches} if previous else {}
    # Ports of an earlier plan live in the same namespace.
    used = {name for end, name in names.items() if isinstance(end.node, Switch)}
    used |= set(earlier.values())
    devices: dict[Switch, str] = {}
    for node in nodes:
        if isinstance(node, Switch):
            devices[node] = earlier.get(node.name) or _fit(node.name, used)
            used.add(devices[node])
    return devices


def _name_ports(links: Iterable[Link], names: dict[End, str], bridges: set[str]) -> None:
    used = bridges | {name for end, name in names.items() if isinstance(end.node, Switch)}
    for link in links:
        for end, other in (link.ends, link.ends[::-1]):
            if not isinstance(end.node, Switch) or end in names:
                continue
            if link.members and not link.bonds_at(end.node):
                # It is where the first of its links is, which stands before it.
                names[end] = names[link.members[0].end(end.node)]
                continue
            peer = end.node.name if isinstance(other.node, Switch) else names[other]
            names[end] = _fit(f"{other.node.name}-{peer}", used)
            used.add(names[end])


def _fit(wanted: str, used: set[str]) -> str:
    """Return `wanted` as a device's name that is not in `used`.

    Dots become hyphens, since a dot in a device's name confuses sysctl(8).

    """
    plain = wanted.replace(".", "-")
    if len(plain) <= IFNAME_LENGTH and plain not in used and not is_reserved_ifname(plain):
        return plain
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{wanted}\0{attempt}".encode()).hexdigest()[:6]
        name = f"{plain[: IFNAME_LENGTH - 7].rstrip('-')}-{digest}"
        if name not in used:
            return name
        attempt += 1


def _choose_macs(
    links: Iterable[Link],
    names: Mapping[End, str],
    earlier: Mapping[End, InterfacePlan],
    lab: str,
) -> dict[End, str]:
    ends = [end for link in links for end in link.ends if isinstance(end.node, Machine)]
    macs: dict[End, str] = {}
    owners: dict[str, End] = {}
    # Fixed addresses come first, so that derived ones can keep clear of them.
    for end in sorted(ends, key=lambda end: (end not in earlier, end.mac is None)):
        attempt = 0
        mac = earlier[end].mac or None if end in earlier else end.mac
        while mac is None or (end.mac is None and mac in owners):
            mac = derived_mac(lab, end.node.name, names[end], attempt)
            attempt += 1
        if mac in owners:
            first = owners[mac].node.name
            raise TopologyError(
                f"{first} and {end.node.name} have the same MAC address {mac}; "
                f"give each its own, or leave macs= out"
                if first != end.node.name
                else f"{first} has the MAC address {mac} on two links; give each its own"
            )
        owners[mac] = end
        macs[end] = mac
    return macs
