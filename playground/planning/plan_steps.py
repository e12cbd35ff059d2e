"""Steps from one plan to the next: what every change of a running lab is.

`plan_step` compares two whole plans.  `wire_step`, `switch_step` and `rules_step` know what is
another and look at nothing else, for a change that is made often; they say the same.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cached_property

from playground.model.records import dataclass
from playground.planning.difference import (
    Changes,
    SwitchChange,
    WireChange,
    compare,
    reopened,
    rules_change,
)
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import StoppedNode, SwitchPlan, WirePlan


@dataclass(frozen=True)
class PlanStep:
    """A plan, the next one, and what turns the network of one into that of the other.

    ``before`` is None where nothing runs yet.  Programs of nodes that are stopped have ``grace_s``
    seconds to end.  One that is ``whole`` is a single request that
    the agent carries out wholly or not at all.

    """

    before: Plan | None
    after: Plan
    change: Changes
    whole: bool = False
    grace_s: float = 0.0

    @cached_property
    def back(self) -> Changes:
        """The step that undoes it; only after a step between two plans."""
        assert self.before is not None
        return compare(self.after, self.before)

    @property
    def lit(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The nodes that have power again, and which programs of the user's own they ran."""
        stopped = self.before.stopped if self.before else ()
        dark = self.after.stopped_names
        return tuple((one.name, one.programs) for one in stopped if one.name not in dark)

    @property
    def within_nodes(self) -> bool:
        """Whether only routes and rules of nodes that are there differ, and nothing else at all."""
        if self.before is None:
            return False
        old, new = self.before, self.after
        return (
            [node.name for node in old.nodes] == [node.name for node in new.nodes]
            and old == dataclasses.replace(new, nodes=old.nodes)
            and all(map(_same_but_ways, old.nodes, new.nodes))
        )


def _same_but_ways(old: NodePlan, new: NodePlan) -> bool:
    return old == dataclasses.replace(
        new,
        routes=old.routes,
        own_routes=old.own_routes,
        own_rules=old.own_rules,
        nat=old.nat,
        filters=old.filters,
    )


def plan_step(before: Plan | None, after: Plan) -> PlanStep:
    """Return the step between two plans, whatever differs."""
    return PlanStep(before, after, compare(before, after))


def stop_step(plan: Plan, nodes: Iterable[StoppedNode], grace_s: float) -> PlanStep:
    """Return the step in which nodes lose their power."""
    after = plan.with_stopped((*plan.stopped, *nodes))
    names = tuple(name for name in after.stopped_names if name not in plan.stopped_names)
    return PlanStep(plan, after, Changes((), (), (), (), nodes_stop=names), grace_s=grace_s)


def start_step(plan: Plan, names: Iterable[str]) -> PlanStep:
    """Return the step in which nodes have power again."""
    lit = {*names}
    return plan_step(plan, plan.with_stopped(one for one in plan.stopped if one.name not in lit))


def wire_step(
    plan: Plan, old: WirePlan, new: WirePlan, *, replace_queues: bool = False
) -> PlanStep:
    """Return the step in which one wire, this very object, is plugged or impaired otherwise.

    What the kernel forgets by itself where an interface is set down, it is not told to forget.
    With ``replace_queues`` both directions are set anew, also where somebody has set a queue
    by hand.

    """
    after = plan.with_wire(old, new)
    opened = reopened(after, new) if new.up and not old.up else []
    change = Changes(
        (), (), (), tuple(opened), wires_change=(WireChange(old, new, replace_queues),)
    )
    return PlanStep(plan, after, change, whole=old.up == new.up or _unimpaired(old, new))


def _unimpaired(old: WirePlan, new: WirePlan) -> bool:
    return (old.toward_a, old.toward_b) == (new.toward_a, new.toward_b) and (
        old.queue_a,
        old.queue_b,
    ) == (new.queue_a, new.queue_b)


def switch_step(plan: Plan, old: SwitchPlan, new: SwitchPlan) -> PlanStep:
    """Return the step in which one switch becomes another."""
    found = SwitchChange(old, new)
    change = Changes((), (), (), (), switches_change=(found,) if found else ())
    return PlanStep(plan, plan.with_switch(new), change)


def rules_step(plan: Plan, node: NodePlan) -> PlanStep:
    """Return the step in which a node filters by other rules, and nothing else is another."""
    old = plan.node(node.name)
    same = node.rules == old.rules or node.name in plan.stopped_names
    inside = () if same else (rules_change(old, node),)
    nodes = tuple(node if one is old else one for one in plan.nodes)
    after = dataclasses.replace(plan, nodes=nodes)
    return PlanStep(plan, after, Changes((), (), (), inside), whole=True)
