"""Faults behind a load balancer: it answers, and has no server to hand anything to.  Pure."""

from __future__ import annotations

from playground.model.services.proxies import LoadBalancer
from playground.operations.diagnosis.evidence.facts import Facts, packet_of, sightings_at
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault, Walk

# Of many servers, so many are named.
_NAMED = 4


def balancer_asked(facts: Facts, node: str) -> LoadBalancer | None:
    """Return the load balancer of a node to which the packet came, None for another server."""
    if facts.question.protocol != "tcp":
        return None
    came = sightings_at(facts, "probe", node, "in")
    # A forward of a router on the way may have given it another port.
    port = packet_of(came[-1]).destination_port if came else facts.question.port
    return next(
        (
            settings
            for settings in facts.plan.node(node).services
            if isinstance(settings, LoadBalancer) and settings.port == port
        ),
        None,
    )


def no_server(walk: Walk) -> Fault | None:
    """Return the fault of a balancer none of whose servers takes anything.

    Its words are those of `RunningBalancer.servers`; where they are not known, none is said.

    """
    node = walk.path[-1]
    settings = balancer_asked(walk.facts, node) if walk.facts.balanced else None
    if settings is None:
        return None
    # What the node says of servers that it was not given is none of the balancer's.
    rows = [row for row in walk.facts.balanced if row.name in settings.to]
    # haproxy's Management Guide, section 9.1: "UP 1/2" still takes something.
    if not rows or any(row.status.startswith(("UP", "no check")) for row in rows):
        return None
    words = [f"{row.name} is {row.status} ({row.check})" for row in rows[:_NAMED]]
    if len(rows) > _NAMED:
        words.append(f"and {len(rows) - _NAMED} more")
    walk.step(node, "servers", ", ".join(words), False)
    by_hand = [row.name for row in rows if row.status.startswith(("MAINT", "DRAIN"))]
    name, _, port = rows[0].name.rpartition(":")
    balancer = f'{variable(node)}.services["balancer"]'
    advice = f"Ask why: `lab.explain({node!r}, {name!r}, port={port})`"
    if settings.layer == 7:
        advice += f", and whether it has the page {settings.page} that is asked for"
    if by_hand:
        advice = f'Let one take part again: `{balancer}.set_state("{by_hand[0]}", "ready")`'
    return Fault(
        node,
        "no server",
        f"The load balancer {node} takes the packet, and none of its servers takes part: "
        f"{', '.join(words)}.",
        f"{advice}; `{balancer}.servers()` says what it sees of them.",
    )
