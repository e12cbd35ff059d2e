"""The verdict on a packet, and the reason: a decision over facts that were gathered.

Pure.  `decide` walks from node to node by `Facts`: where the packet, its answer and the
questions for neighbours were seen, what rules decided, what each kernel says of its
routes, neighbours and sockets.  It writes down a step for each thing that it looked at,
and names the node and the cause where the packet, or its answer, stopped.

"""

# ip-route(8), RFC 1812 (what routers do), RFC 3704 (reverse path), RFC 2923 (black holes).

from __future__ import annotations

import errno

from playground.display.tables import Table
from playground.model.vlans import listed
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.faults.address_faults import doubled
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.balancer_faults import no_server
from playground.operations.diagnosis.faults.filter_faults import behind_nat
from playground.operations.diagnosis.faults.link_faults import black_hole
from playground.operations.diagnosis.faults.name_faults import lost_in_tree
from playground.operations.diagnosis.faults.server_faults import not_served, unanswered
from playground.operations.diagnosis.faults.stopped_faults import with_stopped
from playground.operations.diagnosis.faults.translator_faults import unanswered_below
from playground.operations.diagnosis.faults.vrf_faults import kept_apart
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.diagnosis.hops import follow


def decide(facts: Facts) -> Explanation:
    """Return what became of the packet, by the facts alone.

    >>> decide(facts).cause
    'no route back'

    """
    walk = Walk(facts)
    fault = _unresolved(walk) or _there(walk) or _back(walk)
    if fault is not None and facts.outcome.answered and fault.cause != "wrong name":
        # Of what is seen on a busy machine something may be missing.
        walk.step(facts.question.source, "answer", "came, though not all of its way was seen")
        fault = None
    # Two machines with one address are a fault even where luck had it right.
    fault = doubled(walk, fault) or fault or black_hole(walk) or no_server(walk)
    fault = with_stopped(walk, fault)
    if fault is not None:
        walk.step(fault.node, "cause", fault.cause, False)
    question = str(facts.question)
    if fault is None:
        ways = " - ".join(walk.path)
        sentence = f"All is well: {ways}."
        if walk.path_back and walk.path_back[::-1] != walk.path:
            sentence = f"All is well: {ways}, and back {' - '.join(walk.path_back)}."
        fault = Fault("", "", sentence)
    return Explanation(
        question,
        fault.node,
        fault.cause,
        fault.sentence,
        fault.advice,
        tuple(walk.path),
        tuple(walk.path_back),
        Table(walk.steps),
    )


def _unresolved(walk: Walk) -> Fault | None:
    facts, names = walk.facts, walk.facts.names
    source, target = facts.question.source, facts.question.target
    walk.path.append(source)
    if facts.address is not None:
        if names.by:
            walk.step(source, "name", f"{target} is {facts.address} ({names.by})")
        return None
    walk.step(source, "name", f"{target} is not known", False)
    if names.behind is not None:
        return behind_nat(facts, names.expected or target)
    if names.addresses:
        version = "6" if ":" not in names.addresses[0] else "4"
        return Fault(
            source,
            "name unknown",
            f"{source} knows {target} as {', '.join(names.addresses)} only, which is no "
            f"IPv{version}.",
            f"Ask about the address that it knows: `lab.explain({source!r}, {target!r}, "
            f"version={10 - int(version)})`.",
        )
    if facts.asking is not None and not facts.asking.ok:
        asking = facts.asking
        walk.steps += asking.steps
        return Fault(
            asking.node,
            asking.cause,
            f"{source} cannot ask its name server {names.nameservers[0]} what {target} is. "
            f"{asking.sentence}",
            asking.advice,
        )
    if facts.tree is not None and (lost := lost_in_tree(walk, facts.tree)) is not None:
        return lost
    if names.planned is not None:
        return Fault(
            source,
            "name unknown",
            f"{source} does not know the name {target} any more: the lab had written it into "
            f"its /etc/hosts.",
            f"Write it there again: `{variable(source)}.hosts[{target!r}] = {names.planned!r}`.",
        )
    if names.vlans is not None:
        own, theirs = (f"VLAN {listed(numbers)}" for numbers in names.vlans)
        meant = names.expected or target
        return Fault(
            source,
            "no route",
            f"{source} is in {own} and {meant} in {theirs}, and no router leads from one to "
            f"the other: so {source} was told of no name {target}.",
            "Link a router to both, by a trunk or by a port in each; or put both into one VLAN "
            "by link.change(vlan=...).",
        )
    if names.vrfs is not None:
        return kept_apart(source, names.expected or target, *names.vrfs)
    asks = f", nor does its name server {names.nameservers[0]}" if names.nameservers else ""
    advice = f"Look at `dict({variable(source)}.hosts)`"
    advice += f" and `{variable(source)}.nameservers`" if names.nameservers else ""
    return Fault(
        source,
        "name unknown",
        f"{source} does not know the name {target}{asks}: it stands in no line of its /etc/hosts.",
        f"{advice}; is it spelt right?",
    )


def _there(walk: Walk) -> Fault | None:
    node, came, fault = follow(walk, "probe", walk.facts.question.source, walk.path)
    walk.last = came
    if fault is not None or walk.left_lab:
        return fault
    return not_served(walk, node, came)


def _back(walk: Walk) -> Fault | None:
    facts = walk.facts
    source = facts.question.source
    seen = facts.trail.answer
    target = walk.path[-1]
    if walk.left_lab:
        return _outside(walk, target)
    if not any(one.place == target and one.way == "out" for one in seen):
        return unanswered(walk, target)
    walk.path_back.append(target)
    node, _, fault = follow(walk, "answer", target, walk.path_back)
    if fault is not None:
        return fault
    if facts.outcome.answered:
        took = facts.outcome.seconds
        time = "" if took is None else f" after {took * 1000:.2g} ms"
        walk.step(source, "answer", f"came{time}")
        return None
    if node != source:
        return Fault(
            node,
            "unknown",
            f"The answer came as far as {node}, which took it for its own.",
            f"Look at `{variable(node)}.connections()` and its NAT.",
        )
    return Fault(
        source,
        "unknown",
        f"The answer came back to {source}, and the program that had asked did not get it.",
        f"Look at `{variable(source)}.firewall.rules()`.",
    )


def _outside(walk: Walk, router: str) -> Fault | None:
    """Return what is known of a packet that has left the lab: whether an answer came."""
    if walk.facts.outcome.answered:
        where = "from outside of the lab" if walk.translator is None else "by the translator"
        walk.step(walk.facts.question.source, "answer", f"came {where}")
        return None
    if walk.translator is not None:
        return unanswered_below(walk.facts, router) if walk.facts.expects_answer else None
    if walk.facts.outcome.errno == errno.ECONNREFUSED:
        return Fault(
            router,
            "server stopped",
            f"The packet left the lab at {router}, and was refused outside: nothing listens "
            f"there on {walk.facts.question.protocol} port {walk.facts.question.port}.",
            "Start a server there.",
        )
    if not walk.facts.expects_answer:
        return None
    return Fault(
        router,
        "no answer",
        f"The packet left the lab at {router}, and no answer came back from outside.",
        "Does whoever has the address answer? What is outside, lab.explain cannot see.",
    )
