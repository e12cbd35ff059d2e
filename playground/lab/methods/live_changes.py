"""Changes of a lab that runs: rules, routes and NAT that nodes were told of, links taken out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playground.errors import TopologyError
from playground.lab.keeping import save_soon
from playground.lab.methods.link_removal import taken_out
from playground.lab.methods.starting import extend
from playground.lab.state import LabObject
from playground.model.topology import refuse_in_use
from playground.operations.network import Link, Node
from playground.planning.difference import compare
from playground.planning.firewall import with_node_rules
from playground.planning.nft import loadable
from playground.planning.plan import Plan
from playground.planning.segments import linked, links_of


@contextmanager
def changing(lab: LabObject) -> Iterator[None]:
    """Keep what is declared in this block from other threads' eyes until it ends."""
    state = lab._state
    with state.lock, state.declaring:
        yield


def change_rules(lab: LabObject, name: str) -> None:
    """Replace the ruleset of a running node by what its firewall is told now.

    What it has counted is kept.  After an error all is as it was.

    """
    state = lab._state
    with state.lock:
        client, plan = state.agent(), state.plan
        assert plan is not None
        node = state.node(name)
        changed = with_node_rules(plan, node)
        others = (changed if one.name == changed.name else one for one in plan.nodes)
        new = dataclasses.replace(plan, nodes=tuple(others))
        if not plan.node(name).rules:  # else this machine can do it
            state.engine.refuse(new)
        request = {"pid": state.pids[changed.name], "ruleset": loadable(changed.rules)}
        # nft takes longer for a thousand rules than writing down what they are.
        loaded = client.begin("firewall", nodes=[request])
        saved = state.saved(new)
        loaded()
        state.plan = new
        node.running().plan = changed
        client.call("state_save", data=saved)


def catch_up(lab: LabObject) -> None:
    """Do at once what nodes were told since, unless more waits for `start`."""
    state = lab._state
    with state.lock:
        plan = state.planned()
        change = compare(state.plan, plan)
        if not (change.nodes or change.bridges or change.wires):
            state.engine.refuse(plan)
            extend(lab, plan, state.images(plan))


def amend(lab: LabObject, change: Callable[[Plan], Plan]) -> None:
    """Take into the plan what was changed in the kernel, and save it a little later."""
    state = lab._state
    with state.lock:
        if state.plan is not None:
            state.plan = change(state.plan)
            save_soon(state)


def remove(lab: LabObject, link: Link) -> None:
    """Take a link out of the lab: its interfaces, and the ways that led over it.

    In a running lab it is gone at once, and routes lead where others lead; nodes that
    hang on nothing else stay, and run on, but one that was never started goes with it.
    As `start` it brings up what was declared since.  The `Link` is of no more use: make
    another to link the nodes anew.

    Raises `TopologyError` if it is none of this lab's, or rules or NAT speak of it,
    and as `start`; it is then where it was.

    >>> lab.remove(uplink)

    """
    state = lab._state
    with state.lock:
        # Two nodes of one name, say: removing the second one's link is how to mend that.
        if link not in links_of(linked(state.given)):
            raise _no_link(link, lab)
        for part in (link, *link.attachments):
            refuse_in_use(part)
        given, live = state.given, link._live
        # Its nodes stay, whatever they hang on then.
        ends = [end.node for end in link.ends if not lab.running or end.node._live is not None]
        state.given = tuple(dict.fromkeys((*given, *ends)))
        try:
            with taken_out(link):
                if live is None or state.plan is None:
                    state.planned()
                else:
                    base = state.plan.without_wire(live.wire)
                    plan = state.make_plan(base)
                    state.engine.refuse(plan)
                    extend(lab, plan, state.images(plan))
        except BaseException:
            state.given = given
            raise
        link._live = None


def _no_link(thing: object, lab: LabObject) -> TopologyError:
    instead = ""
    if isinstance(thing, Node) and thing.links:
        instead = f"; a machine leaves when its links do, such as lab.remove({thing.links[0]!r})"
    return TopologyError(f"{thing!r} is no link of lab {lab.name}{instead}")
