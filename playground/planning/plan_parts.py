"""Shapes of the parts of a plan: interfaces, routes, rules, switches, wires, as frozen data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv6Address, IPv6Network

from playground.display.tables import Table, Tabular
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.impairment import Impairment
from playground.model.ipv6.slaac import SLAAC
from playground.model.kernel.bonds import BondPlan
from playground.model.kernel.tunnels import TunnelEnd
from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass
from playground.model.switch_ports import PortSettingsPlan
from playground.model.switches import PLAIN, MirrorPlan, SwitchSettings
from playground.model.switching.port_guards import PortGuardPlan
from playground.model.vlans import PortPlan

# Linux's name of the interface that leads to nobody else.
LOOPBACK = "lo"


# Of a router that translates IPv6 to IPv4.
NAT64_INTERFACE = "nat64"

# Of a resolv.conf, for whoever reads it.
NO_NAME_SERVER = "# This lab has no name server: /etc/hosts has every name.\n"


@dataclass(frozen=True)
class InterfacePlan:
    """One network interface inside a host or router.

    ``segment`` names what it is plugged into: the switch, or the two nodes of
    the link.  With ``dhcp`` it asks a server for its IPv4 address, with ``slaac`` it makes its
    IPv6 address of what a router tells it; one that is ``delegated`` has a part of the prefix
    that its router is given.  One with a ``vlan``
    stands upon ``parent``, and its frames leave by that with the VLAN's tag.  What leaves by
    one with a ``tunnel`` is put into packets to the tunnel's other end, and by one with a ``bond``
    leaves by one of the bond's members.  One in a ``vrf`` has its routes in that table alone;
    one with a ``vni`` is a port of that VNI's bridge.

    """

    name: str
    mac: str  # "" where it carries bare packets
    addresses: tuple[InterfaceAddress, ...]
    mtu_bytes: int
    offload: bool
    segment: str
    dhcp: bool = False
    vlan: int | None = None
    parent: str | None = None
    slaac: SLAAC | None = None
    dhcpv6: bool = False
    delegated: bool = False
    tunnel: TunnelEnd | None = None
    vrf: str | None = None
    bond: BondPlan | None = None
    vni: int | None = None

    @property
    def of_others(self) -> bool:
        """Whether its IPv6 addresses, and its ways by IPv6, come from others."""
        return self.slaac is not None or self.dhcpv6

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to nobody else, and holds addresses of the node's own."""
        return self.name == LOOPBACK

    def as_shell(self) -> tuple[str, ...]:
        """Return the commands by which its node makes it (ip-link(8)); none for a cable's."""
        if self.tunnel is not None:
            return tuple(self.tunnel.as_shell(self.name, self.mtu_bytes, self.mac))
        if self.bond is not None:
            return tuple(self.bond.as_shell(self.mtu_bytes, self.mac))
        if self.vlan is not None:
            return (f"ip link add link {self.parent} name {self.name} type vlan id {self.vlan}",)
        return ()


class Interfaces(dict[str, InterfacePlan], Tabular):
    """The interfaces of one node by name; a table of them in a notebook, and as text."""

    def table(self) -> Table[InterfacePlan]:
        """Return a row for each interface."""
        return Table(self.values())

    def __repr__(self) -> str:
        return repr(self.table())


# linux/rtnetlink.h: RT_TABLE_MAIN
MAIN_TABLE = 254


@dataclass(frozen=True)
class VrfPlan:
    """A table of routes of a router's own, and the interface that stands for it.

    ``as_number`` is that of the system that it speaks BGP for.

    """

    name: str
    table: int
    as_number: int | None = None

    def as_shell(self) -> tuple[str, ...]:
        """Return the commands that make it (ip-vrf(8)).

        >>> VrfPlan("blue", 1001).as_shell()[0]
        'ip link add blue type vrf table 1001'

        """
        lines = [
            f"ip link add {self.name} type vrf table {self.table}",
            f"ip link set dev {self.name} up",
        ]
        for word in ("ip", "ip -6"):
            # What the VRF has no way to is not looked up in the main table after that.
            lines.append(
                f"{word} route add table {self.table} unreachable default metric {UNREACHABLE}"
            )
        return tuple(lines)


