"""Nodes of a running lab, stopped and started again: steps on the road of all live changes."""

from __future__ import annotations

import errno
from contextlib import suppress

from playground.errors import AgentError, EngineError
from playground.lab import program_starts
from playground.lab.methods.live_changes import take
from playground.lab.methods.starting import extend
from playground.lab.node_handles import attach_nodes
from playground.lab.state import LabObject
from playground.planning.plan_parts import StoppedNode
from playground.planning.plan_steps import start_step, stop_step


def stop_node(lab: LabObject, name: str, grace_s: float) -> None:
    """Take the power from a running node; what its programs were is kept for `start_node`."""
    state = lab._state
    with state.lock:
        plan = state.running_plan()
        if name in plan.stopped_names:
            return
        state.refuse_dead()
        agent, pids = state.agent(), {name: state.pids[name]}
        running = program_starts.halt(agent, pids, plan.node(name), grace_s)
        try:
            take(lab, stop_step(plan, [StoppedNode(name, running)], grace_s))
        except BaseException as error:
            with suppress(AgentError):
                program_starts.go_on(agent, pids[name], running)
            if isinstance(error, AgentError) and error.errno == errno.EBUSY:
                raise EngineError(f"{name} cannot be stopped: {error}") from error
            raise
        attach_nodes(lab, state.running_plan(), state.pids)


def start_node(lab: LabObject, name: str) -> None:
    """Give a node power again, and wait until all answers that it runs."""
    state = lab._state
    with state.lock:
        plan = state.running_plan()
        if name not in plan.stopped_names:
            return
        extend(lab, start_step(plan, [name]), state.images(plan))
