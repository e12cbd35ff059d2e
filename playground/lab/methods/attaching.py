"""A lab that another process started, as an object of this one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from playground.engines.choice import RunningLabs
from playground.engines.seam import Engine, LabLabels
from playground.errors import LabNotFound
from playground.lab import lab_as_json
from playground.lab.methods.starting import has_started, hash_passwords
from playground.lab.node_handles import attach_nodes
from playground.lab.provision import provision
from playground.lab.state import LabObject
from playground.operations.connection.client import Client
from playground.operations.programs.ready_timeout import READY_TIMEOUT_S

# Who changes a lab writes it down a moment later; on a busy machine that takes longer, and
# who was killed meanwhile never does.
SAVED_WITHIN_S = 3.0

L = TypeVar("L", bound=LabObject)


def attach(declare: Callable[..., L], name: str, *, engine: Engine | str | None, quiet: bool) -> L:
    """Return a lab, declared by ``declare`` as it was saved, with a line to what runs."""
    found, record = RunningLabs(engine).find(name)
    with ExitStack() as line:
        client = Client(found.connect(record.id))
        line.callback(client.close)
        client.hello(READY_TIMEOUT_S)
        data = client.call("state_load", wait_s=SAVED_WITHIN_S)
        if data is None:
            raise LabNotFound(f"lab {name!r} is still starting: try again when it is up")
        saved = lab_as_json.load(data)
        arguments = {
            **saved.settings,
            "name": record.name,
            "ipv6": saved.ipv6,
            "keep": True,
            "engine": found,
            "quiet": quiet,
            "strict": saved.plan.strict,
        }
        lab = declare(*saved.nodes, **arguments)
        state = lab._state
        # What was asked for is what `save` writes down.
        state._found_engine, state.asked_engine = found, saved.settings.get("engine", found)
        state.id = record.id
        state.labels = LabLabels(record.id, record.name, record.owner, record.keep, record.mark)
        state.client = client
        state.credentials = saved.credentials
        hash_passwords(state, client)
        state.plan = saved.plan
        state.pids = found.pids(record.id)
        state.provisions = provision(
            saved.plan, saved.credentials, shares_files=found.has_common_files
        )
        attach_nodes(lab, saved.plan, state.pids)
        state.own_engine = engine is None or isinstance(engine, str)
        lasting = ExitStack()
        if state.own_engine:
            lasting.callback(found.close)
        lasting.callback(found.stop, record.id)
        lasting.push(line.pop_all())
        has_started(lab, lasting)
    return lab
