"""Checks of neighbours in OSPF and BGP, as routing daemons say."""

from __future__ import annotations

from collections.abc import Iterator

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import is_choice, shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import Checking, wait
from playground.operations.diagnosis.evidence.adjacencies import Said, find_troubles
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.operations.network import Machine

# In which routes are told: RFC 2328 section 10.1, RFC 5340, RFC 4271 section 8.2.2.
_UP = {"ospf": "Full", "ospf6": "Full", "bgp": "Established"}

# Hellos come every second or ten, a session that was refused is tried again after some.
NEIGHBOURS_WITHIN_S = 30.0


def neighbours(
    checks: Checking,
    router: Node | str,
    other: Node | str,
    protocol: str = "ospf",
    *,
    up: bool = True,
    within_s: float = NEIGHBOURS_WITHIN_S,
) -> str:
    """Check that a router tells another of routes, and return the state in the protocol's word.

    ``protocol`` is "ospf" or "ospf6", where the state has to be Full, or "bgp", Established.
    ``other`` is a node, or the address of a peer of BGP, or a router id of OSPF.  With ``up=False``
    they should not be neighbours.  It waits up to 30 seconds by default.

    >>> lab.check.neighbours(r1, r2, "bgp")
    'Established'

    """
    if not is_choice(protocol, _UP):
        raise BadArgument(f"{shown(protocol)} is no protocol of neighbours: {', '.join(_UP)}")
    machine = checks._machine(router)
    plan = checks._lab.running_plan()
    is_node = not isinstance(other, str) or other in checks._lab
    peer = checks._machine(other) if is_node else None
    called = {other} if isinstance(other, str) else set()
    if peer is not None:
        called |= checks._addresses(peer)
    asked = [machine, *([peer] if peer is not None else [])]

    def look() -> dict[str, Said]:
        pids = {one.name: one.running().pid for one in asked}
        return ask_daemons(machine.running().agent, [plan.node(one.name) for one in asked], pids)

    def states(said: dict[str, Said]) -> list[str]:
        ids = {said[peer.name].router_id(protocol)} if peer is not None else set()
        return [
            state for name, state in _states(said[machine.name], protocol) if name in called | ids
        ]

    def fits(said: dict[str, Said]) -> bool:
        return (_UP[protocol] in states(said)) == up

    said = wait(look, fits, within_s)
    found = states(said)
    if not fits(said):
        name = peer.name if peer is not None else str(other)
        word = f"({', '.join(found)})" if found else "(it does not know it)"
        should = "should be" if up else "should not be"
        raise CheckFailed(
            f"{name} {should} a neighbour of {machine.name} in {protocol}, and is"
            f"{' not' if up else ''} {word}." + (_reason(checks, machine, peer, said) if up else "")
        )
    return found[0] if found else ""


def _states(said: Said, protocol: str) -> Iterator[tuple[str, str]]:
    """Yield what a router's daemon calls each neighbour, and the state."""
    if protocol == "bgp":
        for address, session in (said.bgp or {}).items():
            yield address, session.state
        return
    interfaces = said.ospf if protocol == "ospf" else said.ospf6
    for item in (interfaces or {}).values():
        for router_id, state in item.states.items():
            yield router_id, state.partition("/")[0]


def _reason(checks: Checking, machine: Machine, peer: Machine | None, said: dict[str, Said]) -> str:
    names = {machine.name, peer.name if peer is not None else ""}
    for trouble in find_troubles(checks._lab.running_plan(), said):
        if {trouble.router, trouble.neighbour} == names:
            return f" {trouble.reason[:1].upper()}{trouble.reason[1:]}."
    return ""
