"""`Lab.export`: what is written, and what is told."""

from pathlib import Path

import pytest

from playground import BadArgument, Host, Lab, LabWarning, Link, PlaygroundError, Router


def lab() -> Lab:
    r1 = Router("r1", routing="ospf")
    Link(r1, Host("h1"))
    return Lab(r1, name="x", quiet=True)


def test_files_stand_beside_the_one_that_was_asked_for(tmp_path: Path) -> None:
    assert lab().export("containerlab", tmp_path / "x.clab.yml") == tmp_path / "x.clab.yml"
    assert "router ospf" in (tmp_path / "r1" / "frr.conf").read_text()


def test_a_file_beside_it_that_is_another_stays_as_it_is(tmp_path: Path) -> None:
    for _ in range(2):  # what is the same already is no other
        lab().export("containerlab", tmp_path / "x.clab.yml")
    mine = tmp_path / "r1" / "frr.conf"
    mine.write_text("! mine\n")
    (tmp_path / "x.clab.yml").unlink()
    with pytest.raises(PlaygroundError, match=r"frr\.conf is there already"):
        lab().export("containerlab", tmp_path / "x.clab.yml")
    assert mine.read_text() == "! mine\n" and not (tmp_path / "x.clab.yml").exists()
    mine.unlink()
    mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlaygroundError, match=r"frr\.conf is there already"):
        lab().export("containerlab", tmp_path / "x.clab.yml")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(PlaygroundError, match="is not empty"):
        lab().export("kathara", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    lab().export("kathara", tmp_path / "new")
    assert (tmp_path / "new" / "r1" / "etc" / "frr" / "daemons").read_text() == "ospfd=yes\n"


def test_what_is_not_told_is_said(tmp_path: Path) -> None:
    with pytest.warns(LabWarning, match="h: the services ssh are not set up"):
        Lab(Host("h", services=["ssh"]), quiet=True).export("kathara", tmp_path / "k")


def test_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="did you mean 'graphviz'"):
        lab().export("graphwiz", tmp_path / "x")
    with pytest.raises(PlaygroundError, match="cannot be written"):
        lab().export("d2", tmp_path / "none" / "x")
