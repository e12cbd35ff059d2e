"""Routes, policy rules and sysctls that are set by hand: declarations, live too.

`Steering` is the part of a host or router that takes them.  What a node is told
before its lab runs is part of the plan; what it is told later is done at once.

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any, Protocol

from playground.errors import TopologyError
from playground.model.addresses import Address, Network, address_from, network_from
from playground.model.arguments import check_mapping, is_whole, shown
from playground.model.parts import LinkBase, MachineBase, SwitchBase, taken_or_undone
from playground.model.records import dataclass

KINDS = ("unicast", "blackhole", "unreachable", "prohibit")

# Tables that a number may name: 253 to 255 are "default", "main" and "local".
_TABLES = range(1, 2**31)
_KEPT_TABLES = (0, 253, 254, 255)
# Above those that Linux makes by itself only the rule of the table "local", 0.
_FIRST_PRIORITY = 1000


@dataclass(frozen=True, eq=False)
class OwnRoute:
    """A route that a node was told by hand; `remove` takes it back.

    ``via`` holds gateways: addresses, or nodes that are on a link with it; none
    for what is on the link itself, or goes nowhere.

    """

    node: Steering
    destination: Network
    via: tuple[Address | MachineBase, ...]
    link: LinkBase | None
    metric: int | None
    kind: str
    table: int | None

    def remove(self) -> None:
        """Take the route back, at once if the lab runs; a second time does nothing."""
        routes = self.node.own_routes
        self.node.steer(routes=[item for item in routes if item is not self])


@dataclass(frozen=True, eq=False)
class OwnRule:
    """A rule of policy routing that a node was told; `remove` takes it back.

    ``source`` and ``destination`` are ranges of addresses; a host or router stands for its own.

    """

    node: Steering
    priority: int
    table: int
    source: Network | MachineBase | None
    destination: Network | MachineBase | None
    link: LinkBase | None
    mark: int | None

    def remove(self) -> None:
        """Take the rule back, at once if the lab runs; a second time does nothing."""
        rules = self.node.own_rules
        self.node.steer(rules=[item for item in rules if item is not self])


class TableOfLinks(Protocol):
    """A table of routes for some of a node's links."""

    @property
    def table(self) -> int: ...

    @property
    def links(self) -> Sequence[LinkBase]: ...