@dataclass(frozen=True)
class VniPlan:
    """A bridge of a router's own, whose frames reach others of the same VNI by VXLAN.

    Packets leave from the address ``local``.

    """

    number: int
    local: Address
    mtu_bytes: int

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return bridge_of(self.number)

    @property
    def device(self) -> str:
        """The name of the bridge's port that leads to the others."""
        return f"vni{self.number}"

    def as_shell(self) -> tuple[str, ...]:
        """Return the commands that make it (ip-link(8), bridge(8)); BGP tells it of the others.

        >>> VniPlan(100, ip_address("10.10.10.1"), 1500).as_shell()[0]
        'ip link add br100 type bridge forward_delay 0 mcast_snooping 0'

        """
        return (
            f"ip link add {self.bridge} type bridge forward_delay 0 mcast_snooping 0",
            f"ip link add {self.device} mtu {self.mtu_bytes} type vxlan id {self.number} "
            f"local {self.local} dstport {VXLAN_PORT} nolearning",
            f"ip link set dev {self.device} master {self.bridge} up",
            f"bridge link set dev {self.device} learning off",
            f"ip link set dev {self.bridge} up",
        )


def bridge_of(vni: int) -> str:
    """Return the name of a VNI's bridge.

    >>> bridge_of(100)
    'br100'

    """
    return f"br{vni}"


# RFC 7348 section 5
VXLAN_PORT = 4789

# As a metric it is the last; the number is that of the kernel's Documentation/networking/vrf.
UNREACHABLE = 4278198272


@dataclass(frozen=True)
class RoutePlan:
    """One static route; ``via`` is None for an address on the link itself.

    One by a VRF's interface leads to what that VRF's table says.

    """

    destination: Network
    via: Address | None
    interface: str
    table: int = MAIN_TABLE


@dataclass(frozen=True)
class DelegatedLink:
    """An interface with the part of a prefix that has this number, and its own number in it."""

    interface: str
    part: int
    number: int


@dataclass(frozen=True)
class DelegationPlan:
    """A prefix that a router asks for on ``interface``, and what it makes of it."""

    interface: str
    prefix: IPv6Network
    to: tuple[DelegatedLink, ...]


@dataclass(frozen=True)
class AdvertisementPlan:
    """The advertisement of a router on one of its interfaces (RFC 4861 section 4.2)."""

    interface: str
    prefixes: tuple[IPv6Network, ...]
    managed: bool = False
    other: bool = False
    autonomous: bool = True
    lifetime_s: int = 1800
    rdnss: tuple[IPv6Address, ...] = ()
    dnssl: tuple[str, ...] = ()
    preference: str = "medium"


@dataclass(frozen=True)
class HostsEntry:
    """One line of /etc/hosts: an address and the names that mean it."""

    address: Address
    names: tuple[str, ...]


@dataclass(frozen=True)
class UplinkPlan:
    """One interface out of which a router translates addresses.

    ``address`` is the one that packets get, None for the interface's own.
    ``kind`` is "port-restricted", "full-cone" or "symmetric" (RFC 3489 section 5),
    ``ports`` the first and last port that it may choose.  With ``clamp_mss`` TCP learns
    segments that fit the smallest MTU of the way.

    """

    interface: str
    address: Address | None = None
    kind: str = "port-restricted"
    ports: tuple[int, int] | None = None
    clamp_mss: bool = False


@dataclass(frozen=True)
class ForwardPlan:
    """One forward as addresses: what comes to ``addresses`` at ``port`` goes ``to``.

    With ``last_port`` all ports of a range do, and keep their numbers.

    """

    interface: str
    addresses: tuple[Address, ...]
    protocol: str
    port: int
    to: Address
    to_port: int
    last_port: int | None = None
    hairpin: bool = True

    def takes(self, protocol: str, port: int) -> bool:
        """Tell whether a port outside is this forward's."""
        return self.protocol == protocol and self.port <= port <= (self.last_port or self.port)


@dataclass(frozen=True)
class PairPlan:
    """One-to-one NAT: the address ``outside`` stands for ``inside``, both ways."""

    interface: str
    outside: Address
    inside: Address


