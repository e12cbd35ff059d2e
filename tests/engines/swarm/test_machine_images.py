"""Images on their way to the machines of a swarm, by either of two ways."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.display.progress import Silent
from playground.engines.images import helper_image
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.servers import MachineService
from playground.errors import ImageError
from tests.swarm_machines import SwarmOfTests

# Of a random file, so that no machine has it from an earlier run.
_DOCKERFILE = """
FROM scratch
COPY busybox /bin/busybox
COPY name /srv/index.html
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]
"""


def test_an_image_that_only_the_manager_has_runs_on_every_machine(
    swarm: SwarmOfTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No registry is named: the manager builds it, and the others get it from there."""
    monkeypatch.delenv("PLAYGROUND_REGISTRY", raising=False)
    folder = swarm.manager.folder.parent
    monkeypatch.setenv("PLAYGROUND_MACHINES", f"unix://{folder}/{{name}}/docker.sock")
    shutil.copy("/bin/busybox", tmp_path / "busybox")
    (tmp_path / "name").write_text(str(tmp_path))
    (tmp_path / "Dockerfile").write_text(_DOCKERFILE)
    h1 = Host("h1", machine="m1")
    others = [Host(f"h{number}", machine=f"m{number}", build=tmp_path) for number in (2, 3)]
    for host in others:
        Link(h1, host)
    with (
        contextlib.closing(SwarmEngine(swarm.manager.url)) as engine,
        Lab(h1, name="carried", quiet=True, engine=engine),
    ):
        for host in others:
            assert h1.run(f"curl -s http://{host.name}:8080/").stdout == str(tmp_path)
        assert engine._helper().startswith("sha256:")
        # Those of labs that have a registry run beside them.
        assert engine.examine().unseen == ""


def test_where_no_way_leads_to_the_machines_the_line_to_type_is_said(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLAYGROUND_REGISTRY", raising=False)
    monkeypatch.delenv("PLAYGROUND_MACHINES", raising=False)
    with contextlib.closing(SwarmEngine(swarm.manager.url)) as engine:
        service = MachineService(engine.manager)
        nowhere = "sha256:" + "0" * 64
        before = swarm.manager.docker("service", "ls", "-q").split()
        with pytest.raises(ImageError, match=f"docker save {helper_image().tag} . ssh m"):
            service.ensure(nowhere, Silent())
        assert swarm.manager.docker("service", "ls", "-q").split() == before
