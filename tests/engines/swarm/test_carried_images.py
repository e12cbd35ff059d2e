"""Images that come to the machines without a registry."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from playground.display.progress import Silent
from playground.engines.docker.server import Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.swarm.carried_images import CarriedImages
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.servers import MachineService
from playground.errors import EngineError, ImageError
from tests.swarm_machines import SwarmOfTests


@pytest.fixture
def without_registry(swarm: SwarmOfTests, monkeypatch: pytest.MonkeyPatch) -> Iterator[SwarmEngine]:
    """An engine of the swarm for which nobody has named a registry."""
    monkeypatch.delenv("PLAYGROUND_REGISTRY", raising=False)
    folder = swarm.manager.folder.parent
    monkeypatch.setenv("PLAYGROUND_MACHINES", f"unix://{folder}/{{name}}/docker.sock")
    with contextlib.closing(SwarmEngine(swarm.manager.url)) as engine:
        yield engine


@pytest.fixture
def image(swarm: SwarmOfTests, tmp_path: Path) -> Iterator[str]:
    """A new image of one file, which only the manager's engine has."""
    tag = f"playground/test:{secrets.token_hex(6)}"
    (tmp_path / "file").write_text(tag)
    archive = tmp_path / "image.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", archive, "file"], check=True)
    swarm.manager.docker("import", str(archive), tag)
    yield tag
    for machine in swarm.machines:
        with contextlib.suppress(AssertionError):
            machine.docker("rmi", tag)


def carried(engine: SwarmEngine) -> CarriedImages:
    return CarriedImages(engine.server, ServerImages(engine.server), engine._service)


def ids(swarm: SwarmOfTests, tag: str) -> list[str]:
    return [machine.docker("images", "--no-trunc", "--quiet", tag) for machine in swarm.machines]


def test_the_first_image_goes_to_each_engine_by_itself(
    without_registry: SwarmEngine, swarm: SwarmOfTests, image: str
) -> None:
    images = carried(without_registry)
    known = images.id_of(image)
    others = [one for one in without_registry.manager.ready() if one.name != "m1"]
    for _ in range(2):  # what is there is left alone
        images.bring_directly(image, others, Silent())
    assert ids(swarm, image) == [known] * 3


def test_a_machine_whose_engine_is_not_there_is_named(
    without_registry: SwarmEngine, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYGROUND_MACHINES", "unix:///nowhere/{name}.sock")
    images = carried(without_registry)
    images.id_of(image)
    others = [one for one in without_registry.manager.ready() if one.name == "m2"]
    with pytest.raises(EngineError, match="own image to the machine m2"):
        images.bring_directly(image, others, Silent())


def test_other_images_go_by_the_servers_of_playground(
    without_registry: SwarmEngine, swarm: SwarmOfTests, image: str
) -> None:
    without_registry.ensure_images([], Silent())
    images = carried(without_registry)
    known = images.id_of(image)
    for _ in range(2):
        images.bring(without_registry._helper(), [image], Silent())
    assert ids(swarm, image) == [known] * 3


class Carrier:
    """The servers of a swarm, which say these lines."""

    def __init__(self, *said: dict[str, Any]) -> None:
        self._said = said

    def carry_images(self, image: str, images: dict[str, str]) -> Iterator[dict[str, Any]]:
        yield from self._said


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "ended without an answer"),
        ([{"lacking": {"m2": ["1"]}}], "ended without an answer"),
        ([{"lacking": {}}, {"errors": {"m2": "timed out"}}], "did not come to m2: m2: timed out"),
    ],
)
def test_what_did_not_come_is_told(said: list[dict[str, Any]], words: str) -> None:
    server = Server("tcp://127.0.0.1:9")
    images = CarriedImages(server, ServerImages(server), cast(MachineService, Carrier(*said)))
    with pytest.raises(ImageError, match=words):
        images.bring("helper:1", [], Silent())
