"""Cheating told: what in a running network looks as if it were made to please checks.

Four things, each as a sentence: a hosts file or a name server by which a machine's name means
another's address, an address that is borrowed from another machine, a rule that answers for a
server, a program that is not the machine's.  It is a hint for a teacher, and costs no points by
itself.

"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from playground.errors import PlaygroundError, TransferFailed
from playground.lab.lab import Lab
from playground.operations.connection import agent_files
from playground.operations.diagnosis.evidence.changed_programs import changed_programs
from playground.operations.diagnosis.evidence.network_state import (
    KernelRule,
    NodeState,
    read_states,
)
from playground.operations.network import Machine
from playground.planning.plan import Plan

# Rules of this table say what was declared by `forward` and the like.
_OUR_TABLE = "playground"
_SENDS_ELSEWHERE = frozenset({"dnat", "redirect", "tproxy"})
_MOST_TOLD = 20
# A hosts file is some lines for each machine.
_MOST_HOSTS_BYTES = 256 * 1024

# Which node has an address by plan: address -> names of nodes.
Owners = Mapping[str, Collection[str]]


def find_cheats(lab: Lab, limit_s: float = 20.0) -> list[str]:
    """Return a sentence for each thing that looks like cheating in a running lab.

    No program of its machines is asked.  A machine that cannot be looked at, or not within
    ``limit_s`` seconds of the clock in all, has a sentence too.

    """
    plan = lab.plan()
    owners = owners_of(plan)
    found: list[str] = []
    states: dict[str, NodeState] = {}

    def read_state(node: Machine) -> None:
        states.update(_state(node))

    def read_names(node: Machine) -> None:
        found.extend(lying_names(node.name, _hosts_text(node), plan, owners))

    def read_programs(node: Machine) -> None:
        found.extend(changed_programs(node))

    machines = [node for node in lab.nodes if isinstance(node, Machine)]
    unseen = list(_look(machines, [read_state, read_names, read_programs], limit_s))
    found += lying_records(plan, owners)
    found += [*borrowed_addresses(plan, states), *answering_rules(owners, states)]
    return [*found[:_MOST_TOLD], *unseen[:_MOST_TOLD]]


def _look(
    nodes: Sequence[Machine], looks: Sequence[Callable[[Machine], None]], limit_s: float
) -> Iterator[str]:
    """Look at one machine after another; yield what is said of those that hide something."""
    end = time.monotonic() + limit_s
    for number, node in enumerate(nodes):
        if time.monotonic() > end:
            names = " and ".join(one.name for one in nodes[number:][:_MOST_TOLD])
            yield f"{names} could not be looked at: that took more than {limit_s:g} s"
            return
        for look in looks:
            try:
                look(node)
            except PlaygroundError as error:
                yield f"{node.name} could not be looked at: {error}"


def _state(node: Machine) -> Mapping[str, NodeState]:
    live = node.running()
    return read_states(live.agent, {node.name: live.pid}, with_connections=False).nodes


def _hosts_text(node: Machine) -> str:
    try:
        content = agent_files.read(node, "/etc/hosts", _MOST_HOSTS_BYTES)
    except TransferFailed as error:
        if getattr(error.__cause__, "errno", None) == errno.ENOENT:
            return ""  # it has no names either
        raise
    return content.decode(errors="replace")


def owners_of(plan: Plan) -> dict[str, set[str]]:
    """Return the nodes that have each address by plan."""
    owners: dict[str, set[str]] = {}
    for node in plan.nodes:
        for interface in node.interfaces:
            for address in interface.addresses:
                owners.setdefault(str(address.ip), set()).add(node.name)
    return owners


def borrowed_addresses(plan: Plan, states: Mapping[str, NodeState]) -> Iterator[str]:
    """Yield what tells of each address that a node has, and another one by plan."""
    owners = owners_of(plan)
    # Of a /32 on a point-to-point link a node has several; anycast is said by loopback=.
    for name, state in sorted(states.items()):
        for interface in state.interfaces:
            for one in interface.addresses:
                others = owners.get(one.ip, set())
                if others and name not in others:
                    yield (
                        f"{name} has {one.ip} at {interface.name}, which is the address of "
                        f"{_several(others)}"
                    )
    seen: dict[str, list[str]] = {}
    for node in plan.nodes:
        for address in {str(address.ip) for link in node.interfaces for address in link.addresses}:
            for link in node.interfaces:
                if any(str(one.ip) == address for one in link.addresses):
                    seen.setdefault(f"{address} on {link.segment}", []).append(node.name)
    for where, names in sorted(seen.items()):
        if len(set(names)) > 1:
            yield f"{_several(sorted(set(names)))} have the same address, {where}"


def answering_rules(owners: Owners, states: Mapping[str, NodeState]) -> Iterator[str]:
    """Yield what tells of each rule that sends what is for another machine elsewhere."""
    for name, state in sorted(states.items()):
        own = {one.ip for interface in state.interfaces for one in interface.addresses}
        for rule in state.firewall:
            if _SENDS_ELSEWHERE.isdisjoint(rule.statements):
                continue
            whose = _meant(rule, own, owners)
            # Of what was declared (`forward`, `one_to_one`) only what is another machine's counts.
            if whose and (rule.table != _OUR_TABLE or "address of" in whose):
                yield f"{name} has a rule that sends what is for {whose} elsewhere: {rule.text}"


def _meant(rule: KernelRule, own: Collection[str], owners: Owners) -> str:
    """Return for whom a rule of NAT takes packets, in words; "" where they are the node's own."""
    match = re.search(r"\bip6? daddr (?P<not>!= )?(?P<address>[0-9a-f.:]+)(/\d+)?", rule.text)
    if match is None:
        # A forward of a router's own port, as people write it by hand: -i eth0 ... -j DNAT.
        by_hand = "dnat" in rule.statements and re.search(r"\biif(name)?\b|fib daddr", rule.text)
        return "" if by_hand else "anybody"
    address = match["address"]
    if match["not"] is None and address in own:
        return ""
    others = owners.get(address, ())
    return f"{address}, the address of {_several(others)}," if others else address


