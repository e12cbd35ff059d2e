"""The servers on all machines."""

from __future__ import annotations

import pytest

from playground.display.progress import Silent
from playground.engines.images import helper_image
from playground.engines.swarm.engine import SwarmEngine
from playground.errors import EngineError
from tests.swarm_machines import SwarmOfTests


def test_they_are_started_once_and_shared(swarm_engine: SwarmEngine, swarm: SwarmOfTests) -> None:
    for _ in range(2):
        swarm_engine.ensure_images([], Silent())
    found = swarm.manager.docker("service", "ls", "--filter", "label=playground.role=server", "-q")
    assert len(found.split()) == 1
    for machine in swarm.machines:
        label = "label=playground.role=server"
        assert len(machine.docker("ps", "-q", "--filter", label).split()) == 1


def test_none_of_them_listens_on_an_address_of_a_machine(
    swarm_engine: SwarmEngine, swarm: SwarmOfTests
) -> None:
    swarm_engine.ensure_images([], Silent())
    for machine in swarm.machines:
        label = "label=playground.role=server"
        ports = machine.docker("ps", "--filter", label, "--format", "{{.Ports}}")
        assert ports == ""


def test_without_servers_a_line_is_refused(swarm_engine: SwarmEngine) -> None:
    from playground.engines.seam import LabLabels

    with pytest.raises(EngineError, match="no server of playground runs on the manager"):
        swarm_engine._service.open("another@sha256:1", LabLabels("x", "", ""), [], new=False)
    assert helper_image().tag
