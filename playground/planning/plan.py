"""The plan: all that `Lab.start` will make, as frozen data.

A plan holds names, never process ids, and is the same for the same
declarations on every run.  It prints as JSON and is compared whole in tests.
Only the shapes live here; `planning.planner` decides what goes into them.

"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from playground.display.tables import Table, Tabular
from playground.errors import BadArgument, NoSuchNode
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.arguments import shown, tells_wrong_calls
from playground.model.containers.container import PLAIN_CONTAINER, ContainerSettings
from playground.model.containers.limits import NO_LIMITS, Limits
from playground.model.records import dataclass
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import row_of
from playground.planning.nft_text import make_ruleset
from playground.planning.placement.shapes import Placement
from playground.planning.plan_parts import (
    NO_FILTERS,
    AdvertisementPlan,
    AnnouncementPlan,
    DelegationPlan,
    FilterPlan,
    HostsEntry,
    InterfacePlan,
    NatPlan,
    NeighbourPlan,
    OwnRoutePlan,
    OwnRulePlan,
    RecordPlan,
    RoutePlan,
    RulesetPlan,
    StoppedNode,
    SwitchPlan,
    VirtualRouterPlan,
    VniPlan,
    VrfPlan,
    WirePlan,
    ZonePlan,
)

if TYPE_CHECKING:
    from playground.planning.plan_diff import PlanDiff


@dataclass(frozen=True)
class NodePlan:
    """One host or router: what runs in it, its interfaces, routes and names.

    ``sysctls`` stand in the order in which they are to be written, ``routes``
    in one in which they can be added.  ``records`` is the zone that a host with
    the dns service serves: its own view of the lab.  ``peers`` are nodes whose addresses its
    services need.  ``limits`` is what it may take of the machine.  ``as_number`` is that of the
    system of a router that speaks BGP, and ``bgp_paths`` how many equal ways it uses; ``nat`` and
    ``filters`` how it translates and filters.  ``container`` is what it was told of image,
    command, environment and their like, ``advertisements`` what a router tells of itself to IPv6,
    ``delegations`` the prefixes that it asks for.
    ``covered`` are networks that a protocol tells it of only as a part of
    greater ones, ``withheld`` those that policies keep from it.
    ``virtual_routers`` are addresses that it shares with others, ``vrfs`` its tables beside the
    main one, ``vnis`` its bridges that reach others by VXLAN, ``labelled`` the
    interfaces that take labels of MPLS, ``machine`` is the one of a swarm
    that it was told to run on.

    """

    name: str
    short: str
    kind: str  # "host" or "router"
    services: tuple[ServiceSettings, ...]
    interfaces: tuple[InterfacePlan, ...]
    routes: tuple[RoutePlan, ...]
    sysctls: tuple[tuple[str, str], ...]
    hosts: tuple[HostsEntry, ...]
    nameservers: tuple[Address, ...]
    search: tuple[str, ...]
    records: tuple[RecordPlan, ...] = ()
    limits: Limits = NO_LIMITS
    neighbours: tuple[NeighbourPlan, ...] = ()
    announced: tuple[AnnouncementPlan, ...] = ()
    as_number: int | None = None
    bgp_paths: int = 1
    own_routes: tuple[OwnRoutePlan, ...] = ()
    own_rules: tuple[OwnRulePlan, ...] = ()
    nat: NatPlan | None = None
    filters: FilterPlan = NO_FILTERS
    container: ContainerSettings = PLAIN_CONTAINER
    advertisements: tuple[AdvertisementPlan, ...] = ()
    delegations: tuple[DelegationPlan, ...] = ()
    covered: tuple[Network, ...] = ()
    withheld: tuple[Network, ...] = ()
    virtual_routers: tuple[VirtualRouterPlan, ...] = ()
    peers: tuple[HostsEntry, ...] = ()
    vrfs: tuple[VrfPlan, ...] = ()
    vnis: tuple[VniPlan, ...] = ()
    labelled: tuple[str, ...] = ()
    machine: str | None = None

    @property
    def daemons(self) -> frozenset[str]:
        """Names of its services that are ours, whose daemons an image brings."""
        return frozenset(item.service for item in self.services if not item.is_own)

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages of Debian that it needs for itself and for its services, sorted."""
        needed = {name for settings in self.services for name in row_of(settings).packages}
        return tuple(sorted(needed | {*self.container.packages}))

    @property
    def hostname(self) -> str:
        """Its own host name: its short name, unless another was given."""
        return self.container.hostname or self.short

    @property
    def rules(self) -> RulesetPlan:
        """All that it translates and filters."""
        return RulesetPlan(self.nat, self.filters)

    @property
    def ruleset(self) -> str:
        """The same as nft(8) commands, made anew each time; "" for none."""
        return make_ruleset(self.rules)

    def as_shell(self) -> str:
        """Return the commands that set up this node's network, as typed on the node itself.

        >>> print(lab.plan().node("h1").as_shell())
        ip link set dev lo up
        ...
        ip route replace default via 192.168.1.1 dev eth0

        """
        from playground.planning.shell_script import node_as_shell

        return node_as_shell(self)


