"""Events as rows: their words, lines and plain data."""

from __future__ import annotations

import json

import pytest

from playground.operations.life.events import (
    KINDS,
    AddressEvent,
    Event,
    InterfaceEvent,
    LinkEvent,
    LostEvent,
    NeighbourEvent,
    NodeEvent,
    RouteEvent,
    ServiceEvent,
)

EVENTS = [
    (LinkEvent(0.25, "h1", "eth0", "home", "h1-eth0", "down"), "link", "h1 - home is down"),
    (
        LinkEvent(0, "a", "eth0", "b", "eth0", "changed", "toward b delay_ms=20"),
        "link",
        "a - b was changed: toward b delay_ms=20",
    ),
    (NodeEvent(0, "h1", "stopped"), "node", "h1 was stopped"),
    (NodeEvent(0, "h1", "died"), "node", "h1 has died"),
    (ServiceEvent(0, "www", "http", "up"), "service", "http on www is up"),
    (
        NeighbourEvent(0, "r1", "OSPF", "r2", "up", "Full"),
        "neighbour",
        "OSPF on r1: r2 is up (Full)",
    ),
    (
        AddressEvent(0, "h1", "eth0", "10.0.0.1/24", "added"),
        "address",
        "10.0.0.1/24 on h1 eth0 was added",
    ),
    (RouteEvent(0, "h1", "default via 10.0.0.9", "removed"), "route", "h1: default via 10.0.0.9"),
    (InterfaceEvent(0, "h1", "br0", "up"), "interface", "br0 on h1 is up"),
    (LostEvent(0, "h1", 7), "lost", "7 more events of h1 are not told"),
]


@pytest.mark.parametrize(("event", "kind", "words"), EVENTS, ids=lambda item: str(item)[-20:])
def test_an_event_in_words_and_as_data(event: Event, kind: str, words: str) -> None:
    assert event.kind == kind
    assert kind in KINDS
    assert event.words.startswith(words)
    assert event.line.endswith(event.words)
    data = json.loads(json.dumps(event.to_data()))
    assert data["kind"] == kind
    assert data["time"].startswith("1970-01-01T00:00:00")


def test_what_a_host_has_made_up_does_nothing_to_a_terminal() -> None:
    assert InterfaceEvent(0, "h1", "\x1b[2J\n", "up").line.endswith("\\x1b[2J on h1 is up")
