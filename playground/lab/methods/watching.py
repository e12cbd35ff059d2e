"""`Lab.events`: what happens in a running lab, told as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from playground.errors import BadArgument
from playground.lab.convergence import speakers
from playground.lab.state import LabObject, LabState
from playground.model.arguments import shown
from playground.operations.connection.client import Client
from playground.planning.plan import NodePlan

if TYPE_CHECKING:
    from playground.lab.life.event_reader import Ports
    from playground.lab.life.event_stream import Events
    from playground.lab.life.plan_changes import PlanData

# Who changes a lab writes it down a moment later.
_SAVED_WITHIN_S = 3.0


def events(lab: LabObject, *kinds: str) -> Events:
    """Listen to what happens in this running lab from now on, whichever program does it.

    Of the ``kinds`` given, or of all: "link" (up, down, added, removed, changed), "node" (added,
    removed, stopped, started, died, made anew), "service" (up, down: whether anything listens on
    its ports), "neighbour" (of OSPF and BGP, up or down), "address", "route", "interface" (of those
    that are no link's).  `Events` gives them one after the other, as typed rows: ``event.line`` is
    text, ``event.to_data()`` plain data.  Links, addresses and routes are told at once, services
    within half a second, neighbours within some three.

    At most 200 a second are told of one node, and 10,000 wait for who is slow; "lost" says how
    many were not.  Nobody has any cost of it who does not listen.  Raises `NotRunning`, and
    `BadArgument` for a kind that there is not.

    >>> with lab.events() as events:
    ...     link.down()
    ...     print(next(events).line)
    14:03:11.250  link       h1 - home is down

    """
    # Source: rtnetlink(7), sock_diag(7).
    from playground.lab.life.event_stream import Events, Watched, check_kinds
    from playground.operations.life.events import KINDS

    if any(not isinstance(kind, str) for kind in kinds):
        raise BadArgument(f"kinds are words, as in lab.events('link'), not {shown(kinds[0])}")
    state = lab._state
    client = state.agent()
    return Events(
        Watched(
            client,
            lambda: _saved_plan(client),
            lambda: _pids(state),
            lambda: _machines(state),
            _service_ports,
            lambda: _speakers(state),
        ),
        check_kinds(kinds) or KINDS,
    )


def _saved_plan(client: Client) -> PlanData | None:
    text = client.call("state_load", wait_s=_SAVED_WITHIN_S)
    if text is None:
        return None
    plan: PlanData = json.loads(text)["plan"]
    return plan


def _pids(state: LabState) -> Mapping[str, int]:
    """Return the first process of each node, also of those that another program has added."""
    state.agent()
    return state.engine.pids(state.id)


def _machines(state: LabState) -> Mapping[str, str]:
    plan = state.plan
    return plan.placement.machines if plan is not None and plan.placement is not None else {}


def _speakers(state: LabState) -> Iterable[NodePlan]:
    plan = state.plan
    if plan is None:
        return []
    return [node for node in speakers(plan) if node.name not in plan.stopped_names]


def _service_ports(plan: PlanData) -> Mapping[str, Ports]:
    """Return by node and service the ports on which somebody listens while the service is up."""
    from playground.lab.lab_as_json import read_settings
    from playground.model.services.table import row_of

    found: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for node in plan["nodes"]:
        for item in map(read_settings, node["services"]):
            ports = [(port.protocol, port.number) for port in row_of(item).ports]
            found.setdefault(node["name"], {})[item.service] = ports
    return found
