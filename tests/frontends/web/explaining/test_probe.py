"""Who may only look follows a ping or TCP inside the lab, one at a time, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from playground import Host, Lab, Link, PlaygroundError
from playground.errors import BadArgument
from playground.frontends.web.explaining import probe
from playground.frontends.web.explaining.probe import Turn, follow, refuse_for_look_only


@pytest.fixture(scope="module")
def lab() -> Lab:
    a, b = Host("a.example.com"), Host("b")
    Link(a, b, subnet="10.7.0.0/24")
    return Lab(a, name="probes")


NAMES = ("a", "a.example.com", "b")


@pytest.mark.parametrize("target", ["b", "A", "a.example.com", "10.7.0.1", "10.7.0.2"])
@pytest.mark.parametrize("protocol", [None, "tcp"])
def test_a_packet_to_a_node_of_the_lab_is_sent(lab: Lab, target: str, protocol: str | None) -> None:
    refuse_for_look_only(lab.plan(), NAMES, target, protocol)


@pytest.mark.parametrize(
    ("target", "protocol", "why"),
    [
        ("b", "udp", "data upon which a program acts"),
        ("b", "sctp", "data upon which a program acts"),
        ("10.7.0.9", None, "nodes of this lab alone"),
        ("192.0.2.1", "tcp", "nodes of this lab alone"),
        ("example.org", None, "nodes of this lab alone"),
    ],
)
def test_other_packets_are_refused_with_the_reason(
    lab: Lab, target: str, protocol: str | None, why: str
) -> None:
    with pytest.raises(PlaygroundError, match=why):
        refuse_for_look_only(lab.plan(), NAMES, target, protocol)


def test_one_packet_at_a_time_and_one_a_second() -> None:
    now = 10.0
    turn = Turn(lambda: now)
    turn.take()
    with pytest.raises(BadArgument, match="try again in a moment"):
        turn.take()
    turn.give_back()
    with pytest.raises(BadArgument):
        turn.take()
    now = 11.0
    turn.take()


class View:
    """A page that tells how it was asked."""

    def __init__(self, lab: Any, may_change: bool) -> None:
        self.lab, self.may_change = lab, may_change

    async def ask(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return "ask", args, kwargs

    async def act(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return "act", args, kwargs


def test_who_may_change_the_lab_acts_and_who_looks_asks_in_turn(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab._state, "plan", lab.plan())
    monkeypatch.setattr(probe, "_turns", {})

    def asked(may_change: bool, *question: Any) -> Any:
        view: Any = View(lab, may_change)
        return asyncio.run(follow(view, *question))

    assert asked(True, "b", "192.0.2.1", 53, "udp") == (
        "act",
        ("b", "192.0.2.1"),
        {"port": 53, "protocol": "udp"},
    )
    # Of a ping the protocol that stands in the form means nothing.
    found = asked(False, "b", "a", None, "udp")
    assert found == ("ask", ("b", "a"), {"port": None, "protocol": None})
    with pytest.raises(BadArgument, match="follows a packet now"):
        asked(False, "b", "a", 80, "tcp")
