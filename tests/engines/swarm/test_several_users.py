"""Facts about a swarm that several people use, and several versions of playground."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link
from playground.engines.swarm.engine import SwarmEngine
from tests.ordinary import NOBODY, ordinary_user
from tests.swarm_machines import SwarmOfTests

# What another user does, who has a lab of the very same name and addresses.
_OTHER = """
import os
os.environ |= ENVIRONMENT
from playground.engines.swarm.engine import SwarmEngine

h1, h2 = Host("h1", machine="m1"), Host("h2", machine="m2")
Link(h1, h2, subnet="10.7.0.0/24")
with Lab(h1, name="shop", quiet=True) as lab:
    print(h1.ping(h2).received, h1.run("hostname").stdout.strip())
    engine = SwarmEngine()
    print(sorted(record.is_own for record in engine.labs() if record.name == "shop"))
    engine.sweep()
    print(len([record for record in engine.labs() if record.name == "shop"]))
    engine.close()
    print(lab.node("h2").run("ls /tmp").stdout.split())
"""


@pytest.fixture
def open_to_others(swarm: SwarmOfTests) -> Iterator[int]:
    """Let members of a group ask the manager, as `docker` does; return the group."""
    folder = swarm.manager.folder.parent
    socket = swarm.manager.folder / "docker.sock"
    before, group = folder.stat().st_mode, socket.stat().st_gid
    folder.chmod(0o711)
    yield group
    folder.chmod(before)


def test_two_users_have_labs_of_one_name_side_by_side(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine, open_to_others: int
) -> None:
    h1, h2 = Host("h1", machine="m1"), Host("h2", machine="m2")
    Link(h1, h2, subnet="10.7.0.0/24")
    with Lab(h1, name="shop", quiet=True, engine=swarm_engine):
        h2.write("/tmp/ours", "secret")
        with ordinary_user("swarm", [open_to_others], NOBODY) as run:
            script = _OTHER.replace("ENVIRONMENT", repr(swarm.environment))
            said = run(script).stdout.splitlines()
        assert said == ["3 h1", "[False, True]", "2", "[]"]
        # The other one has ended, and this one goes on.
        assert h1.ping(h2).received == 3
        assert [record.owner for record in swarm_engine.labs() if record.name == "shop"] != []


def test_a_lab_is_entered_and_taken_down_by_a_playground_with_other_servers(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab's servers come of a registry, the other's of no registry: two services."""
    name = f"versions-{os.getpid()}"
    h1, h2 = Host("h1", machine="m1"), Host("h2", machine="m2")
    Link(h1, h2)
    with Lab(h1, name=name, keep=True, quiet=True, engine=swarm_engine) as lab:
        lab_id = lab.id
    theirs = swarm_engine._helper()
    monkeypatch.delenv("PLAYGROUND_REGISTRY")
    with contextlib.closing(SwarmEngine(swarm.manager.url)) as other:
        with Lab.attach(name, engine=other, quiet=True) as again:
            assert again.node("h1").ping("h2").received == 3
        assert other._helper_of(lab_id) == theirs
        other.stop(lab_id)
    for machine in swarm.machines:
        label = f"label=playground.lab={lab_id}"
        assert machine.docker("ps", "--all", "-q", "--filter", label) == ""
