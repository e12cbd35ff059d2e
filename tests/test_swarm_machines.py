"""Machines of a Docker Swarm, all on this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.swarm_machines import SwarmOfTests, lacking, running_swarm


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[SwarmOfTests, list[str], Path]:
    """A swarm that has run and ended, what it said of its machines, and where it was."""
    if os.environ.get("CI") != "true" and (os.geteuid() != 0 or lacking()):
        pytest.skip(f"a swarm needs root, and: {' '.join(lacking())}")
    folder = tmp_path_factory.mktemp("swarm")
    with running_swarm(2, folder / "swarm") as swarm:
        rows = swarm.manager.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    return swarm, sorted(rows.splitlines()), folder


def test_its_engines_are_one_swarm(ended: tuple[SwarmOfTests, list[str], Path]) -> None:
    _, rows, _ = ended
    assert rows == ["m1 Ready", "m2 Ready"]


def test_nothing_is_left_of_it(ended: tuple[SwarmOfTests, list[str], Path]) -> None:
    swarm, _, folder = ended
    assert list(folder.iterdir()) == []
    assert not any(Path(f"/proc/{machine.process}").exists() for machine in swarm.machines)
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