@dataclass(frozen=True)
class PlanRow:
    """One interface of a plan as a row, with whose it is; ``interface`` is None without any."""

    node: str
    kind: str
    interface: str | None
    addresses: tuple[InterfaceAddress, ...]
    segment: str | None
    services: tuple[str, ...]


@tells_wrong_calls
@dataclass(frozen=True)
class Plan(Tabular):
    """All of a lab.  Nodes, switches and wires stand in the order declared.

    ``records`` is the zone of the first host with the dns service, ``zones`` the tree of those
    that authoritative servers have, from the root down.  One that is not
    ``strict`` takes what may be a mistake, and ``warnings`` says of what.  ``placement`` is the
    machine of each node, of a lab on a swarm, ``stopped`` are nodes without power.  It shows as a
    table of all interfaces; `to_json` shows everything.

    """

    lab: str
    ipv6: bool | str
    nodes: tuple[NodePlan, ...]
    switches: tuple[SwitchPlan, ...]
    wires: tuple[WirePlan, ...]
    records: tuple[RecordPlan, ...]
    strict: bool = True
    warnings: tuple[str, ...] = ()
    zones: tuple[ZonePlan, ...] = ()
    placement: Placement | None = None
    stopped: tuple[StoppedNode, ...] = ()

    def node(self, name: str) -> NodePlan:
        """Return the plan of the node with this full or short name, in any case.

        Raises `NoSuchNode`, which is a `KeyError`, if there is none.

        """
        try:
            # RFC 4343: names are compared without case.
            return self._by_name[name if name in self._by_name else name.lower()]
        except (KeyError, TypeError, AttributeError):  # the latter two: no name of anything
            raise NoSuchNode(f"the plan has no machine {shown(name)}") from None

    @cached_property
    def switch_names(self) -> frozenset[str]:
        """The names of all switches."""
        return frozenset(switch.name for switch in self.switches)

    @cached_property
    def stopped_names(self) -> frozenset[str]:
        """The full names of the nodes without power."""
        return frozenset(item.name for item in self.stopped)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The node that has each address; of one that several realms use, the last."""
        return {
            str(address.ip): node.name
            for node in self.nodes
            for interface in node.interfaces
            for address in interface.addresses
        }

    def table(self) -> Table[PlanRow]:
        """Return a row for each interface of each node."""
        return Table(
            PlanRow(
                node.name,
                node.kind,
                interface.name if interface else None,
                interface.addresses if interface else (),
                interface.segment if interface else None,
                tuple(settings.service for settings in node.services),
            )
            for node in self.nodes
            for interface in node.interfaces or (None,)
        )

    def __repr__(self) -> str:
        return f"<Plan of {self.lab}>\n{self.table()!r}"

    def with_wire(self, old: WirePlan, new: WirePlan) -> Plan:
        """Return this plan with one wire, this very object, changed."""
        wires = tuple(new if wire is old else wire for wire in self.wires)
        return self._with(wires=wires)

    def without_wire(self, wire: WirePlan) -> Plan:
        """Return this plan without one wire, this very object, and the interfaces at its ends.

        What is planned next on its base gives another link between the same nodes none
        of the names and addresses of this one.

        """
        gone = {(end.node, end.interface) for end in (wire.a, wire.b)}
        nodes = tuple(
            dataclasses.replace(
                node,
                interfaces=tuple(
                    i
                    for i in node.interfaces
                    if not {(node.name, i.name), (node.name, i.parent)} & gone
                ),
            )
            for node in self.nodes
        )
        wires = tuple(one for one in self.wires if one is not wire)
        return dataclasses.replace(self, nodes=nodes, wires=wires)

    def with_stopped(self, stopped: Iterable[StoppedNode]) -> Plan:
        """Return this plan with these nodes without power, as far as it has them."""
        there = {node.name for node in self.nodes}
        return dataclasses.replace(
            self, stopped=tuple(item for item in stopped if item.name in there)
        )

    def with_switch(self, new: SwitchPlan) -> Plan:
        """Return this plan with the switch of this name changed."""
        switches = tuple(new if one.name == new.name else one for one in self.switches)
        return self._with(switches=switches)

    def _with(self, **parts: Any) -> Plan:
        """Return this plan with other wires or switches between the same nodes.

        What was looked up in it once is not looked up again: a lab may have a thousand nodes.

        """
        changed = dataclasses.replace(self, **parts)
        for name in ("_by_name", "switch_names", "owners"):
            if name in self.__dict__:
                changed.__dict__[name] = self.__dict__[name]
        return changed

    @cached_property
    def _by_name(self) -> dict[str, NodePlan]:
        found: dict[str, NodePlan] = {}
        for node in self.nodes:
            found.setdefault(node.name, node)
            found.setdefault(node.short, node)
        for name, node in tuple(found.items()):
            found.setdefault(name.lower(), node)
        return found

    def to_data(self) -> dict[str, Any]:
        """Return the plan as dicts, lists and strings, ready for `json`.

        What several nodes share, such as their ``hosts``, is one list in it too.

        """
        return _plain(self, {})  # type: ignore[no-any-return]

    def as_shell(self) -> str:
        """Return the commands that make this network by hand: a script of sh(1), to be run as root.

        Every node is a network namespace of ip-netns(8), every switch a bridge; a plain
        machine with iproute2, procps and, for firewalls and NAT, nftables is enough.  Where FRR
        is installed, routing daemons are started too, with all that they are told: areas, prefix
        lists, route maps.  What other programs do is no part of it: services, DHCP.

        >>> print(lab.plan().as_shell())
        #!/bin/sh
        ...
        ip netns add h1
        ip netns add h2
        ...

        """
        from playground.planning.shell_script import as_shell

        return as_shell(self)

    def diff(self, before: Plan | None = None) -> PlanDiff:
        """Return what comes and goes on the way from another plan to this one.

        Without ``before`` that is what runs, if this is a running lab's `Lab.plan`; else
        nothing is there yet.  What follows from the rest, such as lines of /etc/hosts, is left
        out.  The `PlanDiff` is false where nothing differs.

        >>> Link(home, Host("h3"))
        >>> lab.plan().diff()
        change  node  kind     entry
        +       h3    node     host
        +       h3    address  10.0.1.4/24 dev eth0
        +             link     home h3-eth0 - h3 eth0

        """
        from playground.planning.plan_diff import plan_diff

        if before is not None and not isinstance(before, Plan):
            raise BadArgument(f"a plan is compared with a plan, and {shown(before)} is none")
        return plan_diff(before if before is not None else self.__dict__.get(_RUNNING), self)

    def beside(self, running: Plan | None) -> Plan:
        """Return this plan, which knows what runs: `diff` compares it with that."""
        changed = self._with()
        changed.__dict__[_RUNNING] = running
        return changed

    def to_json(self) -> str:
        """Return the plan as indented JSON text."""
        return json.dumps(self.to_data(), indent=2)


# Where a plan keeps what runs, which is no part of it.
_RUNNING = "_running"


# Of nearly all values, and told by their type alone: a plan of 1,000 hosts has 100,000.
_JSON = frozenset({str, int, bool, float, type(None)})


_field_names: dict[type[Any], tuple[str, ...]] = {}


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a dataclass's fields; () for what is none, or says itself what it is."""
    if kind not in _field_names:
        is_plain = dataclasses.is_dataclass(kind) and not issubclass(kind, ContainerSettings)
        fields = dataclasses.fields(kind) if is_plain else ()
        _field_names[kind] = tuple(field.name for field in fields)
    return _field_names[kind]


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Return a value as plain data; ``done`` holds the tuples already made lists, by id."""
    kind = type(value)
    if kind in _JSON:
        return value
    if names := _names_of(kind):
        return {name: _plain(getattr(value, name), done) for name in names}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, tuple):
        if id(value) not in done:
            done[id(value)] = [_plain(item, done) for item in value]
        return done[id(value)]
    if isinstance(value, ContainerSettings):
        return _plain(value.said(), done)
    if dataclasses.is_dataclass(value):
        return {}
    if isinstance(value, dict):
        return {key: _plain(item, done) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, done) for item in value]
    return str(value)
