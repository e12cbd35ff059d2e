"""The servers on all machines."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from typing import Any, cast

import pytest

from playground.display.progress import Silent
from playground.engines.docker.http import Refused
from playground.engines.seam import LabLabels
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.manager import Manager
from playground.engines.swarm.servers import MachineService
from playground.engines.swarm.specs import server_name
from playground.errors import EngineError
from tests.swarm_machines import SwarmOfTests


def test_they_are_started_once_and_shared(swarm_engine: SwarmEngine, swarm: SwarmOfTests) -> None:
    for _ in range(2):
        swarm_engine.ensure_images([], Silent())
    name = f"name={server_name(swarm_engine._helper())}"
    assert len(swarm.manager.docker("service", "ls", "--filter", name, "-q").split()) == 1
    for machine in swarm.machines:
        assert len(machine.docker("ps", "-q", "--filter", name).split()) == 1


def test_none_of_them_listens_on_an_address_of_a_machine(
    swarm_engine: SwarmEngine, swarm: SwarmOfTests
) -> None:
    swarm_engine.ensure_images([], Silent())
    for machine in swarm.machines:
        label = "label=playground.role=server"
        ports = machine.docker("ps", "--filter", label, "--format", "{{.Ports}}")
        assert ports == ""


def test_without_its_servers_a_lab_is_out_of_reach(swarm_engine: SwarmEngine) -> None:
    swarm_engine.ensure_images([], Silent())
    with pytest.raises(EngineError, match=r"other versions are there \(playground-"):
        swarm_engine._service.open("another@sha256:1", LabLabels("x", "", ""), [], new=False)


class Raced:
    """A manager where another program makes the network between a look and an order."""

    def __init__(self, made: dict[str, str]) -> None:
        self.server = self
        self._networks: list[dict[str, str]] = []
        self._made = made

    @contextlib.contextmanager
    def line(self) -> Iterator[Raced]:
        yield self

    def request(self, method: str, path: str, query: Any = None, **_: Any) -> Any:
        if method == "GET":
            return self._networks
        self._networks = [self._made]
        raise Refused(http.client.CONFLICT, "network with name playground already exists")


def test_a_network_that_another_program_has_just_made_is_used() -> None:
    made = {"Name": "playground", "Scope": "swarm", "Id": "n1"}
    assert MachineService(cast("Manager", Raced(made)))._network() == "n1"


def test_a_network_of_that_name_that_is_none_of_the_swarm_s_is_an_error() -> None:
    made = {"Name": "playground", "Scope": "local", "Id": "n1"}
    with pytest.raises(EngineError, match="docker network rm playground"):
        MachineService(cast("Manager", Raced(made)))._network()