class Steering(MachineBase):
    """Routes and rules that hosts and routers are given by hand.

    ``own_routes`` and ``own_rules`` hold it in order, ``own_sysctls`` the settings.  ``vrfs``
    are the tables that some of a router's links have for themselves, by their names.

    """

    vrfs: Mapping[str, TableOfLinks] = MappingProxyType({})
    own_routes: list[OwnRoute]
    own_rules: list[OwnRule]
    own_sysctls: dict[str, str]

    def _begin_steering(self, sysctls: Mapping[str, object] | None) -> None:
        self.own_routes = []
        self.own_rules = []
        self.own_sysctls = {}
        given = {} if sysctls is None else sysctls
        example = 'sysctls={"net.ipv4.ip_forward": 1}'
        for name, value in check_mapping(
            f"{self.name}: sysctls", given, example, TopologyError
        ).items():
            self.own_sysctls |= check_sysctl(self.name, name, value)

    def route(
        self,
        destination: str | Network,
        via: str | Address | MachineBase | Sequence[Any] | None = None,
        *,
        link: LinkBase | None = None,
        metric: int | None = None,
        kind: str = "unicast",
        table: int | None = None,
        vrf: str | None = None,
    ) -> OwnRoute:
        """Add a route by hand; it takes the place of the lab's own to the same destination.

        ``destination`` is a range, or "default".  ``via`` is the gateway: an
        address, or a node that is on a link with this one; several share what is
        sent (equal-cost paths).  Without ``via`` all of the destination is on
        ``link`` itself; with it, ``link`` says by which link the gateway is reached.
        The gateway of an IPv4 route may have an IPv6 address (RFC 8950); "default" is
        IPv6's then, and IPv4's is "0.0.0.0/0".
        Of two routes to one destination that with the lower ``metric`` counts, and
        none is the lowest in IPv4.  ``kind`` is "unicast", or "blackhole"
        (packets vanish), "unreachable" or "prohibit" (the sender is told).  ``table``
        is a number that a `policy_rule` names; ``vrf`` is the name of a router's VRF, whose
        table and links it is for.

        Before the lab starts the route becomes part of its plan; afterwards it is
        there when this returns.  Raises `TopologyError` for what cannot be, and
        then nothing has changed.

        >>> r1.route("10.9.0.0/16", via=[r2, r3])
        >>> r1.route("10.66.0.0/16", kind="blackhole")
        >>> r1.route("10.2.0.0/24", via="fe80::ff:fe00:2", link=middle)
        >>> backup = r1.route("default", via="203.0.113.2", metric=200)
        >>> backup.remove()

        """
        here = f"{self.name}: route to {destination}"
        network, gateways = _destination(here, destination, via)
        _check_link(here, self, link)
        if kind not in KINDS:
            raise TopologyError(
                f"{here}: kind={kind!r} is not known; use one of {', '.join(KINDS)}"
            )
        if kind != "unicast" and (gateways or link):
            raise TopologyError(f"{here}: a {kind} route leads nowhere; leave via and link out")
        if kind == "unicast" and not gateways and link is None:
            raise TopologyError(f"{here} needs a gateway: write via=, or link= for the link itself")
        _check_number(here, "metric", metric, range(1, 2**32))
        _check_table(here, table)
        table = self._table_of(here, table, link, vrf)
        made = OwnRoute(self, network, gateways, link, metric, kind, table)
        place = (network, metric, table)
        others = [r for r in self.own_routes if (r.destination, r.metric, r.table) != place]
        self.steer(routes=[*others, made])
        return made

    def _table_of(
        self, here: str, table: int | None, link: LinkBase | None, vrf: str | None
    ) -> int | None:
        """Return the table of a route; that of a link of a VRF is the VRF's."""
        if vrf is not None and (not isinstance(vrf, str) or vrf not in self.vrfs):
            known = ", ".join(self.vrfs) or "none"
            raise TopologyError(f"{here}: {self.name} has no VRF {shown(vrf)} (it has: {known})")
        if vrf is not None and table is not None:
            raise TopologyError(f"{here}: a VRF has a table of its own; leave vrf= or table= out")
        of_link = next((name for name, one in self.vrfs.items() if link in one.links), None)
        if link is not None and vrf is not None and of_link != vrf:
            raise TopologyError(
                f"{here}: {link!r} is not in the VRF {vrf}; leave link= or vrf= out"
            )
        if of_link is not None and vrf is None and table is None:
            vrf = of_link
        return table if vrf is None else self.vrfs[vrf].table

    def policy_rule(
        self,
        *,
        table: int,
        source: str | Network | MachineBase | None = None,
        destination: str | Network | MachineBase | None = None,
        link: LinkBase | None = None,
        mark: int | None = None,
        priority: int | None = None,
    ) -> OwnRule:
        """Let some packets be routed by another table than "main".

        Those from ``source``, to ``destination``, that came in by ``link``, that the
        firewall has given ``mark``; all that is said must be true.  A host or router as
        ``source`` or ``destination`` stands for all its addresses.  Rules are asked
        in the order of their ``priority``, the lowest first: by default that in
        which they were declared, from 1000 on.  Raises `TopologyError` for what
        cannot be.

        >>> r1.route("default", via=slow_isp, table=100)
        >>> r1.policy_rule(source="192.168.2.0/24", table=100)
        >>> r1.policy_rule(source=h1, table=100)

        """
        here = f"{self.name}: policy rule for table {table}"
        _check_table(here, table)
        if table is None or (source, destination, link, mark) == (None, None, None, None):
            raise TopologyError(
                f"{here} must say which packets it is for: source=, destination=, link= or mark="
            )
        _check_link(here, self, link)
        _check_number(here, "mark", mark, range(1, 2**32))
        _check_number(here, "priority", priority, range(1, 32766))
        ranges = [None if item is None else _place(here, item) for item in (source, destination)]
        known = [item for item in ranges if isinstance(item, IPv4Network | IPv6Network)]
        if len({item.version for item in known}) > 1:
            raise TopologyError(f"{here}: source and destination are of different families")
        if priority is None:
            taken = {rule.priority for rule in self.own_rules}
            priority = next(n for n in range(_FIRST_PRIORITY, 32766) if n not in taken)
        made = OwnRule(self, priority, table, ranges[0], ranges[1], link, mark)
        self.steer(rules=[*self.own_rules, made])
        return made

    def steer(
        self,
        routes: list[OwnRoute] | None = None,
        rules: list[OwnRule] | None = None,
        sysctls: dict[str, str] | None = None,
    ) -> None:
        """Change what was said, and do it if the lab runs; else all stays as it was."""
        before = self.own_routes, self.own_rules, self.own_sysctls

        def undo() -> None:
            self.own_routes, self.own_rules, self.own_sysctls = before

        with taken_or_undone(self.listener, undo):
            self.own_routes = self.own_routes if routes is None else routes
            self.own_rules = self.own_rules if rules is None else rules
            self.own_sysctls = self.own_sysctls if sysctls is None else sysctls


