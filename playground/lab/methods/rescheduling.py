"""What a lab does at its next start about machines of a swarm that are gone.

The line to the machines notices within six seconds that one does not answer, the swarm's manager
within some fifteen.

"""

from __future__ import annotations

from collections.abc import Sequence

from playground.errors import NodeDied
from playground.lab.node_handles import restore
from playground.lab.state import LabObject, LabState
from playground.planning.lost_machines import without_machines
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan


def let_go_of_lost(lab: LabObject) -> None:
    """Forget what ran on machines that are gone, so that what is declared is made anew elsewhere.

    Raises `NodeDied`, which names the machines, in a lab that was not told to.

    """
    state = lab._state
    plan = state.plan
    if plan is None or plan.placement is None:
        return
    lost = _lost_machines(state, plan)
    if not lost:
        return
    gone = [name for name, machine in plan.placement if machine in lost]
    if not state.reschedule:
        raise NodeDied(
            f"{_names(gone)} {'is' if len(gone) == 1 else 'are'} dead: the machine "
            f"{', '.join(lost)} is gone, or cut off from the swarm; stop the lab and start it "
            "again, or make it with Lab(reschedule=True), and start() brings them back elsewhere"
        )
    rest, wires = without_machines(plan, lost)
    with state.progress.step(f"letting go of {', '.join(lost)}"):
        _unwire(state, wires, lost)
        nodes = {node.name for node in rest.nodes}
        state.lost_machines |= {*lost}
        dead = [name for name in state.pids if name not in nodes]
        state.engine.forget_nodes(state.id, dead)  # type: ignore[attr-defined]
        provisions = {name: one for name, one in state.provisions.items() if name in nodes}
        pids = {name: pid for name, pid in state.pids.items() if name in nodes}
        restore(lab, rest, provisions, pids)


def _lost_machines(state: LabState, plan: Plan) -> list[str]:
    """Return the machines of a lab that do not answer, or that the swarm's manager has lost."""
    assert plan.placement is not None
    places = plan.placement.machines
    running = state.engine.pids(state.id)
    silent = state.agent().call("silent_machines", machines=sorted({*places.values()}))
    lost = {places[name] for name in state.pids if name not in running}
    # A host may have died by itself, on a machine that is well.
    down = lost & {*state.engine.lost_machines()} if lost else set()  # type: ignore[attr-defined]
    return sorted({*silent, *down})


def _unwire(state: LabState, wires: Sequence[WirePlan], lost: Sequence[str]) -> None:
    """Take away the ends on machines that are there, which lead nowhere any more."""
    plumbing, plan = state.plumbing, state.plan
    assert plumbing is not None and plan is not None and plan.placement is not None
    ends = [
        row
        for wire in wires
        for end, row in zip((wire.a, wire.b), plumbing.ends(wire), strict=True)
        if plan.placement[end.node] not in lost
    ]
    if ends:
        state.agent().call("unwire", veths=ends)


def _names(nodes: Sequence[str]) -> str:
    """Return some names as one would say them.

    >>> _names(["h1", "h2", "h3"]), _names(["h1", "h2", "h3", "h4", "h5"])
    ('h1, h2 and h3', 'h1, h2, h3 and 2 more')

    """
    shown, more = list(nodes[:3]), len(nodes) - 3
    last = f"{more} more" if more > 0 else shown.pop()
    return f"{', '.join(shown)} and {last}" if shown else last
