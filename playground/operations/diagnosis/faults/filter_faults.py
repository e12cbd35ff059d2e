"""Faults of rules that keep packets out: firewalls, and NAT that lets nothing in.  Pure."""

from __future__ import annotations

from playground.operations.diagnosis.evidence.facts import Facts, RuleHit, packet_of
from playground.operations.diagnosis.faults.advised_calls import (
    accept_call,
    forward_call,
    host_inside,
    variable,
)
from playground.operations.diagnosis.faults.walk import Fault, Walk


def behind_nat(facts: Facts, target: str) -> Fault:
    """Return the fault of asking from outside for a node that a NAT router hides."""
    router = facts.names.behind or ""
    port = facts.question.port or 80
    return Fault(
        router,
        "NAT",
        f"{target} lies behind {router}, which translates addresses: outside of it {target} "
        f"has no address and no name, and nothing can begin a connection to it.",
        f"Open a port: {forward_call(facts, router, port, variable(target), port)}, then ask for "
        f"{router}.",
    )


def filtered(walk: Walk, role: str, node: str, hit: RuleHit) -> Fault:
    """Return the fault of a rule, or of a policy, that dropped a packet."""
    facts = walk.facts
    walk.step(node, "rule", f"{hit.place}: {hit.rule}", False)
    answer = "The answer" if role == "answer" else "The packet"
    port = facts.question.port or 80
    if hit.is_nat:
        opening = forward_call(facts, node, port, host_inside(facts, node), port)
        return Fault(
            node,
            "NAT",
            f"{answer} for {hit.packet.destination} stops at {node}, which translates "
            f"addresses and lets nothing in that begins outside.",
            f"Open a port: {opening}, then ask for {node}.",
        )
    statements = hit.known.statements if hit.known is not None else ()
    verb = "rejects" if "reject" in statements else "drops"
    what = (
        f"its policy is drop ({hit.place})"
        if hit.is_policy
        else (f"the rule `{hit.rule}` of its chain {hit.place} {verb} it")
    )
    return Fault(
        node,
        "firewall",
        f"{answer} stops at the firewall of {node}: {what}.",
        f"Look at `{variable(node)}.firewall.rules()` and "
        f'`{variable(node)}.run("nft list ruleset")`, and let it pass: '
        f"`{variable(node)}.firewall.accept({accept_call(facts)})`, before the rule that stops "
        f"it.",
    )


def said_forbidden(facts: Facts, role: str, node: str) -> Fault | None:
    """Return the fault of a node that says so itself, where its rules say nothing."""
    for one in facts.trail.errors:
        packet = packet_of(one)
        if packet.is_forbidding and one.place == node and one.way == "out":
            return Fault(
                node,
                "firewall",
                f"The firewall of {node} rejects it, and says so: administratively prohibited.",
                f"Look at `{variable(node)}.firewall.rules()` and the rules of iptables there.",
            )
    return None