@dataclass(frozen=True)
class NatPlan:
    """How a router translates; ``helpers`` are those of nf_conntrack, such as "ftp"."""

    uplinks: tuple[UplinkPlan, ...]
    forwards: tuple[ForwardPlan, ...] = ()
    one_to_one: tuple[PairPlan, ...] = ()
    helpers: tuple[str, ...] = ("ftp",)

    @property
    def opens(self) -> bool:
        """Tell whether anything that begins outside is let in."""
        cone = any(uplink.kind == "full-cone" for uplink in self.uplinks)
        return bool(self.forwards or self.one_to_one or cone)


PortRange = tuple[int, int]


@dataclass(frozen=True)
class RulePlan:
    """One firewall rule with addresses and interfaces for the nodes and links it names.

    What is empty, or None, matches all.  No network of ``sources`` or of
    ``destinations`` lies within another; ``ports`` and ``source_ports`` are pairs of
    the first and the last port, which do not overlap.  ``log_prefix`` is what a "log"
    rule puts before each packet.

    """

    number: int
    chain: str
    verdict: str  # "accept", "drop", "reject" or "log"
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    interfaces: tuple[str, ...] = ()
    out_interfaces: tuple[str, ...] = ()
    protocol: str | None = None
    ports: tuple[PortRange, ...] = ()
    source_ports: tuple[PortRange, ...] = ()
    states: tuple[str, ...] = ()
    rate: str | None = None
    over: str | None = None
    burst: int | None = None
    comment: str = ""
    log_prefix: str = ""

    def __hash__(self) -> int:
        # Enough to tell a node's rules apart: that of all fields takes ten times as long.
        return hash((self.number, self.chain))

    @property
    def families(self) -> tuple[int, ...]:
        """The versions of IP that its addresses leave: 4, 6, both or none."""
        left = {4, 6}
        for side in (self.sources, self.destinations):
            if side:
                left.intersection_update([network.version for network in side])
        return tuple(sorted(left))


@dataclass(frozen=True)
class DefaultPlan:
    """A chain's default: its verdict on packets that no rule took, and on known connections."""

    chain: str
    verdict: str
    established: bool = True


@dataclass(frozen=True)
class FilterPlan:
    """A node's firewall: rules in their order, a default for some chains."""

    rules: tuple[RulePlan, ...] = ()
    defaults: tuple[DefaultPlan, ...] = ()

    def default(self, chain: str) -> DefaultPlan | None:
        """Return the default of a chain; None where nothing was said."""
        return next((item for item in self.defaults if item.chain == chain), None)

    def __bool__(self) -> bool:
        return bool(self.rules or self.defaults)


NO_FILTERS = FilterPlan()


@dataclass(frozen=True)
class RulesetPlan:
    """All that one node translates and filters; false where it does neither."""

    nat: NatPlan | None = None
    filters: FilterPlan = NO_FILTERS

    def __bool__(self) -> bool:
        return self.nat is not None or bool(self.filters)


@dataclass(frozen=True)
class NeighbourPlan:
    """Another router that a router's daemon speaks to through one of its interfaces.

    ``interface`` is the router's own, ``peer_interface`` and ``address`` are the
    other's.  ``cost`` is that of going there, in the protocol's own measure: OSPF's
    cost, RIP's hops, BGP's systems passed.  With ``unnumbered`` the link has no addresses but
    link-local ones of IPv6, and routes of IPv4 lead over them (RFC 8950).

    """

    protocol: str
    interface: str
    node: str
    peer_interface: str
    address: Address
    cost: int
    unnumbered: bool = False

    @property
    def version(self) -> int:
        """The version of IP whose routes it tells of."""
        return 4 if self.unnumbered else self.address.version


@dataclass(frozen=True)
class VirtualRouterPlan:
    """An address that a router shares on one of its interfaces with others of its group.

    ``track`` are other interfaces with what the priority loses while one carries nothing, None
    where the router gives the address up then.

    """

    interface: str
    group: int
    address: InterfaceAddress
    priority: int
    preempt: bool
    preempt_delay_s: float
    interval_ms: int
    track: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True)
class AnnouncementPlan:
    """A prefix that a router's daemon tells others of.

    ``interface`` is the one that it is on, None for what a static route leads to, in the table
    of a ``vrf`` or the main one.

    """

    network: Network
    interface: str | None
    cost: int
    vrf: str | None = None


