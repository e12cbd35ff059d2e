"""Commands for who runs a Docker Swarm."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from playground.engines.swarm.engine import SwarmEngine
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
