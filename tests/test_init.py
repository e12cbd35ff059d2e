"""The names that `import playground` gives, and the modules that it leaves for later."""

from __future__ import annotations

import subprocess
import sys

import pytest

import playground

# Each takes 5 to 200 ms to import, and a small lab of plain hosts needs none.
HEAVY = {
    "IPython",
    "cattrs",
    "concurrent.futures",
    "cryptography",
    "docker",
    "email",
    "html.entities",
    "http.client",
    "logging",
    "paramiko",
    "playground.operations.captures.capture",
    "playground.operations.nodes.archives",
    "playground.operations.nodes.call_source",
    "playground.operations.diagnosis.checks",
    "playground.engines.docker.engine",
    "playground.operations.diagnosis.explain",
    "playground.operations.connection.host_sockets",
    "pyroute2",
    "requests",
    "rich",
    "ssl",
    "statistics",
    "tarfile",
}


def imported_by(script: str) -> set[str]:
    """Return the modules that a Python of its own has after a script."""
    script += "\nimport sys; print(*sys.modules, sep='\\n')"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(said.stdout.split())


@pytest.mark.parametrize("name", playground.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(playground, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Hub'"):
        playground.Hub  # noqa: B018 - looking is the test


def test_a_script_does_not_wait_for_what_it_does_not_use() -> None:
    assert imported_by("import playground") & HEAVY == set()
    declared = "from playground import Host, Lab, Link; a, b = Host('a'), Host('b'); Link(a, b)"
    there = imported_by(f"{declared}; Lab(a, engine='namespaces', quiet=True).plan()")
    assert there & HEAVY == set()


# A command of the command line does without these: they take 0.4 s of processor time.
ROOMS_OF_LABS = {
    "playground.lab",
    "playground.planning.plan",
    "playground.model.services.table",
    "playground.model.topology",
}


def test_a_command_does_not_wait_for_the_rooms_of_labs() -> None:
    """`playground run` finds a lab, its agent and a process, and needs no plan."""
    rooms = (
        "frontends.cli",
        "engines.choice",
        "engines.namespaces.engine",
        "engines.docker.engine",
        "operations.connection.client",
    )
    there = imported_by("import " + ", ".join(f"playground.{room}" for room in rooms))
    assert there & (ROOMS_OF_LABS | HEAVY) <= {
        "playground.engines.docker.engine",
        "http.client",
        "email",
        "ssl",
    }
    assert "playground.lab.lab" not in imported_by(
        "import playground.lab.plug, playground.frontends.cli"
    )


def test_docker_comes_when_it_is_asked_for() -> None:
    assert "playground.engines.docker.engine" in imported_by("from playground import DockerEngine")
