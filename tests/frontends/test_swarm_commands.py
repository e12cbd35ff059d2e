"""Commands for who runs a Docker Swarm."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from playground.display.progress import Progress
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.registry_service import RegistryService
from playground.frontends import cli, swarm_commands


def test_the_network_is_made_anew_as_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, int | None]] = []

    def remake(self: SwarmEngine, *, encrypted: bool, mtu: int | None) -> None:
        asked.append((encrypted, mtu))

    monkeypatch.setattr(SwarmEngine, "remake_network", remake)
    said: list[str] = []
    swarm_commands.make_overlay(False, 9000, said.append)
    assert said == ["the network playground is there: not encrypted, packets of 9000 bytes below"]
    assert CliRunner().invoke(cli.main, ["overlay", "--encrypted"]).exit_code == 0
    assert asked == [(False, 9000), (True, None)]


def test_the_registry_is_named_as_labs_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []

    def start(self: RegistryService, port: int, progress: Progress) -> str:
        done.append(port)
        return f"192.0.2.1:{port}"

    monkeypatch.setattr(RegistryService, "start", start)
    monkeypatch.setattr(RegistryService, "remove", lambda self: done.append("removed"))
    result = CliRunner().invoke(cli.main, ["registry", "--port", "5001"])
    assert result.output == "export PLAYGROUND_REGISTRY=192.0.2.1:5001\n"
    assert "docker volume rm" in CliRunner().invoke(cli.main, ["registry", "--remove"]).output
    assert done == [5001, "removed"]
