"""Faults of names in a tree of zones: lame delegations, no glue, bogus signatures.  Pure."""

from __future__ import annotations

from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.diagnosis.names.delegations import NameTree, ServerAsked, ZoneAsked


def lost_in_tree(walk: Walk, tree: NameTree) -> Fault | None:
    """Return why a name is not found from the root down; None where nothing is wrong there."""
    for above, zone in zip((None, *tree.zones), tree.zones, strict=False):
        for server in zone.servers:
            walk.step(_node(walk, server), "zone", _words(zone, server), _is_well(zone, server))
        if not any(_is_well(zone, server) for server in zone.servers):
            return _unserved(walk, above, zone)
    if not tree.zones:
        return None
    return _refused_below(walk, tree)


def _is_well(zone: ZoneAsked, server: ServerAsked) -> bool:
    """Tell whether a server answers for its zone, or sends on to one below."""
    reply = server.reply
    if reply is None or reply.status not in ("NOERROR", "NXDOMAIN"):
        return False
    return reply.authority or bool(zone.referral)


def _words(zone: ZoneAsked, server: ServerAsked) -> str:
    who = f"{zone.zone} by {server.name}"
    if server.address is None:
        return f"{who}, whose address nobody knows"
    if server.reply is None:
        return f"{who} ({server.address}): no answer"
    if not _is_well(zone, server):
        return f"{who} ({server.address}): {server.reply.status}, not its zone"
    if zone.referral:
        return f"{who}: sends on to {zone.referral[0].name}"
    return f"{who}: {server.reply.status}"


def _node(walk: Walk, server: ServerAsked) -> str:
    """Return the node that a server is, else the one that asks."""
    return walk.facts.plan.owners.get(server.address or "", walk.facts.question.source)


def _owner(walk: Walk, zone: ZoneAsked | None) -> str:
    """Return a node that serves a zone."""
    found = (_node(walk, server) for server in zone.servers) if zone is not None else ()
    return next(iter(found), walk.facts.question.source)


def _unserved(walk: Walk, above: ZoneAsked | None, zone: ZoneAsked) -> Fault:
    target = walk.facts.question.target
    parent = _owner(walk, above)
    said = f"the zone {above.zone}" if above is not None else "what the resolver begins with"
    first = zone.servers[0]
    if all(server.address is None for server in zone.servers):
        names = ", ".join(server.name for server in zone.servers)
        return Fault(
            parent,
            "no glue",
            f"{target} lies in the zone {zone.zone}, for which {said} names the server {names} "
            f"without an address: nobody can ask it.",
            f"Give {parent} the address beside the name, as glue: "
            f'`DNS(zone=..., records=[("{first.name.rstrip(".")}", "A", "10.0.0.1")])`.',
        )
    silent = [server for server in zone.servers if server.address and server.reply is None]
    if silent:
        server = silent[0]
        node = _node(walk, server)
        return Fault(
            node,
            "name server silent",
            f"{target} lies in the zone {zone.zone}, whose server {server.name} "
            f"({server.address}) does not answer.",
            f'Ask why: `lab.explain("{walk.facts.question.source}", "{server.address}", port=53, '
            f'protocol="udp")`; look whether {node} serves names.',
        )
    server = next(one for one in zone.servers if one.reply is not None)
    status = server.reply.status if server.reply is not None else ""
    return Fault(
        parent,
        "lame delegation",
        f"{said[0].upper()}{said[1:]} says that {server.name} ({server.address}) serves "
        f"{zone.zone}, and that server does not: it answers {status}.",
        f'Serve it there, `DNS(zone="{zone.zone}")`, or mend the NS records of {parent}.',
    )


def _refused_below(walk: Walk, tree: NameTree) -> Fault | None:
    """Return what is wrong where the way down was open to its end."""
    last = tree.zones[-1]
    reply = next(one.reply for one in last.servers if one.reply is not None)
    node, target = _owner(walk, last), walk.facts.question.target
    resolver = walk.facts.plan.owners.get(tree.resolver, tree.resolver)
    resolved = tree.resolved
    if resolved is not None and resolved.status == "SERVFAIL":
        words = f": {resolved.extended}" if resolved.extended else ""
        walk.step(resolver, "validation", f"SERVFAIL{words}", False)
        return Fault(
            resolver,
            "bogus",
            f"{resolver} does not believe what it is told of {target}{words}. The servers of "
            f"{last.zone} answer, and what they say is not proved by the keys above it (DNSSEC).",
            f"Look at the DS record of {last.zone} in the zone above, and whether {node} signs "
            f"the zone: `DNS(zone=..., dnssec=True)` writes both.",
        )
    if reply.status == "NXDOMAIN" or not reply.answers:
        what = "has no such name" if reply.status == "NXDOMAIN" else "has no address of that name"
        return Fault(
            node,
            "name unknown",
            f"{target} is not known: the zone {last.zone}, which {node} serves, {what}.",
            f"Is it spelt right? Else give the zone a record, "
            f'`DNS(zone="{last.zone}", records=[("{target}", "A", ...)])`, or link a host of that '
            "name to the lab.",
        )
    if resolved is not None and not resolved.answers:
        walk.step(resolver, "cache", f"remembers {resolved.status}", False)
        return Fault(
            resolver,
            "stale name",
            f"The zone {last.zone} has {target}, and {resolver} remembers from before that there "
            f"is none ({resolved.status}).",
            # Of a signed zone it infers from what lies beside a name that this is not there.
            f'Let it forget: `{variable(resolver)}.services["resolver"].flush("{last.zone}")`.',
        )
    return None
