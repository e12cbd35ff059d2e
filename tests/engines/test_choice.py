"""The choice of an engine, and the labs that run on all of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from playground.engines import choice, owners
from playground.engines.choice import VARIABLE, RunningLabs, check_name, choose
from playground.engines.docker.engine import DockerEngine
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import LabRecord
from playground.errors import EngineError, LabNotFound


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DockerEngine, "answers", lambda self: False)
    monkeypatch.setattr(DockerEngine, "was_asked_for", lambda self: False)


@pytest.fixture
def docker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_docker_may_be_here", lambda: True)
    monkeypatch.setattr(DockerEngine, "answers", lambda self: True)


# -- choosing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("docker", DockerEngine), ("namespaces", NamespacesEngine)]
)
def test_an_engine_is_chosen_by_its_name(name: str, kind: type) -> None:
    assert type(choose(name)) is kind


@pytest.mark.usefixtures("docker_answers")
@pytest.mark.parametrize(
    ("name", "kind"), [("docker", DockerEngine), ("namespaces", NamespacesEngine)]
)
def test_the_environment_chooses_where_nothing_is_said(
    name: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, name)
    assert type(choose()) is kind


def test_what_is_said_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "docker")
    assert type(choose("namespaces")) is NamespacesEngine


def test_an_engine_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "docker")
    engine = NamespacesEngine()
    assert choose(engine) is engine


@pytest.mark.usefixtures("docker_answers")
def test_docker_is_chosen_where_it_answers() -> None:
    assert type(choose()) is DockerEngine


@pytest.mark.usefixtures("no_docker")
def test_bare_namespaces_are_chosen_where_no_docker_is() -> None:
    assert type(choose()) is NamespacesEngine


def test_a_docker_engine_that_was_asked_for_is_not_replaced_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")  # RFC 863, discard: nobody is there
    assert type(choose()) is DockerEngine


@pytest.mark.usefixtures("no_docker")
def test_an_empty_variable_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert type(choose()) is NamespacesEngine


@pytest.mark.parametrize("name", ["podman", "", "Docker", 1, b"docker"])
def test_a_name_of_no_engine_is_refused_with_those_there_are(name: object) -> None:
    with pytest.raises(EngineError) as caught:
        check_name(name)
    known = "'docker', 'namespaces' or 'swarm'"
    assert str(caught.value) == f"engine={name!r} is no engine: it is {known}"


def test_a_variable_that_names_no_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "podman")
    with pytest.raises(EngineError) as caught:
        choose()
    assert str(caught.value) == (
        "PLAYGROUND_ENGINE=podman is no engine: it is 'docker', 'namespaces' or 'swarm'"
    )


def test_the_engine_of_namespaces_knows_two_roots_for_plain_hosts() -> None:
    with pytest.raises(EngineError, match=r"plain_root='disk' is neither 'machine'.* nor 'image'"):
        NamespacesEngine(plain_root="disk")


# -- all labs ---------------------------------------------------------------------


def record(name: str, lab_id: str, created: float) -> LabRecord:
    return LabRecord(lab_id, name, "ada@desk:17", (), created, keep=False)


class Running(NamespacesEngine):
    """An engine with labs that never were."""

    def __init__(self, *records: LabRecord) -> None:
        super().__init__()
        self.records = list(records)

    def labs(self) -> list[LabRecord]:
        return self.records

    def stop(self, lab_id: str, nodes: object = None) -> None:
        self.records = [record for record in self.records if record.id != lab_id]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> dict[str, Running]:
    """Both engines, with labs on each."""
    found = {
        "docker": Running(record("shop", "shop-1", 30), record("home", "home-1", 10)),
        "namespaces": Running(record("school", "school-1", 20), record("home", "home-2", 40)),
    }
    monkeypatch.setattr(choice, "_named", found.__getitem__)
    monkeypatch.setattr(choice, "_docker_is_here", lambda: True)
    return found


def test_labs_of_both_engines_are_listed_oldest_first(two: dict[str, Running]) -> None:
    assert [lab.id for lab in RunningLabs().labs()] == ["home-1", "school-1", "shop-1", "home-2"]


def test_a_lab_is_found_with_its_engine(two: dict[str, Running]) -> None:
    engine, lab = RunningLabs().find("school")
    assert (engine, lab.id) == (two["namespaces"], "school-1")


def test_a_lab_is_found_by_its_id_where_its_name_is_not_enough(two: dict[str, Running]) -> None:
    with pytest.raises(LabNotFound) as caught:
        RunningLabs().find("home")
    assert str(caught.value) == (
        "2 labs named 'home' are running: say which by its id: home-1, home-2"
    )
    engine, _ = RunningLabs().find("home-1")
    assert engine is two["docker"]


def test_ones_own_lab_comes_before_a_neighbours_of_the_same_name(two: dict[str, Running]) -> None:
    mine = LabRecord("home-3", "home", owners.own_name(), (), 50, keep=False)
    two["namespaces"].records.append(mine)
    assert RunningLabs().find("home")[1] is mine


def test_a_lab_that_is_not_there_is_refused_with_those_that_are(two: dict[str, Running]) -> None:
    with pytest.raises(LabNotFound) as caught:
        RunningLabs().find("office")
    assert str(caught.value) == (
        "no lab named 'office' is running; those that run: home, home, school, shop"
    )


def test_one_engine_is_looked_at_where_one_is_asked_for(
    two: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [lab.id for lab in RunningLabs("docker").labs()] == ["home-1", "shop-1"]
    monkeypatch.setenv(VARIABLE, "namespaces")
    assert [lab.id for lab in RunningLabs().labs()] == ["school-1", "home-2"]


def test_a_lab_is_stopped_whoever_runs_it(two: dict[str, Running]) -> None:
    RunningLabs().stop(record("school", "school-1", 20))
    assert [lab.id for lab in RunningLabs().labs()] == ["home-1", "shop-1", "home-2"]


def test_docker_is_not_asked_where_it_is_not(
    two: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_docker_is_here", lambda: False)
    assert [lab.id for lab in RunningLabs().labs()] == ["school-1", "home-2"]


def test_without_a_trace_of_docker_nothing_of_it_is_imported() -> None:
    script = (
        "import os, sys; os.path.exists = lambda path: False; "
        "from playground.engines.choice import choose; "
        "print(repr(choose()), 'playground.engines.docker.engine' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.stdout == "NamespacesEngine() False\n", said.stderr


def test_a_forged_id_takes_no_lab_of_another_engine_down(two: dict[str, Running]) -> None:
    forged = dataclasses.replace(record("shop", "shop-1", 50), uid=4711)
    two["namespaces"].records.append(forged)
    RunningLabs().stop(forged)
    assert [lab.id for lab in RunningLabs().labs()] == ["home-1", "school-1", "shop-1", "home-2"]
    two["namespaces"].records.append(forged)
    assert RunningLabs().find("shop")[0] is two["docker"]
