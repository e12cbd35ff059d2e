"""The end of a lab: taken down, or let go of."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from playground.errors import AgentError, PlaygroundError
from playground.lab import program_starts
from playground.lab.labs_of_this_process import runs_no_more
from playground.lab.life import snapshot_store
from playground.lab.node_handles import restore
from playground.lab.outside import returning_interfaces
from playground.lab.saving_for_attach import save_state
from playground.lab.state import LabObject, LabState


def stop(lab: LabObject) -> None:
    """Take the lab down: hosts, links, files, all that was made.

    Stopping a lab that does not run does nothing, and so does a fork of the
    program that started it, whose lab it is not.  Every step is tried, after an
    error and after an interrupt (Ctrl-C) too, and the last error raised at the end.

    """
    if os.getpid() != lab._state.process_id:
        return
    state = lab._state
    with state.lock, ExitStack() as way_down:
        if (lasting := state.lasting) is not None:
            way_down.callback(
                returning_interfaces.wait_returned, returning_interfaces.held(state.id)
            )
            way_down.push(lasting)
        _let_go(lab, way_down)
        way_down.callback(_stop_gently, state)
        if lasting is not None:
            way_down.callback(snapshot_store.forget, state.id)
            with state.progress.step(f"stopping lab {lab.name}"):
                way_down.close()


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
        if state.saving is not None:
            save_state(state)
        with ExitStack() as way_out:
            if state.lasting is not None and state.client is not None:
                # What takes the lab down is not called, but these.
                if state.own_engine:
                    way_out.callback(state.engine.close)
                way_out.callback(state.client.close)
                way_out.callback(state.lasting.pop_all)
            _let_go(lab, way_out)


def _stop_gently(state: LabState) -> None:
    """Let the programs end that were given time; what does not is ended with its host."""
    if state.client is not None and state.plan is not None:
        with suppress(AgentError):
            program_starts.stop_gently(state.client, state.pids, state.plan.nodes)


def _let_go(lab: LabObject, way_down: ExitStack) -> None:
    """Put on the way down that nothing of a lab runs for this program any more.

    Each is a step of its own: an error of one, or an interrupt (Ctrl-C), keeps no other.

    """
    state = lab._state
    if lab.running:
        way_down.callback(restore, lab, None, {}, {})
    way_down.callback(runs_no_more, lab)
    if state.forget is not None:
        way_down.callback(state.forget.detach)
    if state.ports is not None:
        way_down.callback(state.ports.close)
    if state.saving is not None:
        way_down.callback(state.saving.cancel)
    if lab.running:
        way_down.callback(state.timetable.end)
    way_down.callback(_forget, state)


def _forget(state: LabState) -> None:
    state.lasting = state.client = state.ports = state.saving = None
