"""From rules and NAT as declared to rules with addresses.

Pure: a node's firewall is resolved against the plan of the lab it is in, so
that the same function serves before the start and in the running lab.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, Network
from playground.model.firewall import Rule
from playground.model.parts import End, LinkBase
from playground.model.topology import Link, Machine, Router, Switch, reached, strands
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realms, forward_target
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import (
    DefaultPlan,
    FilterPlan,
    ForwardPlan,
    InterfacePlan,
    NatPlan,
    PairPlan,
    PortRange,
    RulePlan,
    UplinkPlan,
)

# -- NAT ---------------------------------------------------------------------


def find_nat(
    router: Router, realms: Realms, addressing: Addressing, names: Mapping[End, str]
) -> NatPlan | None:
    """Return how a router translates, None if it declares no NAT.

    Raises `TopologyError` for an outside address that is not the router's own.

    """
    if not router.uplinks:
        return None
    forwards, pairs = [], []
    for forward in router.forwards:
        target = forward_target(router, forward, realms, addressing)
        end = forward.link.end(router)
        addresses = tuple(item.ip for item in addressing.of(end, 4))
        if target is not None and addresses:
            forwards.append(
                ForwardPlan(
                    names[end],
                    addresses,
                    forward.protocol,
                    forward.port,
                    target.ip,
                    forward.to_port,
                    forward.last_port,
                    forward.hairpin,
                )
            )
    for pair in router.pairs:
        target = forward_target(router, pair, realms, addressing)
        end = pair.link.end(router)
        _check_own(router, end, pair.address, "one_to_one", addressing)
        if target is not None:
            pairs.append(PairPlan(names[end], pair.address, target.ip))
    uplinks, helpers = [], []
    for item in router.masquerades:
        end = item.link.end(router)
        if item.address is not None:
            _check_own(router, end, item.address, "snat", addressing)
        uplinks.append(UplinkPlan(names[end], item.address, item.kind, item.ports, item.clamp_mss))
        helpers += [name for name in item.helpers if name not in helpers]
    return NatPlan(tuple(uplinks), tuple(forwards), tuple(pairs), tuple(helpers))


def _check_own(
    router: Router, end: End, address: Address, what: str, addressing: Addressing
) -> None:
    own = [item.ip for item in addressing.of(end, 4)]
    if address not in own:
        raise TopologyError(
            f"router {router.name}: {what}() uses {address}, and {router.name} has "
            f"{', '.join(map(str, own)) or 'no IPv4 address'} on that link; give the link that "
            f"address as well: Link(..., addresses=(..., ["
            f'"{own[0] if own else "10.0.0.1"}/24", "{address}/24"]))'
        )


# -- filtering ---------------------------------------------------------------


def with_rules(plan: Plan, machines: Iterable[Machine]) -> Plan:
    """Return a plan with the firewalls of these nodes in it.

    Raises `TopologyError` for a rule about what is not in the plan.

    """
    changed = {
        machine.name: with_node_rules(plan, machine)
        for machine in machines
        if machine.firewall or plan.node(machine.name).filters
    }
    if not changed:
        return plan
    return replace(plan, nodes=tuple(changed.get(node.name, node) for node in plan.nodes))


def with_node_rules(plan: Plan, machine: Machine) -> NodePlan:
    """Return a node's part of the plan with its firewall.

    Rules that the plan has already are kept: a number is never given to another rule.

    """
    node = plan.node(machine.name)
    known = {rule.number: rule for rule in node.filters.rules}
    return replace(node, filters=find_filters(machine, plan, known))


def find_filters(
    machine: Machine, plan: Plan, known: Mapping[int, RulePlan] | None = None
) -> FilterPlan:
    """Return a node's firewall with addresses and interfaces for nodes and links."""
    policy = machine.firewall.policy
    if not policy:
        return FilterPlan()
    places = _Places(machine, plan)
    found = dict(known or {})
    return FilterPlan(
        tuple(found.get(rule.number) or _resolved(rule, places) for rule in policy.rules),
        tuple(DefaultPlan(item.chain, item.verdict, item.established) for item in policy.defaults),
    )


