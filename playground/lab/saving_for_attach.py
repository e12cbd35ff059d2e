"""A lab written down beside its agent, for `Lab.attach` in another process."""

from __future__ import annotations

import threading
from contextlib import suppress

from playground.errors import AgentGone
from playground.lab.state import LabState

# Of what was changed in a running lab, until it is written down for `Lab.attach`.
SAVE_AFTER_S = 0.2


def save_soon(state: LabState) -> None:
    """Write the lab down a little later, once for all that is changed until then."""
    # Writing it takes longer than most changes do, and one may follow another.
    if state.saving is None:
        # Who attaches meanwhile waits for it; whether this was taken down nobody needs to know.
        state.agent().begin("state_changes")
        state.saving = threading.Timer(SAVE_AFTER_S, _save_if_there, (state,))
        # The end of the program waits for it where the lab goes on.
        state.saving.daemon = not state.keep
        state.saving.start()


def _save_if_there(state: LabState) -> None:
    with suppress(AgentGone):  # the lab has ended meanwhile, and nothing is to be saved
        save_state(state)


def save_state(state: LabState) -> None:
    """Write down what runs, if anything does."""
    with state.lock:
        state.saving = None
        if state.client is not None and state.plan is not None:
            data = state.saved(state.plan)
            state.client.call("state_save", data=data)