_SYSCTL = re.compile(r"net[./][\w./-]+")


def sysctl_key(*parts: str) -> str:
    """Return a setting's name; with slashes where an interface has a dot (sysctl.d(5)).

    >>> sysctl_key("net", "ipv4", "conf", "eth0.5", "rp_filter")
    'net/ipv4/conf/eth0.5/rp_filter'

    """
    return ("/" if any("." in part for part in parts) else ".").join(parts)


def sysctl_parts(name: str) -> list[str]:
    """Return the parts of a setting's name, however it is written (sysctl(8)).

    >>> sysctl_parts("net/ipv4/conf/eth0.5/rp_filter")[3], sysctl_parts("net.ipv4.ip_forward")
    ('eth0.5', ['net', 'ipv4', 'ip_forward'])

    """
    return name.split("/" if "/" in name else ".")


def check_sysctl(node: str, name: object, value: object) -> dict[str, str]:
    """Return a setting, checked; only those of networks are a node's own."""
    if not isinstance(name, str) or not _SYSCTL.fullmatch(name) or ".." in name:
        raise TopologyError(
            f"{node}: {name!r} is no setting of a node's own: those of networks are, such as "
            f'"net.ipv4.ip_forward", and all others belong to the whole machine'
        )
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not text.strip() or "\n" in text:
        raise TopologyError(f"{node}: {name} cannot be {value!r}; give a number or a line of text")
    return {sysctl_key(*sysctl_parts(name)): text}


def _destination(
    here: str, destination: object, via: Any
) -> tuple[Network, tuple[Address | MachineBase, ...]]:

    several = via if isinstance(via, (list, tuple)) else [] if via is None else [via]
    gateways: list[Address | MachineBase] = []
    for item in several:
        if isinstance(item, MachineBase):
            gateways.append(item)
            continue
        try:
            gateways.append(address_from(item))
        except ValueError:
            raise TopologyError(
                f"{here}: via={shown(item)} is no gateway; give an address or a node next to it"
            ) from None
    families = {item.version for item in gateways if not isinstance(item, MachineBase)}
    if destination == "default":
        network = network_from("::/0" if families == {6} else "0.0.0.0/0")
    else:
        network = _network(here, destination)
    # RFC 8950: IPv4 goes over an IPv6 next hop too, and not the other way round.
    if network.version == 6 and 4 in families:
        raise TopologyError(f"{here}: the gateway's address is not IPv6")
    return network, tuple(gateways)


def _network(here: str, item: object) -> Network:
    try:
        if not isinstance(item, (str, IPv4Network, IPv6Network)):
            raise ValueError
        return network_from(item)
    except ValueError:
        raise TopologyError(
            f'{here}: {shown(item)} is no range of addresses; write one as in "10.9.0.0/16"'
        ) from None


def _place(here: str, item: object) -> Network | MachineBase:
    if isinstance(item, SwitchBase):
        raise TopologyError(
            f"{here}: {item.name} is a switch, which sends nothing itself; give the range of its "
            'network, as in "10.9.0.0/16", or a host'
        )
    return item if isinstance(item, MachineBase) else _network(here, item)


def _check_link(here: str, node: Any, link: object) -> None:
    if link is not None and link not in node.attachments:
        raise TopologyError(f"{here}: {link!r} is not one of the links of {node.name}")


def _check_number(here: str, name: str, value: object, among: range) -> None:
    if value is None:
        return
    if not is_whole(value, among[0], among[-1]):
        raise TopologyError(
            f"{here}: {name}={shown(value)} is no whole number from {among[0]} to {among[-1]}"
        )


def _check_table(here: str, table: object) -> None:
    _check_number(here, "table", table, _TABLES)
    if table in _KEPT_TABLES:
        raise TopologyError(f"{here}: table {table} is Linux's own; choose one such as 100")


def routes_of(routes: Iterable[OwnRoute]) -> set[tuple[Network, int | None]]:
    """Return the destinations that the lab's own routes leave to these, with their tables."""
    return {(route.destination, route.table) for route in routes if route.metric is None}
