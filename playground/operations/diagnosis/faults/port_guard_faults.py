"""Faults that guards of switches' ports make: addresses refused, floods held back.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from playground.operations.diagnosis.evidence.packet_trace import Sighting
from playground.operations.diagnosis.faults.advised_calls import link_call, variable
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import WireEnd, WirePlan


def kept_by_guard(
    walk: Walk, left: Sighting, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]
) -> Fault | None:
    """Return which port on a frame's way to somebody would not take it; None: none did."""
    for wire, _, entered in wires:
        found = walk.facts.guarded.get((entered.node, entered.interface))
        if found is None:
            continue
        here = f"{variable(entered.node)}.set_port({link_call(walk.facts, wire)}"
        if left.mac_source in found.refused:
            walk.step(entered.node, "port", f"refuses the address {left.mac_source}", False)
            most = found.guard.max_macs
            taken = ", ".join(found.macs) or "none"
            return Fault(
                entered.node,
                "port security",
                f"The switch {entered.node} takes {most} MAC address{'es' * (most != 1)} at its "
                f"port {entered.interface} ({taken}), and {left.mac_source} of {left.place} is "
                f"another.",
                f"Let it take more: `{here}, max_macs={most + 1})`, or look at "
                f"`{variable(entered.node)}.security()`.",
            )
        flooded = int(left.mac_destination[:2], 16) & 1
        if found.suppressed and flooded and not found.guard.frame_limit:
            walk.step(entered.node, "port", f"held {found.suppressed} broadcasts back", False)
            return Fault(
                entered.node,
                "storm",
                f"The switch {entered.node} lets {found.guard.storm_limit} broadcasts a second in "
                f"at its port {entered.interface}, and has held {found.suppressed} frames back: "
                f"more came.",
                f"Find who sends them: `{variable(entered.node)}.storms()`; or raise the limit: "
                f"`{here}, storm_limit={10 * found.guard.storm_limit})`.",
            )
    return _storm(walk, [entered.node for _, _, entered in wires])


def _storm(walk: Walk, passed: Sequence[str]) -> Fault | None:
    """Return the fault of a loop that one of these is in, if anything went round in it."""
    looped = {
        (switch, port): found.suppressed
        for (switch, port), found in walk.facts.guarded.items()
        if found.guard.frame_limit
    }
    held = {switch for (switch, _), suppressed in looped.items() if suppressed}
    switch = next((node for node in passed if node in held), None)
    if switch is None:
        return None
    walk.step(switch, "port", "broadcasts go round: a storm", False)
    names = list(dict.fromkeys(switch for switch, _ in looped))
    calls = ", ".join(f"`{variable(name)}.change(stp=True)`" for name in names)
    return Fault(
        switch,
        "storm",
        f"The switches {' and '.join(names)} are linked in a loop, and broadcasts go round in it. "
        f"Whenever one comes round, {switch} takes who has sent it to be there, and frames go "
        f"astray.",
        f"Take a link of the loop away, or let them speak the spanning tree: {calls}. What the "
        f"lab holds back of the storm is shown by `{variable(switch)}.storms()`.",
    )