def lying_names(node: str, text: str, plan: Plan, owners: Owners) -> Iterator[str]:
    """Yield what tells of each line of a hosts file that gives a machine another's address."""
    full = {name: one.name for one in plan.nodes for name in (one.name, one.short)}
    told = _told_names(plan, node)
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            whose = owners.get(address, ())
            meant = full.get(name)
            if meant is None or meant in whose or (address, name) in told:
                continue
            if address.startswith("127.") or address == "::1":
                if meant != node:
                    yield f"on {node} the name {name} means {node} itself"
            elif whose:
                yield f"on {node} the name {name} means {address}, which is {_several(whose)}"


def lying_records(plan: Plan, owners: Owners) -> Iterator[str]:
    """Yield what tells of each record of a name server that gives a machine another's address."""
    full = {name.lower(): one.name for one in plan.nodes for name in (one.name, one.short)}
    for node in plan.nodes:
        for service in node.services:
            for name, kind, data in getattr(service, "records", ()):
                meant, whose = full.get(name.rstrip(".").lower()), owners.get(data, ())
                if kind in ("A", "AAAA") and meant and whose and meant not in whose:
                    yield (
                        f"the name server {node.name} says that {name} is {data}, which is "
                        f"{_several(whose)}"
                    )


def _told_names(plan: Plan, node: str) -> set[tuple[str, str]]:
    """Return the addresses and names that the lab itself writes into a node's hosts file.

    Behind a NAT a machine's name may well mean the router that forwards to it.

    """
    said = next(one for one in plan.nodes if one.name == node)
    written = {(str(entry.address), name) for entry in said.hosts for name in entry.names}
    return written - {(address, name) for name, address in said.container.extra_hosts}


def _several(names: Collection[str] | Sequence[str]) -> str:
    return " and ".join(sorted(names))
