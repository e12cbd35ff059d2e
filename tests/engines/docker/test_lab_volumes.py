"""Volumes of labs at a Docker server: removed with their lab, swept when its program is gone."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
from collections.abc import Iterator
from typing import Any, cast

import pytest

from playground.engines import owners
from playground.engines.docker import lab_volumes
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.http import Refused
from playground.engines.docker.lab_volumes import remove_volumes, sweep_volumes
from playground.engines.docker.server import Server
from playground.engines.seam import LabLabels
from playground.errors import EngineError


class Refusing:
    """A server with volumes, some of which it does not remove, each with its status."""

    def __init__(self, **volumes: int | None) -> None:
        self.volumes = volumes

    def errors(self, doing: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def line(self) -> Iterator[Refusing]:
        yield self

    def request(self, method: str, path: str, query: Any = None) -> Any:
        if method == "GET":
            assert json.loads(query["filters"])
            gone = {"playground.owner": owners.own_name(), "playground.mark": ended_mark()}
            return {"Volumes": [{"Name": name, "Labels": gone} for name in self.volumes]}
        name = path.rpartition("/")[2]
        if status := self.volumes[name]:
            raise Refused(status, f"{name} is in use")
        del self.volumes[name]


def ended_mark() -> str:
    return " ".join([*owners.own_mark().split()[:-1], "1"])  # this number, but another process


@pytest.fixture
def lab_id(docker_engine: DockerEngine) -> Iterator[str]:
    lab_id = f"eleven-{secrets.token_hex(4)}"
    yield lab_id
    remove_volumes(docker_engine.server, lab_id)


def make(engine: DockerEngine, lab: LabLabels, name: str) -> None:
    body = {"Name": f"{lab.id}.{name}", "Labels": lab.as_labels("volume")}
    with engine.server.line() as line:
        line.request("POST", "/volumes/create", body=body)


def is_there(engine: DockerEngine, name: str) -> bool:
    with engine.server.line() as line:
        try:
            line.request("GET", f"/volumes/{name}")
        except Refused:
            return False
        return True


def test_all_volumes_of_a_lab_go_with_it_and_no_others(
    docker_engine: DockerEngine, lab_id: str
) -> None:
    other = LabLabels(f"{lab_id}-other", "other", owners.own_name(), mark=owners.own_mark())
    lab = LabLabels(lab_id, "one", owners.own_name(), mark=owners.own_mark())
    for one, name in ((lab, "a"), (lab, "b"), (other, "a")):
        make(docker_engine, one, name)
    docker_engine.stop(lab_id)
    found = [is_there(docker_engine, name) for name in (f"{lab_id}.a", f"{lab_id}.b")]
    assert found == [False, False]
    assert is_there(docker_engine, f"{other.id}.a")
    docker_engine.stop(other.id)
    assert not is_there(docker_engine, f"{other.id}.a")


def test_what_ended_programs_have_left_is_swept(docker_engine: DockerEngine, lab_id: str) -> None:
    mark = owners.own_mark()
    gone = ended_mark()
    make(docker_engine, LabLabels(lab_id, "one", owners.own_name(), mark=gone), "left")
    make(docker_engine, LabLabels(lab_id, "one", owners.own_name(), True, gone), "kept")
    make(docker_engine, LabLabels(lab_id, "one", owners.own_name(), mark=mark), "ours")
    sweep_volumes(docker_engine.server)
    found = {name: is_there(docker_engine, f"{lab_id}.{name}") for name in ("left", "kept", "ours")}
    assert found == {"left": False, "kept": True, "ours": True}


def test_a_volume_that_stays_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_volumes, "_RELEASED_S", 0.1)
    server = Refusing(a=http.client.CONFLICT, b=None, c=http.client.INTERNAL_SERVER_ERROR, d=None)
    with pytest.raises(EngineError, match=r"a is in use; c is in use; .* `docker volume rm a c`"):
        remove_volumes(cast("Server", server), "one")
    assert [*server.volumes] == ["a", "c"]


def test_a_volume_that_stays_keeps_no_other_from_being_swept() -> None:
    server = Refusing(a=http.client.CONFLICT, b=None, c=http.client.INTERNAL_SERVER_ERROR, d=None)
    sweep_volumes(cast("Server", server))
    assert [*server.volumes] == ["a", "c"]
