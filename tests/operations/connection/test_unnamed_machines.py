"""Machines of a lab by name, of which another one was told no name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import playground
from playground import Host, Lab
from playground.frontends.grading.grade import GradeOptions, grade
from playground.operations.connection.unnamed_machines import addresses_of
from tests.support_files import write_files

# A host forwards here, and an address is given in words that a reader does not follow.
FOLDER = {
    "lab.conf": 'LAB_NAME="unnamed"\nh1[0]=A\nr1[0]=A\nr1[1]=B\nh2[0]=B\n',
    "h1.startup": "ip address add 10.0.1.2/24 dev eth0\nip route add default via 10.0.1.1\n",
    "r1.startup": "ifconfig eth0 10.0.1.1/24 up\nifconfig eth1 10.0.2.1/24 up\n",
    "h2.startup": "for one in 2; do ip address add 10.0.2.$one/24 dev eth0; done\n"
    "ip route add default via 10.0.2.1\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("unnamed"), FOLDER)


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Lab]:
    with playground.load(folder, engine="namespaces", quiet=True) as lab:
        yield lab


def test_a_node_is_asked_by_the_address_that_a_script_gave_it(lab: Lab) -> None:
    h1, h2 = lab["h1"], lab["h2"]
    assert isinstance(h1, Host) and isinstance(h2, Host)
    assert h2.address is None
    assert addresses_of(h1, h2) == ["10.0.2.2"]
    ping = h1.ping(h2, count=1)
    assert (ping.target, ping.received) == ("h2", 1)
    assert h2.ping("h1", count=1).received == 1
    assert h1.traceroute("h2").hops == ["10.0.1.1", "10.0.2.2"]


def test_checks_and_explanations_find_it(lab: Lab) -> None:
    found = lab.check.reaches("h1", "h2")
    assert found.path == ("h1", "r1", "h2")
    assert found.steps[0].found == "h2 is 10.0.2.2 (the lab)"
    assert lab.check.path("h2", "h1", ["r1"])


def test_an_address_of_a_shared_network_is_first(lab: Lab) -> None:
    h1, r1 = lab["h1"], lab["r1"]
    assert isinstance(h1, Host) and isinstance(r1, Host)
    lines = (r1.run("cat /etc/hosts").stdout, h1.run("cat /etc/hosts").stdout)
    assert "r1" in lines[1] and "h2" not in lines[0]
    assert addresses_of(r1, "h2") == ["10.0.2.2"]
    assert addresses_of(h1, "nobody") == addresses_of(h1, "A") == []


def test_a_submission_of_that_kind_is_marked(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "class" / "kim")
    exercise = tmp_path / "exercise_test.py"
    exercise.write_text(
        'def test_reach(lab):\n    """h1 reaches h2."""\n    lab.check.reaches("h1", "h2")\n'
    )
    [kim] = grade(exercise, tmp_path / "class", tmp_path / "marks", GradeOptions(jobs=1), print)
    assert (kim.student, kim.got, kim.refusal) == ("kim", 1, "")