@dataclass(frozen=True)
class HopPlan:
    """One way of a route by hand; ``via`` is None for the link itself."""

    via: Address | None
    interface: str


@dataclass(frozen=True)
class OwnRoutePlan:
    """One route that was said by hand; several ``hops`` share what is sent.

    ``kind`` and ``table`` are those of ip-route(8), the table as a number.

    """

    destination: Network
    hops: tuple[HopPlan, ...]
    metric: int | None
    kind: str
    table: int


@dataclass(frozen=True)
class OwnRulePlan:
    """One rule of policy routing, ip-rule(8), for one family."""

    family: int
    priority: int
    source: Network | None
    destination: Network | None
    interface: str | None
    mark: int | None
    table: int


@dataclass(frozen=True)
class SwitchPlan:
    """One switch: a bridge called ``device`` in the lab's own namespace.

    ``ports`` are those of one with VLANs, in the order of its links.  ``guards`` are those of
    ports that learn or flood no more than was said, ``bonds`` ports that are made of several.
    One that is ``qinq`` has tags of its own kind, within which are those of others.

    """

    name: str
    device: str
    settings: SwitchSettings = PLAIN
    mirror: MirrorPlan | None = None
    vlans: tuple[int, ...] = ()
    ports: tuple[PortPlan, ...] = ()
    port_settings: tuple[PortSettingsPlan, ...] = ()
    guards: tuple[PortGuardPlan, ...] = ()
    bonds: tuple[BondPlan, ...] = ()
    qinq: bool = False

    @property
    def bonded(self) -> frozenset[str]:
        """What is plugged in here as a member of a bond, and is no port by itself."""
        return frozenset(member for bond in self.bonds for member in bond.members)

    def guards_anew(self, new: SwitchPlan) -> tuple[PortGuardPlan, ...]:
        """Return the guards that are others in the new plan, or of ports in other VLANs there."""
        moved = {item.port for item in self.moved(new)}
        return tuple(item for item in new.guards if item not in self.guards or item.port in moved)

    def unguarded(self, new: SwitchPlan) -> tuple[PortGuardPlan, ...]:
        """Return the guards of ports that have none in the new plan: some are gone."""
        there = {item.port for item in new.guards}
        return tuple(item for item in self.guards if item.port not in there)

    def set_anew(self, new: SwitchPlan) -> tuple[PortSettingsPlan, ...]:
        """Return the settings of ports that are others in the new plan."""
        return tuple(item for item in new.port_settings if item not in self.port_settings)

    def usual_again(self, new: SwitchPlan) -> tuple[PortSettingsPlan, ...]:
        """Return the usual settings of ports of which the new plan says nothing: some are gone."""
        there = {item.port for item in new.port_settings}
        gone = (item for item in self.port_settings if item.port not in there)
        return tuple(PortSettingsPlan(item.port) for item in gone)

    def moved(self, new: SwitchPlan) -> tuple[PortPlan, ...]:
        """Return the ports that are there in both plans, and carry other VLANs in the new one."""
        before = {item.port: item for item in self.ports}
        return tuple(item for item in new.ports if before.get(item.port, item) != item)

    def as_shell(self) -> tuple[str, ...]:
        """Return the commands that make such a switch of a plain bridge."""
        lines = [self.settings.as_shell(self.device)] if self.settings != PLAIN else []
        if self.vlans:
            # Without a default every port would be in VLAN 1 too.
            filtering = "vlan_filtering 1 vlan_default_pvid 0"
            filtering += " vlan_protocol 802.1ad" if self.qinq else ""
            lines.append(f"ip link set dev {self.device} type bridge {filtering}")
        for bond in self.bonds:
            lines += [*bond.as_shell(), f"ip link set dev {bond.name} master {self.device}"]
        lines += [line for port in self.ports for line in port.as_shell()]
        lines += [line for port in self.port_settings for line in port.as_shell()]
        lines += [line for guard in self.guards for line in guard.as_shell()]
        return (*lines, *(self.mirror.as_shell() if self.mirror else ()))


@dataclass(frozen=True)
class WireEnd:
    """One end of a veth pair.

    On a host or router ``interface`` is the name seen inside it; on a switch it
    is the port's name in the lab's own namespace.

    """

    node: str
    interface: str


