"""A node that another program has stopped is known to be so, and the lab is read again for it."""

from __future__ import annotations

from typing import Any

import pytest

from playground import Host, Lab, Link
from playground.errors import AgentError
from playground.operations.pictures.live import LivePicture
from playground.operations.pictures.stopped_elsewhere import StoppedElsewhere, stopped_names
from tests.support_agent import needs_root


def test_nothing_is_stopped_where_nothing_was_saved() -> None:
    assert stopped_names(None) == stopped_names("{}") == frozenset()


class Agent:
    """Answers with what it is told, and counts how often the text is read."""

    stamp, text, read = "1", '{"plan": {"stopped": [{"name": "a", "programs": []}]}}', 0

    def call(self, op: str, **_: Any) -> str:
        if op == "state_stamp":
            return self.stamp
        self.read += 1
        return self.text


def test_the_text_is_read_once_for_each_stamp() -> None:
    agent: Any = Agent()
    stopped = StoppedElsewhere()
    assert [stopped.names(agent) for _ in range(3)] == [{"a"}] * 3 and agent.read == 1
    agent.stamp, agent.text = "2", '{"plan": {"stopped": []}}'
    assert stopped.names(agent) == frozenset() and agent.read == 2


def test_an_agent_of_another_version_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise AgentError("no such operation")

    monkeypatch.setattr(Agent, "call", refuse)
    nobody: Any = Agent()
    assert StoppedElsewhere().names(nobody) == frozenset()


def written_down(lab: Lab) -> None:
    if lab._state.saving is not None:
        lab._state.saving.join()


@needs_root
def test_a_node_without_services_that_another_stops_is_gone_in_an_attached_lab(
    namespaces_engine: Any,
) -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    with Lab(a, name="stopped-elsewhere", engine=namespaces_engine, quiet=True) as lab:
        there = Lab.attach(lab.id, engine=namespaces_engine, quiet=True)
        picture = LivePicture(there, slow_pause_s=0)
        assert picture.change().attributes["node a"]["data-state"] == "up"
        a.stop(grace_s=0)
        written_down(lab)
        assert picture.change().attributes["node a"]["data-state"] == "gone"
        a.start()
        written_down(lab)
        assert picture.change().attributes["node a"]["data-state"] == "up"
        there.detach()
