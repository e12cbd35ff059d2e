"""`Lab.apply`: a running lab becomes what another declaration says, and the rest goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from playground.errors import BadArgument, TopologyError
from playground.lab import apply as plumbing
from playground.lab import convergence, program_starts
from playground.lab.labs_of_this_process import hand_nodes, refuse_others
from playground.lab.life.declared_again import Staying, find_staying
from playground.lab.methods.starting import extend
from playground.lab.node_handles import detach_nodes, restore
from playground.lab.provision import NodeProvision
from playground.lab.saving_for_attach import save_soon
from playground.lab.state import LabObject, LabState
from playground.model.arguments import check_flag, shown
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan
from playground.planning.plan_steps import plan_step
from playground.planning.planner import make_plan

if TYPE_CHECKING:
    from playground.planning.plan_diff import PlanDiff


class _Wanted(NamedTuple):
    plan: Plan
    staying: Staying


def apply(lab: LabObject, wanted: LabObject, *, dry_run: bool = False) -> PlanDiff:
    """Make of this running lab what another one declares, and return what that changes.

    ``wanted`` is a lab that is not started: one that `playground.load` has read, say.  Its nodes
    are this lab's from then on, and ``wanted``'s own name is not asked.  Nodes and links that are
    declared as they were, by their names, are left alone, with their files, their programs and all
    that was typed there.  Addresses, routes, rules, settings of services change where they run;
    nodes and links come and go.  A node whose image, command, limits or daemons are others is made
    anew, and its files are gone: rows of kind "made anew" say so.  Passwords and keys stay those of
    the running lab, and a node that is stopped stays stopped.  Of the lab's own settings,
    ``positions``, ``spread`` and ``reschedule`` are taken over where ``wanted`` says them, in rows
    of kind "setting": nodes that run stay on their machines.  Users other than those of the running
    lab are refused.

    With ``dry_run`` nothing is changed.  Raises `TopologyError` before anything is, where it cannot
    be done.  After a failure later on nodes that were to go are gone, and what stays is as it was.

    >>> lab.apply(playground.load("lab.yaml"), dry_run=True)
    change  node  kind     entry
    -       h1    address  10.0.1.2/24 dev eth0
    +       h1    address  10.0.1.9/24 dev eth0

    """
    check_flag("apply: dry_run", dry_run, BadArgument)
    if not isinstance(getattr(wanted, "_state", None), LabState):
        raise BadArgument(
            f"apply takes a lab, such as playground.load('lab.yaml'), not {shown(wanted)}"
        )
    if wanted is lab or wanted.running:
        raise BadArgument(f"{wanted!r} runs already: apply takes a lab that is only declared")
    state = lab._state
    with state.lock:
        state.agent()
        refuse_others(lab, wanted)
        _refuse_users(state, wanted._state)
        found = _plan(state, wanted._state)
        diff = found.plan.diff(state.running_plan())
        settings = _settings(state, wanted._state)
        diff = _with_rows(diff, found.staying, settings)
        if dry_run or not diff:
            return diff
        if len(diff.differences) == len(settings):
            _take_settings(state, wanted._state)
            save_soon(state)
            return diff
        state.engine.refuse(found.plan)
        program_starts.waves(found.plan.nodes, {})
        if state.converge:
            convergence.refuse_split(found.plan)
        state.engine.ensure_images(
            [one for one in dict.fromkeys(state.images(found.plan).values()) if one is not None],
            state.progress,
        )
        _let_go(lab, wanted, found)
        extend(lab, plan_step(state.running_plan(), found.plan), state.images(found.plan))
    return diff


def _plan(state: LabState, wanted: LabState) -> _Wanted:
    """Return what is to be, and what stays for it; nothing is touched."""
    running = state.running_plan()
    fresh = make_plan(wanted.given, lab=state.name, ipv6=wanted.ipv6, strict=wanted.strict)
    staying = find_staying(running, state.nodes, wanted.nodes, fresh)
    plan = make_plan(
        wanted.given, lab=state.name, ipv6=wanted.ipv6, strict=wanted.strict, previous=staying.base
    )
    if staying.rest.stopped:
        plan = plan.with_stopped(staying.rest.stopped)
    return _Wanted(state.placed(plan, wanted.spread), staying)


def _refuse_users(state: LabState, wanted: LabState) -> None:
    """Raise `TopologyError` for users that the running lab has not: each node has its accounts."""
    if wanted.asked_users is not None and wanted.asked_users != state.credentials.users:
        raise TopologyError(
            f"lab {state.name}: its users and their passwords stay while it runs; it has "
            f"{', '.join(state.credentials.users) or 'none'}: leave out users, or take it down "
            "and start it anew"
        )


def _settings(state: LabState, wanted: LabState) -> dict[str, str]:
    """Return the settings of a lab itself that are said otherwise, by name in words."""
    found = {}
    if wanted.positions and wanted.positions != state.positions:
        places = (f"{name} ({x:g}, {y:g})" for name, (x, y) in wanted.positions.items())
        found["positions"] = ", ".join(places)
    if wanted.spread is not None and wanted.spread != state.spread:
        spread = wanted.spread
        found["spread"] = ", ".join(spread) if isinstance(spread, tuple) else str(spread)
    if wanted.reschedule and not state.reschedule:
        found["reschedule"] = "true"
    return found


def _take_settings(state: LabState, wanted: LabState) -> None:
    state.positions = wanted.positions or state.positions
    state.spread = wanted.spread if wanted.spread is not None else state.spread
    state.reschedule = wanted.reschedule or state.reschedule


def _with_rows(diff: PlanDiff, staying: Staying, settings: Mapping[str, str]) -> PlanDiff:
    """Return a difference with what no plan tells: nodes made anew, settings of the lab itself."""
    from playground.display.tables import Table
    from playground.planning.plan_diff import PlanDiff, PlanDifference

    rows = [PlanDifference("!", name, "made anew", why) for name, why in staying.anew.items()]
    said = [
        PlanDifference("+", "", "setting", f"{name} {words}") for name, words in settings.items()
    ]
    return PlanDiff(Table([*rows, *diff.differences, *said]))


def _let_go(lab: LabObject, wanted: LabObject, found: _Wanted) -> None:
    """Take away the nodes that go, or are made anew, and take over what is declared instead."""
    state, staying = lab._state, found.staying
    provisions, pids = take_away(state, staying.rest, staying.cut, {*staying.gone, *staying.anew})
    detach_nodes(lab)
    other = wanted._state
    state.given, state.ipv6, state.strict = other.given, other.ipv6, other.strict
    state.converge = other.converge
    _take_settings(state, other)
    state._by_name.clear()
    other.given = ()
    other._by_name.clear()
    hand_nodes(lab)
    restore(lab, staying.rest, provisions, pids)


def take_away(
    state: LabState, rest: Plan, cut: Sequence[WirePlan], leaving: Collection[str]
) -> tuple[dict[str, NodeProvision], dict[str, int]]:
    """Take nodes and switches out of what runs; ``rest`` and ``cut`` are `without_nodes`' answer.

    Returns the provisions and processes of the nodes that are left.

    """
    plan, there = state.running_plan(), {node.name for node in rest.nodes}
    dead = [name for name in state.pids if name not in there]
    wires = plumbing.Plumbing(plan, state.pids)
    # An engine takes a moment to end a node, and what it had at a switch would be there so long.
    ends = [end for wire in cut for end in wires.ends(wire)]
    bridges = [{"device": switch.device} for switch in plan.switches if switch.name in leaving]
    if leaving:
        with state.progress.step(f"taking {', '.join(sorted(leaving))} out of lab {state.name}"):
            if ends or bridges:
                state.agent().call("unwire", veths=ends, bridges=bridges)
            if dead:
                state.engine.stop(state.id, dead)
    provisions = {name: one for name, one in state.provisions.items() if name in there}
    return provisions, {name: pid for name, pid in state.pids.items() if name in there}
