"""Changes of a lab that runs, all by one road: a step to a new plan, carried out, committed.

`docs/architecture/live-changes.md` shows the road.

"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from playground.errors import AgentError, TopologyError
from playground.lab import apply, convergence
from playground.lab.links.kernel_check import refuse_lacking
from playground.lab.methods.link_removal import taken_out
from playground.lab.methods.starting import extend
from playground.lab.node_handles import attach_nodes, settle
from playground.lab.saving_for_attach import save_soon
from playground.lab.state import LabObject
from playground.model.impairment import Impairment
from playground.model.queues.link_queue import LinkQueue
from playground.model.topology import refuse_in_use
from playground.operations.connection.handles import LiveSwitch, LiveWire
from playground.operations.network import Link, Node
from playground.planning.addresses.segments import linked, links_of
from playground.planning.links.kernel_needs import queue_needs
from playground.planning.plan_steps import PlanStep, plan_step, rules_step, switch_step, wire_step
from playground.planning.rules_and_nat import with_node_rules


@contextmanager
def changing(lab: LabObject) -> Iterator[None]:
    """Keep what is declared in this block from other threads' eyes until it ends."""
    state = lab._state
    with state.lock, state.declaring:
        yield


def take(lab: LabObject, step: PlanStep) -> None:
    """Carry a step out in the running lab, and commit it; where that fails all is as it was.

    A step of a few things between nodes that stay: `starting.extend` takes all others.

    """
    state = lab._state
    client, plumbing, undo = state.agent(), state.plumbing, ExitStack()
    assert plumbing is not None  # there is an agent
    try:
        with state.naming_nodes():
            apply.carry_out(client, step, plumbing, plumbing, undo)
    except BaseException as error:
        # A whole one that the agent has refused has done nothing; Ctrl-C may come too late.
        if not (step.whole and isinstance(error, AgentError)):
            with suppress(AgentError):
                undo.close()
        raise
    undo.pop_all()
    settle(state, step)
    save_soon(state)


def change_wire(
    lab: LabObject,
    live: LiveWire,
    *,
    up: bool | None = None,
    toward: tuple[Impairment | None, Impairment | None] | None = None,
    queues: tuple[LinkQueue | None, LinkQueue | None] | None = None,
    replace_queues: bool = False,
) -> None:
    """Plug a link in or out, impair its directions, or give them queues: first end, second.

    Raises `EngineError` for a queue that the kernel does not have.  With ``replace_queues`` queues
    go that somebody has set by hand.

    """
    state = lab._state
    with state.lock:
        plan, old = state.running_plan(), live.wire
        new = old
        if up is not None:
            new = dataclasses.replace(new, up=up)
        if toward is not None:
            new = dataclasses.replace(new, toward_a=toward[0], toward_b=toward[1])
        if queues is not None:
            new = dataclasses.replace(new, queue_a=queues[0], queue_b=queues[1])
            refuse_lacking(state.agent(), queue_needs(new))
        if new != old or replace_queues:
            take(lab, wire_step(plan, old, new, replace_queues=replace_queues))


def change_switch(lab: LabObject, live: LiveSwitch, **said: Any) -> None:
    """Change what a `SwitchPlan` says of a running switch: its ``settings``, its ``mirror``."""
    state = lab._state
    with state.lock:
        plan, new = state.running_plan(), dataclasses.replace(live.plan, **said)
        if new != live.plan:
            take(lab, switch_step(plan, live.plan, new))


def change_rules(lab: LabObject, name: str) -> None:
    """Replace the ruleset of a running node by what its firewall is told now.

    What it has counted is kept.  After an error all is as it was.

    """
    state = lab._state
    with state.lock:
        plan = state.running_plan()
        step = rules_step(plan, with_node_rules(plan, state.node(name)))
        if not plan.node(name).rules:  # else this machine can do it
            state.engine.refuse(step.after)
        take(lab, step)


def catch_up(lab: LabObject) -> None:
    """Do at once what nodes were told since, unless more waits for `start`."""
    state = lab._state
    with state.lock:
        step = plan_step(state.plan, state.planned())
        if not (step.change.nodes or step.change.bridges or step.change.wires):
            state.engine.refuse(step.after)
            if step.within_nodes and not any(convergence.speakers(step.after)):
                _take_within(lab, step)
            else:
                extend(lab, step, state.images(step.after))


def _take_within(lab: LabObject, step: PlanStep) -> None:
    """Carry out a step in which no file or program of a node has to change."""
    state = lab._state
    client, before, undo = state.agent(), state.plumbing, ExitStack()
    assert before is not None  # there is an agent
    try:
        with state.naming_nodes():
            plumbing = apply.Plumbing(step.after, state.pids)
            apply.carry_out(client, step, plumbing, before, undo)
    except BaseException:
        with suppress(AgentError):
            undo.close()
        raise
    undo.pop_all()
    state.plan = step.after
    attach_nodes(lab, step.after, state.pids)
    save_soon(state)


def remove(lab: LabObject, link: Link) -> None:
    """Take a link out of the lab: its interfaces, and the ways that led over it.

    In a running lab it is gone at once, and routes lead where others lead; nodes that
    hang on nothing else stay, and run on, but one that was never started goes with it.  So does,
    before the start, one whose name another has.
    As `start` it brings up what was declared since.  The `Link` is of no more use: make
    another to link the nodes anew.

    Raises `TopologyError` if it is none of this lab's, or rules or NAT speak of it,
    and as `start`; it is then where it was.

    >>> lab.remove(uplink)

    """
    state = lab._state
    with state.lock:
        # Two nodes of one name, say: removing the second one's link is how to mend that.
        nodes = linked(state.given)
        if link not in links_of(nodes):
            raise _no_link(link, lab)
        if link.bond is not None:
            raise TopologyError(
                f"{link!r} is a link of a bond, which has its addresses: remove {link.bond!r}, or "
                f"pull this one out with down()"
            )
        for part in (link, *link.attachments):
            refuse_in_use(part)
        given, live = state.given, link._live
        # Its nodes stay, whatever they hang on then.
        called = Counter(node.name.lower() for node in nodes)
        ends = [
            end.node
            for end in link.ends
            if (end.node._live is not None if lab.running else called[end.node.name.lower()] == 1)
        ]
        state.given = tuple(dict.fromkeys((*given, *ends)))
        try:
            with ExitStack() as out:
                # A bond goes with its links.
                for one in (link, *link.members):
                    out.enter_context(taken_out(one))
                if live is None or state.plan is None:
                    state.planned()
                else:
                    base = state.plan
                    for one in (link, *link.members):
                        base = base.without_wire(one._live.wire) if one._live else base
                    plan = state.placed(state.make_plan(base))
                    state.engine.refuse(plan)
                    extend(lab, plan_step(state.plan, plan), state.images(plan))
        except BaseException:
            state.given = given
            raise
        for one in (link, *link.members):
            one._live = None


def _no_link(thing: object, lab: LabObject) -> TopologyError:
    instead = ""
    if isinstance(thing, Node) and thing.links:
        instead = f"; a machine leaves when its links do, such as lab.remove({thing.links[0]!r})"
    return TopologyError(f"{thing!r} is no link of lab {lab.name}{instead}")
