"""What differs between two descriptions of a running lab, as events.  Pure.

A lab is written down whenever it is changed, by whichever program does it.  What is compared here
is that plan as plain data: to make objects of it takes longer, and is not needed.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from playground.model.impairment import Impairment
from playground.operations.life.events import Event, LinkEvent, NodeEvent

PlanData = Mapping[str, Any]

# What of a wire is a change that a user made: that it is up or down, the kernel says.
_CHANGING = {
    "toward_a": "toward {a}",
    "toward_b": "toward {b}",
    "queue_a": "the queue toward {a}",
    "queue_b": "the queue toward {b}",
}


def changes(before: PlanData, after: PlanData, now_s: float) -> Iterator[Event]:
    """Yield what has become of nodes and links between two plans, as `Plan.to_data` has them.

    >>> [event.words for event in changes(before, after, time.time())]
    ['h3 was added', 'h3 - home was added']

    """
    old_nodes, nodes = _nodes(before), _nodes(after)
    dark, darker = _stopped(before), _stopped(after)
    for name in (name for name in nodes if name not in old_nodes):
        yield NodeEvent(now_s, name, "added")
    for name in (name for name in nodes if name in old_nodes):
        if (name in darker) != (name in dark):
            yield NodeEvent(now_s, name, "stopped" if name in darker else "started")
    old_wires, wires = _wires(before), _wires(after)
    plain: PlanData = dict.fromkeys(_CHANGING)
    for key, wire in wires.items():
        if key not in old_wires:
            yield LinkEvent(now_s, *key, "added")
        if detail := _detail(key, old_wires.get(key, plain), wire):
            yield LinkEvent(now_s, *key, "changed", detail)
    for key in (key for key in old_wires if key not in wires):
        yield LinkEvent(now_s, *key, "removed")
    for name in (name for name in old_nodes if name not in nodes):
        yield NodeEvent(now_s, name, "removed")


def _nodes(plan: PlanData) -> dict[str, Any]:
    return {item["name"]: item for item in (*plan["nodes"], *plan["switches"])}


def _stopped(plan: PlanData) -> set[str]:
    return {item["name"] for item in plan.get("stopped", ())}


Wire = tuple[str, str, str, str]


def _wires(plan: PlanData) -> dict[Wire, PlanData]:
    return {wire_key(wire): wire for wire in plan["wires"]}


def wire_key(wire: PlanData) -> Wire:
    """Return the nodes and interfaces of a wire."""
    a, b = wire["a"], wire["b"]
    return a["node"], a["interface"], b["node"], b["interface"]


def _detail(key: Wire, old: PlanData, new: PlanData) -> str:
    a, _, b, _ = key
    said = []
    for name, where in _CHANGING.items():
        if old.get(name) != new.get(name):
            said.append(f"{where.format(a=a, b=b)} {_words(new.get(name))}")
    return ", ".join(said)


def _words(settings: Any) -> str:
    """Return settings as somebody would say them: an impairment's that differ from nothing.

    >>> _words({"delay_ms": 20.0, "loss_percent": 0.0, "distribution": "uniform"}), _words(None)
    ('delay_ms=20', 'as made')

    """
    if not isinstance(settings, Mapping):
        return "as made" if settings is None else str(settings)
    usual = {field.name: field.default for field in dataclasses.fields(Impairment)}
    said = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in settings.items()
        if value and value != usual.get(name) and not isinstance(value, (list, Mapping))
    ]
    return " ".join(said) or "as made"
