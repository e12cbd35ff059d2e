"""Contents of a lab's picture: cards for its nodes, cables with labels, shaded realms.

Pure: a `Plan` and the realms that NAT divides it into go in, a `Diagram` comes out,
in which everything has its size and nothing a place yet (`pictures.layout`).

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from playground.model.impairment import Impairment
from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass
from playground.model.vlans import PortPlan
from playground.operations.network import Machine, Node, Router
from playground.operations.pictures.tree import access_vlans, subnets_of_switches
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.segments import find_segments
from playground.planning.broadcast_domains import ports_at
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan, SwitchPlan, WireEnd, WirePlan

# Sizes in pixels.  Every letter of the usual monospaced fonts is 0.6 em wide.  Names are
# shown in a bold sans-serif: widths as in Helvetica's, of narrow and wide letters apart.
NAME_PX, SMALL_PX = 13, 10.5
MONO_EM = 0.605
_NARROW, _WIDE = "fijlrtI.-", "mwMW"
_NARROW_EM, _USUAL_EM, _CAPITAL_EM, _WIDE_EM = 0.33, 0.6, 0.7, 0.87
ROW_PX = 15
CARD_PADDING_PX = 9
ICON_PX = 18
LABEL_PADDING_PX = 5
ARROW_PX = 13

# A node with so many addresses on one interface has the rest in its tooltip.
_MOST_ADDRESSES = 2

# At one end of a cable, and of the VLANs of a trunk.
_MOST_ROWS = 4


@dataclass(frozen=True)
class Card:
    """One node: ``kind`` is "host", "router", "nat" (a router that translates) or "switch".

    ``notes`` stand below its name: services of a host, subnets of a switch.  A host with
    one interface has that there too, and not at its cable.

    """

    name: str
    kind: str
    notes: tuple[str, ...]
    tooltip: str

    @property
    def size(self) -> tuple[float, float]:
        """Its width and height in pixels."""
        name = ICON_PX + 6 + name_width(self.name)
        notes = max((text_width(note) for note in self.notes), default=0)
        # The ends of a router's shape are round, those of a NAT router pointed.
        ends = {"router": 10, "nat": 16}.get(self.kind, 0)
        return (
            round(max(name, notes) + 2 * (CARD_PADDING_PX + ends)),
            ROW_PX * (1 + len(self.notes)) + 2 * CARD_PADDING_PX - 3,
        )


@dataclass(frozen=True)
class Cable:
    """One link: the text at each end, and how it is.

    ``a`` and ``b`` are names of nodes, ``a_rows`` and ``b_rows`` what is written of
    their interfaces ("eth0 10.1.1.1"; of a switch's port the VLANs, if any), ``note`` what is
    wrong with it, and the kind of a tunnel.  ``state`` is "up", "down", "impaired", "blocked"
    (by a spanning tree), or "tunnel" for one that is up.

    """

    a: str
    b: str
    a_rows: tuple[str, ...]
    b_rows: tuple[str, ...]
    state: str
    note: str
    tooltip: str

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The rows of its label: the end that each is of ("" for the note), and the text."""
        return (
            *(("a", row) for row in self.a_rows),
            *((("", self.note),) if self.note else ()),
            *(("b", row) for row in self.b_rows),
        )

    @property
    def two_ended(self) -> bool:
        """Whether it is to be said which row is of which end."""
        return bool(self.a_rows and self.b_rows)

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of its label in pixels; (0, 0) without any."""
        if not self.rows:
            return (0, 0)
        width = max(text_width(text) for _, text in self.rows)
        arrow = ARROW_PX if self.two_ended else 0
        return (
            round(width + arrow + 2 * LABEL_PADDING_PX),
            ROW_PX * len(self.rows) + 4,
        )


@dataclass(frozen=True)
class Region:
    """Nodes that share a NAT's inside, a machine or an area, and the numbers of their cables.

    ``word`` stands on its shade.

    """

    nodes: tuple[str, ...]
    cables: tuple[int, ...]
    word: str
    tooltip: str


@dataclass(frozen=True)
class Diagram:
    """All that a picture shows, in the order of the plan."""

    title: str
    cards: tuple[Card, ...]
    cables: tuple[Cable, ...]
    regions: tuple[Region, ...]


def name_width(name: str) -> float:
    """Return about how wide a node's name is, in pixels; in Helvetica and Arial a little less.

    >>> round(name_width("www.example.com"))
    124

    """
    return NAME_PX * sum(
        _NARROW_EM
        if letter in _NARROW
        else _WIDE_EM
        if letter in _WIDE
        else _CAPITAL_EM
        if letter.isupper()
        else _USUAL_EM
        for letter in name
    )


def text_width(text: str) -> float:
    """Return how wide a small monospaced text is, in pixels."""
    return len(text) * SMALL_PX * MONO_EM


@dataclass(frozen=True)
class Seen:
    """How a link is, as the kernel says.

    ``blocked`` is the switch that keeps it out of the spanning tree, "" for none.  The counts are
    bytes that have left toward each end.

    """

    up: bool = True
    toward_a: Impairment | None = None
    toward_b: Impairment | None = None
    blocked: str = ""
    bytes_to_a: int = 0
    bytes_to_b: int = 0


def make_diagram(
    plan: Plan,
    nodes: Sequence[Node] = (),
    seen: Mapping[tuple[WireEnd, WireEnd], Seen] = MappingProxyType({}),
    by_machine: bool = False,
) -> Diagram:
    """Return what a picture of a plan shows.

    ``nodes`` are its declarations, for realms; with ``by_machine`` the nodes of each machine of
    a swarm are shaded in place of these.  ``seen`` is how links are, by their ends;
    one that is not in it is shown as planned.  Services that every machine has (ssh) are told
    in the title, not at each.

    >>> make_diagram(lab.plan()).cards[0]
    Card(name='h1', kind='host', notes=('eth0 192.168.1.2',), tooltip='h1, a host...')

    """
    everywhere = set.intersection(*(set(_services(node)) for node in plan.nodes))
    if len(plan.nodes) < 2:
        everywhere = set()
    subnets, vlans = subnets_of_switches(plan), access_vlans(plan)
    ports = ports_at(plan)
    nodes_by_name = {node.name: node for node in plan.nodes}
    cards = (
        *(_node_card(node, everywhere, vlans.get(node.name)) for node in plan.nodes),
        *(_switch_card(switch, subnets.get(switch.name, ())) for switch in plan.switches),
    )

    def rows(end: WireEnd, other: WireEnd) -> tuple[str, ...]:
        if end.node in nodes_by_name:
            return _end_rows(nodes_by_name[end.node], end.interface)
        far = nodes_by_name.get(other.node)
        # The VLANs of a port stand in the card of a host that has nothing else.
        if far is not None and _is_alone(far):
            return ()
        return _port_rows(ports.get(end))

    cables = tuple(
        _cable(
            wire,
            seen.get((wire.a, wire.b), Seen(wire.up, wire.toward_a, wire.toward_b)),
            rows(wire.a, wire.b),
            # Both ends of a trunk between switches carry the same.
            () if {wire.a.node, wire.b.node} <= plan.switch_names else rows(wire.b, wire.a),
        )
        for wire in drawn(plan)
    )
    title = f"{plan.lab}: {len(plan.nodes)} machines, {len(cables)} links"
    if everywhere:
        title += f" ({', '.join(sorted(everywhere))} on every machine)"
    regions = _machines(plan) if by_machine else _regions(plan, nodes)
    return Diagram(title, cards, cables, tuple(regions))


def drawn(plan: Plan) -> list[WirePlan]:
    """Return the wires that are drawn: of a bond its links are, each by itself."""
    return [wire for wire in plan.wires if wire.bond is None]


def _services(node: NodePlan) -> list[str]:
    return [settings.label for settings in node.services]


def _is_alone(node: NodePlan) -> bool:
    """Tell whether a node is a host with one interface, which stands in its card."""
    return node.kind == "host" and len(_linked(node)) == 1


def _linked(node: NodePlan) -> list[InterfacePlan]:
    """Return the interfaces that a node has links at."""
    return [item for item in node.interfaces if not item.is_loopback]


def _node_card(node: NodePlan, everywhere: set[str], vlan: int | None) -> Card:
    kind = "nat" if node.nat and node.nat.uplinks else node.kind
    services = [name for name in _services(node) if name not in everywhere]
    vrfs = [f"VRF {vrf.name}" for vrf in node.vrfs]
    notes = _wrapped([*(["NAT"] if kind == "nat" else []), *vrfs, *services])
    for own in (item for item in node.interfaces if item.is_loopback):
        notes = [*_interface_rows(own), *notes]
    if _is_alone(node):
        access = [f"VLAN {vlan}"] if vlan is not None else []
        notes = [*_interface_rows(node.interfaces[0]), *access, *notes]
    what = {"nat": "a router that translates addresses (NAT)"}.get(kind, f"a {kind}")
    lines = [f"{node.name}, {what}"]
    lines += [
        f"{item.name}: {', '.join(map(str, item.addresses)) or 'no address'}, {item.mac}"
        + (", by SLAAC" if item.slaac else "")
        + (f", in the VRF {item.vrf}" if item.vrf else "")
        + (f", a port of VNI {item.vni}" if item.vni else "")
        for item in _linked(node)
    ]
    lines += [
        f"{item.name}: {', '.join(map(str, item.addresses))}"
        for item in node.interfaces
        if item.is_loopback
    ]
    lines += [
        f"{one.interface}: shares {one.address.ip} (VRRP, group {one.group}, "
        f"priority {one.priority})"
        for one in node.virtual_routers
    ]
    if node.services:
        lines.append(f"services: {', '.join(_services(node))}")
    return Card(node.name, kind, tuple(notes), "\n".join(lines))


def _wrapped(words: Sequence[str], width: int = 22) -> list[str]:
    """Put words into as few rows as hold them."""
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(word) + 3 <= width:
            rows[-1] += f" · {word}"
        else:
            rows.append(word)
    return rows


def _switch_card(switch: SwitchPlan, subnets: Sequence[str]) -> Card:
    word = "hub" if switch.settings.hub else "switch"
    notes = [*subnets[: _MOST_ADDRESSES + 1], *(["STP"] if switch.settings.stp else [])]
    notes += ["port security"] * any(guard.max_macs for guard in switch.guards)
    return Card(
        switch.name, "switch", tuple(notes), "\n".join([f"{switch.name}, a {word}", *subnets])
    )


def _interface_rows(interface: InterfacePlan) -> list[str]:
    """Return an interface's name and addresses, as rows of text."""
    addresses = [str(address.ip) for address in interface.addresses]
    first, *others = addresses or ["DHCP" if interface.dhcp else ""]
    if len(others) >= _MOST_ADDRESSES:
        others[_MOST_ADDRESSES - 1 :] = [f"and {len(others) - _MOST_ADDRESSES + 1} more"]
    vrf = [f"VRF {interface.vrf}"] if interface.vrf else []
    vrf += [f"VNI {interface.vni}"] if interface.vni else []
    return [f"{interface.name} {first}".rstrip(), *others, *vrf]


def _end_rows(node: NodePlan, name: str) -> tuple[str, ...]:
    """Return what stands at a cable's end of a node: its interface, or those of VLANs upon it."""
    if _is_alone(node):
        return ()
    # What a bond has stands at the first of its links.
    bonds = {item.bond.members[0]: item.name for item in node.interfaces if item.bond}
    name = bonds.get(name, name)
    upon = [interface for interface in node.interfaces if interface.parent == name]
    own = [interface for interface in node.interfaces if interface.name == name]
    rows = [row for interface in upon or own for row in _interface_rows(interface)]
    if len(rows) > _MOST_ROWS:
        rows[_MOST_ROWS - 1 :] = [f"and {len(rows) - _MOST_ROWS + 1} more"]
    return tuple(rows)


def _port_rows(port: PortPlan | None) -> tuple[str, ...]:
    """Return what a port of a switch with VLANs carries."""
    if port is None:
        return ()
    if not port.trunk:
        return (f"{'service' if port.service else 'VLAN'} {port.vlan}",)
    shown = ", ".join(map(str, port.trunk[:_MOST_ROWS]))
    native = () if port.vlan is None else (f"native {port.vlan}",)
    return (f"trunk {shown}" + (" …" if len(port.trunk) > _MOST_ROWS else ""), *native)


def _cable(wire: WirePlan, seen: Seen, a_rows: tuple[str, ...], b_rows: tuple[str, ...]) -> Cable:
    impaired = [
        (end.node, impairment)
        for end, impairment in ((wire.a, seen.toward_a), (wire.b, seen.toward_b))
        if impairment
    ]
    lines = [f"{wire.a.node} {wire.a.interface} — {wire.b.node} {wire.b.interface}"]
    lines += [f"toward {name}: {_words(impairment)}" for name, impairment in impaired]
    queued = [
        (end.node, queue)
        for end, queue in ((wire.a, wire.queue_a), (wire.b, wire.queue_b))
        if queue is not None
    ]
    lines += [f"queue toward {name}: {_queue_words(queue)}" for name, queue in queued]
    state, note = "up", ""
    if wire.tunnel is not None:
        state = "tunnel"
        lines.append(f"a tunnel of kind {wire.tunnel}: the links below carry its packets")
    if wire.member:
        lines.append("a link of a bond: what the bond has stands at the first of them")
    if not seen.up:
        state = note = "down"
        lines.append("down: no frame passes")
    elif seen.blocked:
        state = note = "blocked"
        lines.append(f"blocked by {seen.blocked}: it would close a ring of the spanning tree")
    elif impaired:
        state, note = "impaired", impairment_note(impaired)
    if queued and seen.up:
        kinds = {queue.name for _, queue in queued}
        note = ", ".join(filter(None, (note, kinds.pop() if len(kinds) == 1 else "queues")))
    note = ", ".join(filter(None, (wire.tunnel, "bond" if wire.member else "", note)))
    return Cable(wire.a.node, wire.b.node, a_rows, b_rows, state, note, "\n".join(lines))


def impairment_note(impaired: Sequence[tuple[str, Impairment]]) -> str:
    """Return in a few words what a link's frames suffer on their way to these nodes.

    >>> impairment_note([("h1", Impairment(delay_ms=20))])
    '20 ms to h1'

    """
    if not impaired:
        return ""
    first = _words(impaired[0][1])
    if len(impaired) == 2:
        second = _words(impaired[1][1])
        return first if first == second else "impaired"
    return f"{first} to {impaired[0][0]}"


def _queue_words(queue: LinkQueue) -> str:
    """Return the kind of a queue, and the names of its classes of traffic.

    >>> _queue_words(Queue("fq_codel"))
    'fq_codel'

    """
    names = ", ".join(queue.class_names().values())
    return f"{queue.name}: {names}" if names else queue.name


def _words(impairment: Impairment) -> str:
    """Return the most telling of what an impairment does.

    >>> _words(Impairment(delay_ms=20, loss_percent=1))
    '20 ms, 1 % loss'

    """
    said = [
        (impairment.delay_ms, "{:g} ms"),
        (impairment.loss_percent, "{:g} % loss"),
        (impairment.rate_mbit, "{:g} Mbit/s"),
        (impairment.duplicate_percent, "{:g} % twice"),
        (impairment.corrupt_percent, "{:g} % corrupt"),
        (impairment.reorder_percent, "{:g} % early"),
    ]
    return ", ".join(form.format(value) for value, form in said if value) or "impaired"


def _regions(plan: Plan, nodes: Iterable[Node]) -> Iterable[Region]:
    """Yield the insides of NAT routers, as `addresses.nat_realms` finds them."""
    nodes = tuple(nodes)
    planned = {node.name for node in plan.nodes} | plan.switch_names
    if not any(isinstance(node, Router) and node.uplinks for node in nodes):
        return
    for realm in find_realms(find_segments(nodes)).all:
        if not realm.exits:
            continue
        names: dict[str, None] = {router.name: None for router in realm.exits}
        links = set()
        for segment in realm.segments:
            names |= {switch.name: None for switch in segment.switches}
            # A router whose own outside this is belongs to the realm behind it.
            for link in segment.links:
                for end in link.ends:
                    outside = isinstance(end.node, Router) and link in end.node.uplinks
                    if isinstance(end.node, Machine) and not outside:
                        names[end.node.name] = None
            links |= {frozenset(end.node.name for end in link.ends) for link in segment.links}
        cables = tuple(
            number
            for number, wire in enumerate(drawn(plan))
            if frozenset((wire.a.node, wire.b.node)) in links
            and {wire.a.node, wire.b.node} <= names.keys()
        )
        exits = ", ".join(router.name for router in realm.exits)
        yield Region(
            tuple(name for name in names if name in planned),
            cables,
            "behind NAT",
            f"behind the NAT of {exits}: these addresses mean nothing outside",
        )


def _machines(plan: Plan) -> Iterable[Region]:
    """Yield the nodes of each machine of a swarm, and the cables that do not leave it."""
    if plan.placement is None:
        return
    machines = plan.placement.machines
    for machine in dict.fromkeys(machines.values()):
        cables = tuple(
            number
            for number, wire in enumerate(drawn(plan))
            if machines[wire.a.node] == machines[wire.b.node] == machine
        )
        names = tuple(name for name, place in machines.items() if place == machine)
        yield Region(names, cables, machine, f"on the machine {machine}")
