"""The end of a lab: taken down, or let go of."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from playground.errors import AgentError, PlaygroundError
from playground.lab import programs
from playground.lab.keeping import save_state
from playground.lab.node_handles import restore
from playground.lab.outside import returning
from playground.lab.registry import runs_no_more
from playground.lab.state import LabObject, LabState


def stop(lab: LabObject) -> None:
    """Take the lab down: hosts, links, files, all that was made.

    Stopping a lab that does not run does nothing, and so does a fork of the
    program that started it, whose lab it is not.  Every step is tried, and the
    first error raised at the end.

    """
    if os.getpid() != lab._state.process_id:
        return
    state = lab._state
    with state.lock:
        moved = returning.held(state.id)
        _stop_gently(state)
        lasting = _ended(lab)
        if lasting is not None:
            with state.progress.step(f"stopping lab {lab.name}"), ExitStack() as way_down:
                way_down.callback(returning.wait_returned, moved)
                way_down.push(lasting)


def detach(lab: LabObject) -> None:
    """Let go of a lab that is to go on: one with ``keep``, or attached.

    Raises `PlaygroundError` for a lab that lives only as long as its owner.

    """
    state = lab._state
    with state.lock:
        if lab.running and not lab.keep:
            raise PlaygroundError(
                f"lab {lab.name} would not outlive this program: "
                "declare it with Lab(..., keep=True), or stop() it"
            )
        client = state.client
        if state.saving is not None:
            save_state(state)
        lasting = _ended(lab)
        if lasting is not None and client is not None:
            lasting.pop_all()
            client.close()
            if state.own_engine:
                state.engine.close()


def _stop_gently(state: LabState) -> None:
    """Let the programs end that were given time; what does not is ended with its host."""
    if state.client is not None and state.plan is not None:
        with suppress(AgentError):
            programs.stop_gently(state.client, state.pids, state.plan.nodes)


def _ended(lab: LabObject) -> ExitStack | None:
    """Let go of all that runs; return the way down, None if nothing runs."""
    state = lab._state
    lasting, state.lasting = state.lasting, None
    try:
        if lasting is not None:
            state.timetable.end()
        if state.saving is not None:
            state.saving.cancel()
            state.saving = None
        if state.ports is not None:
            state.ports.close()
            state.ports = None
        if state.forget is not None:
            state.forget.detach()
        runs_no_more(lab)
        if lasting is not None:
            state.client = None
            restore(lab, None, {}, {})
    except Exception as error:
        if lasting is None:
            raise
        # Nothing of what was declared keeps a lab from its end.
        lasting.callback(_raise, error)
    return lasting


def _raise(error: Exception) -> None:
    raise error