@dataclass(frozen=True)
class WirePlan:
    """One link, whether it is plugged in, and what happens to frames toward an end.

    It is a veth pair, or with ``tunnel`` the two ends of a tunnel of that kind, or with ``bond``
    those of a bond of that mode; a ``member`` is one of a bond's links.  ``queue_a`` is where
    frames toward ``a`` wait, at the other end.

    """

    a: WireEnd
    b: WireEnd
    mtu_bytes: int
    offload: bool
    up: bool = True
    toward_a: Impairment | None = None
    toward_b: Impairment | None = None
    mtus: tuple[int, int] | None = None
    tunnel: str | None = None
    queue_a: LinkQueue | None = None
    queue_b: LinkQueue | None = None
    bond: str | None = None
    member: bool = False

    @property
    def is_cable(self) -> bool:
        """Whether it is a pair of interfaces of its own."""
        return self.tunnel is None and self.bond is None

    @property
    def kind(self) -> str | None:
        """What of it an earlier plan must have too, that it is the same: None for a plain cable."""
        return "a bond's" if self.member else self.bond or self.tunnel

    @property
    def both_mtus(self) -> tuple[int, int]:
        """The MTU of each end; ``mtus`` is None where they are the same."""
        return self.mtus or (self.mtu_bytes, self.mtu_bytes)

    @property
    def pair(self) -> tuple[WireEnd, WireEnd, tuple[int, int], bool, str | None]:
        """The parts that stay as long as it is there; all else may change."""
        return self.a, self.b, self.both_mtus, self.offload, self.kind

    def end_at(self, node: str, interface: str) -> WireEnd | None:
        """Return the end that is this interface; None: neither is."""
        return next((end for end in (self.a, self.b) if end == WireEnd(node, interface)), None)

    def cut(self, switches: Collection[str]) -> tuple[WireEnd, ...]:
        """Return the ends that are set down where it is unplugged: at a switch, or both.

        A host at a switch so keeps its addresses and routes, as with a real cable.

        """
        return tuple(end for end in (self.a, self.b) if end.node in switches) or (self.a, self.b)

    def as_shell(
        self, switches: Collection[str], by: Sequence[Sequence[str]] = ((), ())
    ) -> tuple[str, ...]:
        """Return the commands that change a plain pair into this one, each after its place."""
        lines = []
        if not self.up:
            cut = self.cut(switches)
            lines += [f"{end.node}: ip link set dev {end.interface} down" for end in cut]
        toward = ((self.toward_a, self.queue_a, self.b), (self.toward_b, self.queue_b, self.a))
        for (impairment, queue, leaves), ways in zip(toward, by, strict=True):
            shown: Sequence[str] = ()
            if queue:
                from playground.model.queues import direction

                here = leaves.interface
                shown = direction.as_shell(impairment, queue, here, ways, self.mtu_bytes)
            elif impairment:
                shown = impairment.as_done(leaves.interface, ways, self.mtu_bytes)
            lines += [f"{leaves.node}: {line}" for line in shown]
        return tuple(lines)


@dataclass(frozen=True)
class StoppedNode:
    """A node without power; ``programs`` of the user's own run again when it has it back."""

    name: str
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordPlan:
    """One DNS record, as in a zone file: owner, type, data (RFC 1035)."""

    name: str
    type: str
    data: str


@dataclass(frozen=True)
class ZonePlan:
    """One zone of the lab's tree of names; ``name`` has its last dot, and is "." for the root.

    ``primaries`` and ``secondaries`` are the nodes that serve it, ``servers`` the names in
    its NS records, the first of them in its SOA.  ``records`` are all others, without their last
    dots: of its own, and delegations with glue.  ``signed_below`` are the signed zones to which
    a signed zone delegates.  ``serial`` grows by one whenever the zone changes.

    """

    name: str
    primaries: tuple[str, ...]
    secondaries: tuple[str, ...]
    servers: tuple[str, ...]
    records: tuple[RecordPlan, ...]
    ttl_s: int = 3600
    signed: bool = False
    signed_below: tuple[str, ...] = ()
    parent: str | None = None
    transfer: bool = False
    serial: int = 1
