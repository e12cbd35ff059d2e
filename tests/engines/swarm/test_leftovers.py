"""Leftovers of a dead owner on a swarm."""

from __future__ import annotations

import os

import pytest

from playground.display.progress import Silent
from playground.engines.docker.http import Line
from playground.engines.seam import LabLabels, NodeContainer
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.leftovers import remove_leftovers
from playground.engines.swarm.specs import node_spec


def test_services_of_a_lab_without_an_agent_are_removed(
    swarm_engine: SwarmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm_engine.ensure_images([], Silent())
    lab = LabLabels("orphan-1", "orphan", f"{os.environ.get('LOGNAME')}@here:1")
    image = swarm_engine._helper()
    here = swarm_engine.manager.check()
    line: Line
    with swarm_engine.server.line() as line:
        spec = node_spec(lab, NodeContainer("h1", "h1", image), here, image)
        line.request("POST", "/services/create", body=spec)
    assert any(record.id == "orphan-1" for record in swarm_engine.labs())
    remove_leftovers("orphan-1", swarm_engine.url)
    assert not any(record.id == "orphan-1" for record in swarm_engine.labs())
