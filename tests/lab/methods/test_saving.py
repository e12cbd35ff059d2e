"""`Lab.save`: what was written is loaded as the same."""

import inspect
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import playground
from playground import Host, Lab, Link, PlaygroundError, Router, Service, Switch, TopologyError


def home() -> Switch:
    lan = Switch("home", subnet="192.168.1.0/24")
    Link(lan, Router("modem")), Link(lan, Host("h1", services=["http"]))
    return lan


def test_a_saved_lab_is_loaded_as_the_same(tmp_path: Path) -> None:
    lab = Lab(home(), name="coffee", users={"eve": "secret"}, ipv6=True, quiet=True, strict=False)
    assert lab.save(tmp_path / "lab.yaml") == tmp_path / "lab.yaml"
    again = playground.load(tmp_path / "lab.yaml", quiet=True)
    assert again.plan() == lab.plan()
    assert again.users == {"eve": "secret"} and not again.strict


def test_all_that_a_lab_is_told_is_in_its_file(tmp_path: Path) -> None:
    told = {
        "name": "coffee",
        "users": {"eve": "secret"},
        "ipv6": True,
        "keep": True,
        "engine": "namespaces",
        "converge": False,
        "strict": False,
        "spread": 2,
        "reschedule": True,
        "positions": {"h1": [120.0, 40.0]},
    }
    # How much is printed is no part of a lab.
    assert told.keys() == inspect.signature(Lab).parameters.keys() - {"nodes", "quiet"}
    Lab(home(), quiet=True, **told).save(tmp_path / "lab.yaml")  # type: ignore[arg-type]
    again = YAML(typ="safe").load((tmp_path / "lab.yaml").read_text())
    assert told.items() <= again.items()
    assert playground.load(tmp_path / "lab.yaml", quiet=True)._state.reschedule


def test_passwords_that_the_lab_made_are_in_no_file(tmp_path: Path) -> None:
    lab = Lab(home(), quiet=True)
    text = lab.save(tmp_path / "lab.yaml").read_text()
    assert not any(password in text for password in lab.users.values())
    assert "name:" not in text


def test_a_lab_without_users_stays_one(tmp_path: Path) -> None:
    Lab(home(), users={}, quiet=True).save(tmp_path / "lab.yaml")
    assert playground.load(tmp_path / "lab.yaml", quiet=True).users == {}


def test_a_folder_beside_the_file_may_move_with_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "site").mkdir(parents=True)
    www = Host("www", volumes={tmp_path / "a" / "site": "/srv"})
    Lab(www, quiet=True).save(tmp_path / "a" / "lab.yaml")
    (tmp_path / "a").rename(tmp_path / "b")
    again = playground.load(tmp_path / "b" / "lab.yaml", quiet=True)
    assert again["www"].container.volumes[0].source == str(tmp_path / "b" / "site")


def test_what_no_file_can_hold_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("# mine\n")
    lab = Lab(Host("h", services=[Service("x", "sleep 9", ready=lambda host: True)]), quiet=True)
    with pytest.raises(TopologyError, match="a function, which no file can hold"):
        lab.save(path)
    assert path.read_text() == "# mine\n"
    assert [one.name for one in tmp_path.iterdir()] == ["lab.yaml"]


def test_passwords_that_were_said_stay_with_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    lab = Lab(home(), users={"eve": "secret"}, quiet=True)
    # What another user put where the file is written first.
    (tmp_path / f".lab.yaml.{os.getpid()}").symlink_to(tmp_path / "elsewhere")
    lab.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "elsewhere").exists()
    path.chmod(0o640)
    lab.save(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="cannot be written: No such file"):
        Lab(home(), quiet=True).save(tmp_path / "none" / "lab.yaml")