class _Places:
    """Where nodes, switches and links of a plan are, each looked up once."""

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self.machine = machine
        self._plan = plan
        self._known: dict[Any, tuple[Network, ...]] = {}

    def here(self, rule: Rule) -> str:
        return f"rule {rule.number} of the firewall of {self.machine.name}"

    def interfaces(self, rule: Rule, items: Sequence[LinkBase | str]) -> tuple[str, ...]:
        if not items:  # as most rules have it
            return ()
        names = []
        for item in items:
            if isinstance(item, str):
                names.append(item)
                continue
            found = _interface(self._plan, self.machine, item)
            if found is None:
                raise TopologyError(
                    f"{self.here(rule)} names {item!r}, which is not part of the lab as it runs: "
                    f"start() it first, or remove the rule"
                )
            names.append(found.name)
        return tuple(dict.fromkeys(names))

    def networks(self, rule: Rule, items: Sequence[Any]) -> list[Network]:
        return [network for item in items for network in self._networks(rule, item)]

    def _networks(self, rule: Rule, item: Any) -> tuple[Network, ...]:
        if not isinstance(item, (Machine, Switch)):
            return (item,)
        if item not in self._known:
            self._known[item] = tuple(dict.fromkeys(self._look(item)))
        if not self._known[item]:
            raise TopologyError(
                f"{self.here(rule)} names {item.name}, which has no address in this lab; link it "
                f"to the others, or start it first"
            )
        return self._known[item]

    def _look(self, item: Machine | Switch) -> Iterator[Network]:
        if isinstance(item, Machine):
            for link in item.attachments:
                for address in _addresses(self._plan, item, link):
                    yield type(address.network)(address.ip)
            return
        for place in (place for one in item.places for place in reached(one)):
            switch, vlan = place
            yield from switch.subnets_of(vlan)
            for link in switch.links:
                for strand, places in strands(link):
                    end = strand.peer(switch)
                    if place in places and isinstance(end.node, Machine):
                        for address in _addresses(self._plan, end.node, strand):
                            yield address.network


def _interface(plan: Plan, machine: Machine, link: LinkBase) -> InterfacePlan | None:
    """Return a node's interface at a link, None where the plan has none.

    A plan's interfaces stand in the order of the node's cards.

    """
    try:
        place = list[LinkBase](machine.cards).index(link)
        return plan.node(machine.name).interfaces[place]
    except (KeyError, IndexError, ValueError):
        return None


def _addresses(plan: Plan, machine: Machine, link: Link) -> Sequence[Any]:
    found = _interface(plan, machine, link)
    return found.addresses if found is not None else ()


def _resolved(rule: Rule, places: _Places) -> RulePlan:
    """Return a rule with addresses and names of interfaces."""
    found = RulePlan(
        rule.number,
        rule.chain,
        rule.verdict,
        sources=_outermost(places.networks(rule, rule.sources)),
        destinations=_outermost(places.networks(rule, rule.destinations)),
        interfaces=places.interfaces(rule, rule.interfaces),
        out_interfaces=places.interfaces(rule, rule.out_interfaces),
        protocol=rule.protocol,
        ports=_merged(rule.ports),
        source_ports=_merged(rule.source_ports),
        states=rule.states,
        rate=rule.rate,
        over=rule.over,
        burst=rule.burst,
        comment=rule.comment,
        log_prefix=f"{places.machine.short} {rule.number}" if rule.verdict == "log" else "",
    )
    if not found.families:
        raise TopologyError(
            f"{places.here(rule)} fits no packet: its source is of one address family, and its "
            f"destination of the other"
        )
    return found


def _outermost(networks: list[Any]) -> tuple[Network, ...]:
    """Return networks without those within others: nft refuses ranges that overlap."""
    if len(networks) < 2:  # as most rules have it: an address takes 5 microseconds to sort
        return tuple(networks)
    kept: list[Any] = []
    for network in sorted(
        set(networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen)
    ):
        last = kept[-1] if kept else None
        if last is None or last.version != network.version or not network.subnet_of(last):
            kept.append(network)
    return tuple(kept)


def _merged(ports: Sequence[str]) -> tuple[PortRange, ...]:
    """Return ports as ranges; what lies within one is part of it."""
    if not ports:
        return ()
    ranges = sorted(
        (int(first), int(last or first))
        for first, _, last in (item.partition("-") for item in ports)
    )
    merged: list[PortRange] = []
    for low, high in ranges:
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)
