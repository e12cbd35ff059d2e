"""An assistant's labs: declared, extended, kept by name, and gone at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import BadArgument, LabNotFound, PlaygroundError, TopologyError
from playground.frontends.mcp.workshop import MOST_LABS, Workshop, parts_of


def test_labs_are_found_by_name() -> None:
    with Workshop() as workshop:
        with pytest.raises(LabNotFound, match="there is no lab yet"):
            workshop.lab()
        office = workshop.declare("office", {"h1": {}}, [])
        assert workshop.lab() is workshop.lab("office") is office
        home = workshop.declare("home", {"h1": {}}, [])
        assert workshop.labs == (office, home)
        with pytest.raises(LabNotFound, match="say which, lab=office or home"):
            workshop.lab()
        with pytest.raises(LabNotFound, match="did you mean office"):
            workshop.lab("offices")
        again = workshop.declare("office", {"h2": {}}, [])
        assert workshop.lab("office") is again
        workshop.forget(home)
        assert workshop.labs == (again,)


def test_a_lab_that_starts_at_this_moment_is_not_replaced() -> None:
    with Workshop() as workshop, ThreadPoolExecutor(1) as other:
        office = workshop.declare("office", {"h1": {}}, [])
        with office._state.lock:
            again = other.submit(workshop.declare, "office", {"h2": {}}, [])
            with pytest.raises(BadArgument, match="office starts or changes at this moment"):
                again.result(30)
        assert workshop.lab("office") is office


def test_there_are_only_so_many_at_a_time() -> None:
    with Workshop() as workshop:
        for number in range(MOST_LABS):
            workshop.declare(f"lab{number}", {"h1": {}}, [])
        with pytest.raises(BadArgument, match=r"8 labs already.*forget one of lab0"):
            workshop.declare("more", {"h1": {}}, [])


def test_what_is_wrong_is_told_with_its_place() -> None:
    with Workshop() as workshop:
        with pytest.raises(TopologyError, match=r"^nodes\.h1\.servicez: .* did you mean services"):
            workshop.declare("x", {"h1": {"servicez": []}}, [])
        with pytest.raises(TopologyError, match=r"^nodes\.r1\.calls\[0\]\.masquerades: "):
            workshop.declare("x", {"r1": {"kind": "router", "calls": ["masquerades"]}}, [])
        with pytest.raises(TopologyError, match=r"^links\[0\]: there is no node 'h2'"):
            workshop.declare("x", {"h1": {}}, [["h1", "h2"]])


def test_a_lab_is_extended_by_what_names_its_nodes() -> None:
    with Workshop() as workshop:
        lab = workshop.declare("grows", {"h1": {}, "s1": {"kind": "switch"}}, [["s1", "h1"]])
        workshop.extend(lab, {"h2": {}}, [["s1", "h2"]])
        assert {node.name for node in lab.nodes} == {"h1", "h2", "s1"}
        assert [*parts_of(lab).links] == ["s1-h1", "s1-h2"]
        with pytest.raises(TopologyError, match=r"nodes\.h1: lab grows has a node h1 already"):
            workshop.extend(lab, {"h1": {}}, [])
        with pytest.raises(TopologyError, match="playground mcp --allow-images"):
            workshop.extend(lab, {"h3": {"image": "x"}}, [["s1", "h3"]])
        assert len(lab.nodes) == 3


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "link/secret", "out.yaml", "", ".", "a\0b"]
)
def test_files_are_those_of_one_folder(tmp_path: Path, name: str) -> None:
    (folder := tmp_path / "labs").mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path)
    (folder / "out.yaml").symlink_to(tmp_path / "secret")
    with Workshop(folder) as workshop:
        assert workshop.path("sub/lab.yaml") == folder / "sub/lab.yaml"
        with pytest.raises(BadArgument):
            workshop.path(name)


def test_hosts_may_have_files_of_that_folder_and_no_others(tmp_path: Path) -> None:
    (folder := tmp_path / "labs").mkdir()
    (folder / "motd").write_text("hello")
    (tmp_path / "secret").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "secret")
    with Workshop(folder) as workshop:
        workshop.declare("in", {"h1": {"files": {"/etc/motd": {"path": "motd"}}}}, [])
        for path in ("../secret", "out", str(tmp_path / "secret"), "~/.bashrc"):
            with pytest.raises(TopologyError, match="may be read; write what the file holds"):
                workshop.declare("out", {"h1": {"files": {"/x": {"path": path}}}}, [])


def test_without_a_folder_no_file_is_touched() -> None:
    with Workshop() as workshop, pytest.raises(BadArgument, match="playground mcp --folder labs"):
        workshop.path("lab.yaml")


def test_hosts_see_no_file_of_this_machine() -> None:
    engine = Workshop(engine="namespaces").engine()
    assert isinstance(engine, NamespacesEngine)
    assert engine._plain_root == "image"


def test_a_workshop_that_ends_takes_no_more(tmp_path: Path) -> None:
    workshop = Workshop()
    workshop.declare("last", {"h1": {}}, [])
    workshop.close()
    assert workshop.labs == ()
    with pytest.raises(PlaygroundError, match="no lab is declared any more"):
        workshop.declare("late", {"h1": {}}, [])
