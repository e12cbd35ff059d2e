"""Features of the kernel that a plan needs, and what of it needs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from playground.model.kernel.features import FEATURES, KEPT, advice
from playground.model.queues.congestion_control import SETTING
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan


def kernel_needs(plan: Plan) -> dict[str, list[str]]:
    """Return the rows of `model.kernel.features` that a plan needs, each with who needs it.

    Empty for a plan of cables and switches alone, for whom nobody asks the kernel anything.

    """
    found: dict[str, list[str]] = {}
    for node in plan.nodes:
        for vrf in node.vrfs:
            found.setdefault("vrf", []).append(f"the VRF {vrf.name} of {node.name}")
        if node.labelled:
            found.setdefault("mpls", []).append(f"labels of {node.name}")
        for vni in node.vnis:
            found.setdefault("vxlan", []).append(f"the VNI {vni.number} of {node.name}")
        for item in node.interfaces:
            # wireguard-go stands in for the kernel's own.
            if item.tunnel is not None and item.tunnel.kind != "wireguard":
                found.setdefault(item.tunnel.kind, []).append(f"{item.name} of {node.name}")
            if item.bond is not None:
                found.setdefault("bond", []).append(f"{item.name} of {node.name}")
        chosen = next((value for name, value in node.sysctls if name == SETTING), None)
        if chosen in FEATURES:
            found.setdefault(chosen, []).append(f"congestion control of {node.name}")
    for switch in plan.switches:
        for bond in switch.bonds:
            found.setdefault("bond", []).append(f"{bond.name} of {switch.name}")
    for wire in plan.wires:
        for name, who in queue_needs(wire).items():
            found.setdefault(name, []).extend(who)
    return found


def new_needs(before: Plan | None, after: Plan) -> dict[str, list[str]]:
    """Return the rows that a plan needs and the one before it did not."""
    had = {} if before is None else kernel_needs(before)
    return {name: who for name, who in kernel_needs(after).items() if name not in had}


def queue_needs(wire: WirePlan) -> dict[str, list[str]]:
    """Return the rows that the queues of one link need, each with who needs it."""
    found: dict[str, list[str]] = {}
    for queue, leaves in ((wire.queue_a, wire.b), (wire.queue_b, wire.a)):
        for name in queue.needs if queue else ():
            whose = f"the queue {name} at {leaves.interface} of {leaves.node}"
            found.setdefault(name, []).append(whose)
    return found


def refusal(
    needs: Mapping[str, Sequence[str]],
    lacks: Mapping[str, str],
    machines: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Return in a sentence what a kernel lacks of what a plan needs; "" for nothing.

    ``lacks`` has what the kernel says of each that it lacks, ``machines`` whose kernel it is,
    where a lab is on several.

    >>> refusal({"gre": ["gre1 of r1"]}, {"gre": "Operation not supported"}).partition(" (")[0]
    'gre1 of r1 cannot be made, for this kernel has no ip_gre'

    """
    missing = [name for name in needs if name in lacks]
    if not missing:
        return ""
    kept = [name for name in missing if lacks[name] == KEPT]
    parts = [
        f"{', '.join(needs[name][:_SHOWN])}{' and others' * (len(needs[name]) > _SHOWN)} cannot "
        f"be made, for {_whose(machines.get(name, ()))} {FEATURES[name].lacking(lacks[name])}"
        for name in missing
    ]
    return f"{'; '.join(parts)}: {advice(missing, kept)}"


def _whose(machines: Sequence[str]) -> str:
    if len(machines) > 1:
        return f"the kernels of the machines {', '.join(machines)} have"
    return f"the kernel of the machine {machines[0]} has" if machines else "this kernel has"


# Enough to find the others by.
_SHOWN = 3
