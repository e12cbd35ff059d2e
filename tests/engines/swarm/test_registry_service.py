"""The registry that a swarm has as a service of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.display.progress import Silent
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.registry_service import (
    NAME,
    refuse_port,
    registry_spec,
)
from playground.errors import BadArgument, EngineError
from tests.swarm_machines import SwarmOfTests


def test_it_is_one_task_on_the_manager_at_one_port() -> None:
    spec = registry_spec("playground/registry:1", "abc", "secret-1", 5005)
    task = spec["TaskTemplate"]
    assert task["Placement"] == {"Constraints": ["node.id==abc"]}
    assert task["ContainerSpec"]["Secrets"][0]["SecretID"] == "secret-1"
    (port,) = spec["EndpointSpec"]["Ports"]
    assert (port["PublishedPort"], port["PublishMode"]) == (5005, "host")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(BadArgument, match="is none of TCP"):
        refuse_port(port)


def test_it_runs_and_lets_in_who_was_logged_in(
    swarm: SwarmOfTests,
    swarm_engine: SwarmEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    registry = swarm_engine.registry_service.start(5005, Silent())
    try:
        assert registry == f"{swarm.manager.address}:5005"
        monkeypatch.setenv("PLAYGROUND_REGISTRY", registry)
        assert not swarm_engine._registry.has("playground/of-nobody:1")
        # One that runs is used, and its port stays.
        assert swarm_engine.registry_service.start(5006, Silent()) == registry
        (tmp_path / "config.json").unlink()
        with pytest.raises(EngineError, match="lets nobody in without a password"):
            swarm_engine._registry.has("playground/of-nobody:1")
    finally:
        swarm_engine.registry_service.remove()
    assert swarm.manager.docker("secret", "ls", "--filter", f"name={NAME}", "--quiet") == ""
