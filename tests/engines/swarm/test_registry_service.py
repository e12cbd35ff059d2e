"""The registry that a swarm has as a service of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from playground.display.progress import Silent
from playground.engines.swarm import registry_service
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.registry_service import (
    NAME,
    RegistryService,
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


class OneManager:
    """A manager, its engine and their line, on which the registry's tasks come to ``state``."""

    def __init__(self, state: str) -> None:
        self.server, self.state = self, state
        self.there: list[str] = []

    def check(self) -> str:
        return "here"

    @contextlib.contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def line(self) -> Iterator[OneManager]:
        yield self

    def request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        match method, path:
            case "GET", "/info":
                return {"Swarm": {"NodeAddr": "192.0.2.1"}}
            case "DELETE", _:
                self.there.remove("secret")
            case _, "/secrets/create" | "/services/create":
                self.there.append(path.split("/")[1][:-1])
        return {"ID": "1"}

    def remove(self, services: Sequence[str]) -> None:
        self.there.remove("service")

    def tasks_named(self, service: str) -> list[dict[str, Any]]:
        ports = {"Ports": [{"PublishedPort": 5005}]}
        status = {"State": self.state, "Err": "no room", "PortStatus": ports}
        status["ContainerStatus"] = {"ContainerID": "c"}
        return [{"NodeID": "here", "Status": status}] if "service" in self.there else []


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Registries that were logged in at; nothing is waited for, and no engine has containers."""
    found: list[str] = []
    monkeypatch.setattr(registry_service, "_START_LIMIT_S", 0.0)
    monkeypatch.setattr(registry_service, "_SETTLE_LIMIT_S", 0.0)
    monkeypatch.setattr(registry_service, "_LOOK_S", 0.0)
    monkeypatch.setattr(registry_service, "remember_login", lambda *said: found.append(said[0]))
    monkeypatch.setattr(RegistryService, "_password", lambda self, container: "secret")
    return found


def test_one_that_does_not_start_leaves_nothing(logins: list[str]) -> None:
    manager = OneManager("failed")
    service = RegistryService(manager, SimpleNamespace(build=lambda *_: None))  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(EngineError, match=r"\(no room\), and was removed again"):
            service.start(5005, Silent())
        assert manager.there == []
    manager.state = "running"
    assert service.start(5005, Silent()) == "192.0.2.1:5005"
    assert manager.there == ["secret", "service"] and logins == ["192.0.2.1:5005"]


def test_one_that_was_left_and_does_not_run_is_made_anew(logins: list[str]) -> None:
    manager = OneManager("rejected")
    manager.there = ["secret", "service"]

    def build(*_: object) -> None:
        assert manager.there == []
        manager.state = "running"

    service = RegistryService(manager, SimpleNamespace(build=build))  # type: ignore[arg-type]
    assert service.start(5005, Silent()) == "192.0.2.1:5005"


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
        assert not swarm_engine._images._registry.has("playground/of-nobody:1")
        # One that runs is used, and its port stays.
        assert swarm_engine.registry_service.start(5006, Silent()) == registry
        (tmp_path / "config.json").unlink()
        with pytest.raises(EngineError, match="lets nobody in without a password"):
            swarm_engine._images._registry.has("playground/of-nobody:1")
    finally:
        swarm_engine.registry_service.remove()
    assert swarm.manager.docker("secret", "ls", "--filter", f"name={NAME}", "--quiet") == ""
