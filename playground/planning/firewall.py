"""From rules and NAT as declared to rules with addresses, and back from their counts.

Pure: a node's firewall is resolved against the plan of the lab it is in, so
that the same function serves before the start and in the running lab.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, Network
from playground.model.firewall import PROTOCOLS_WITH_PORTS, Rule
from playground.model.parts import End, LinkBase
from playground.model.topology import Link, Machine, Router, Switch, reached, strands
from playground.planning.addressing import Addressing
from playground.planning.nat_realms import Realms, forward_target
from playground.planning.nft import LOG_GROUP, make_ruleset, nft_set, quoted
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import (
    DefaultPlan,
    FilterPlan,
    ForwardPlan,
    InterfacePlan,
    NatPlan,
    PairPlan,
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
        uplinks.append(UplinkPlan(names[end], item.address, item.kind))
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
    """Return a plan with the rulesets of these nodes in it.

    Raises `TopologyError` for a rule about what is not in the plan.

    """
    changed = {
        machine.name: with_node_rules(plan, machine)
        for machine in machines
        if machine.firewall or plan.node(machine.name).nat or plan.node(machine.name).ruleset
    }
    if not changed:
        return plan
    return replace(plan, nodes=tuple(changed.get(node.name, node) for node in plan.nodes))


def with_node_rules(plan: Plan, machine: Machine) -> NodePlan:
    """Return a node's part of the plan with its ruleset.

    Of a plan that has a ruleset for the node, what it says of rules is kept: a
    number is never given to another rule.

    """
    node = plan.node(machine.name)
    known = {rule.number: rule for rule in node.filters.rules}
    filters = find_filters(machine, plan, known)
    return replace(node, filters=filters, ruleset=make_ruleset(node.nat, filters))


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
        tuple(
            found.get(rule.number) or RulePlan(rule.number, rule.chain, tuple(_lines(rule, places)))
            for rule in policy.rules
        ),
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

    def interfaces(self, rule: Rule, items: Sequence[LinkBase | str]) -> list[str]:
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
        return names

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


def _lines(rule: Rule, places: _Places) -> Iterator[str]:
    """Yield a rule in nft's words: a line, or one for each address family."""
    sources = places.networks(rule, rule.sources)
    destinations = places.networks(rule, rule.destinations)
    sides = [{network.version for network in side} for side in (sources, destinations) if side]
    families = [version for version in (4, 6) if all(version in side for side in sides)]
    if not families:
        raise TopologyError(
            f"{places.here(rule)} fits no packet: its source is of one address family, and its "
            f"destination of the other"
        )
    head = _interfaces_match(rule, places)
    tail = [*_protocol_match(rule), *_state_and_rate(rule), "counter", *_verdict(rule, places)]
    comment = f"{rule.number} {rule.comment}".strip()
    if not sources and not destinations:
        yield " ".join([*head, *tail, f'comment "{comment}"'])
        return
    for version in families:
        match = [
            f"{'ip' if version == 4 else 'ip6'} {way} {_network_set(side, version)}"
            for way, side in (("saddr", sources), ("daddr", destinations))
            if side
        ]
        yield " ".join([*head, *match, *tail, f'comment "{comment}"'])


def _network_set(networks: Iterable[Network], version: int) -> str:
    return nft_set(
        # nft refuses ranges that overlap in one set, and one host more is a range.
        str(network.network_address if network.prefixlen == network.max_prefixlen else network)
        for network in _outermost([one for one in networks if one.version == version])
    )


def _outermost(networks: list[Any]) -> Iterator[Any]:
    if len(networks) == 1:  # as most rules have it: an address takes 5 microseconds to sort
        yield networks[0]
        return
    last = None
    for network in sorted(set(networks), key=lambda n: (int(n.network_address), n.prefixlen)):
        if last is None or not network.subnet_of(last):
            yield network
            last = network


def _interfaces_match(rule: Rule, places: _Places) -> list[str]:
    found = []
    if rule.interfaces:
        way = "oifname" if rule.chain == "output" else "iifname"
        found.append(f"{way} {quoted(dict.fromkeys(places.interfaces(rule, rule.interfaces)))}")
    if rule.out_interfaces:
        names = dict.fromkeys(places.interfaces(rule, rule.out_interfaces))
        found.append(f"oifname {quoted(names)}")
    return found


def _protocol_match(rule: Rule) -> Iterator[str]:
    ports = (("sport", rule.source_ports), ("dport", rule.ports))
    if rule.protocol in PROTOCOLS_WITH_PORTS and (rule.ports or rule.source_ports):
        for way, several in ports:
            if several:
                yield f"{rule.protocol} {way} {_port_set(several)}"
    elif rule.ports or rule.source_ports:
        yield "meta l4proto { tcp, udp }"
        for way, several in ports:
            if several:
                yield f"th {way} {_port_set(several)}"
    elif rule.protocol == "icmp":
        yield "meta l4proto { icmp, ipv6-icmp }"
    elif rule.protocol is not None:
        # IANA's number, where nft has no name: OSPF, GRE and IGMP.
        yield f"meta l4proto {_NUMBERS.get(rule.protocol, rule.protocol)}"


_NUMBERS = {"igmp": "2", "gre": "47", "ospf": "89"}


def _port_set(ports: Iterable[str]) -> str:
    """Return ports as one set; what lies within a range or follows it is part of it."""
    ranges = sorted(
        (int(first), int(last or first))
        for first, _, last in (item.partition("-") for item in ports)
    )
    merged: list[tuple[int, int]] = []
    for low, high in ranges:
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return nft_set(str(low) if low == high else f"{low}-{high}" for low, high in merged)


def _state_and_rate(rule: Rule) -> Iterator[str]:
    if rule.states:
        yield f"ct state {','.join(rule.states)}"
    burst = f" burst {rule.burst} packets" if rule.burst else ""
    if rule.rate:
        yield f"limit rate {rule.rate}{burst}"
    if rule.over:
        yield f"limit rate over {rule.over}{burst}"


def _verdict(rule: Rule, places: _Places) -> Iterator[str]:
    if rule.verdict == "log":
        yield f'log prefix "{places.machine.short} {rule.number}" group {LOG_GROUP}'
    elif rule.verdict == "reject" and rule.protocol == "tcp":
        # Where a rule does not say how it knows, nft asks for the protocol again.
        yield (
            "reject with tcp reset"
            if rule.ports or rule.source_ports
            else ("meta l4proto tcp reject with tcp reset")
        )
    else:
        yield rule.verdict
