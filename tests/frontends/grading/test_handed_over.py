"""What a reader says is a stranger's word."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.frontends.grading import handed_over
from playground.frontends.grading.handed_over import GRANTS, understood


def said(nodes=None, links=(), files=None, **more) -> bytes:
    lab = {"playground": 1, "nodes": nodes or {"h1": None}, "links": list(links)}
    return json.dumps({"lab": lab, "files": files or {}, **more}).encode()


def test_a_network_is_declared_of_it(tmp_path: Path) -> None:
    text = said({"h1": None, "h2": {"memory_mb": 64}}, [["h1", "h2"]], warnings=["one", 2])
    found = understood(text, tmp_path)
    assert [node.name for node in found.lab.declarations.nodes] == ["h1", "h2"]
    assert found.warnings == ("one", "2")
    assert handed_over.memory_mb(found.lab.declarations) == 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"volumes": {"/etc": "/x"}}, "path of this machine"),
        ({"volumes": {"volume:shared": "/x"}}, "files of this machine"),
        ({"build": "FROM scratch\nRUN true"}, "an image of its own"),
        ({"image": "evil:latest"}, "an image of its own"),
        ({"publish": 80}, "publishes a port"),
        ({"cap_add": "NET_RAW"}, "capabilities"),
        ({"devices": "/dev/fuse"}, "devices"),
        ({"packages": "nmap"}, "packages"),
        ({"services": [{"service": {"name": "s", "command": "s", "packages": ["nmap"]}}]}, "pack"),
        ({"files": {"/x": {"path": "/etc/shadow"}}}, "path of this machine"),
        ({"files": {"/x": {"path": "../../secret"}}}, "path of this machine"),
        ({"services": [{"http": {"files": "/root"}}]}, "path of this machine"),
        ({"services": [{"http": {"files": {"path": "~root"}}}]}, "path of this machine"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_reaches_beyond_a_lab_is_refused(tmp_path: Path, arguments, says: str) -> None:
    with pytest.raises(PlaygroundError, match=says):
        understood(said({"h1": arguments}), tmp_path)


def test_what_a_teacher_grants_is_not(tmp_path: Path) -> None:
    text = said({"h1": {"image": "nginx:1", "packages": "nmap"}})
    assert understood(text, tmp_path, tuple(GRANTS)).lab is not None


@pytest.mark.parametrize("name", ["../x", "/etc/x", "", "x", "1\n"])
def test_files_have_numbers_for_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlaygroundError, match="handed over a file"):
        understood(said(files={name: ""}), tmp_path)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\0b", "a//b"])
def test_files_in_folders_stay_there(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = base64.b64encode(b"x").decode()
    with pytest.raises(PlaygroundError, match="handed over a file"):
        understood(said(files={"0": {"folder": {path: content}}}), folder)
    assert [one.name for one in tmp_path.rglob("*")] == ["in", "0"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "ended before"),
        (b"[" * 100_000, "ended before"),
        (b"[]", "no network"),
        (b'{"refused": ["x"]}', None),
        (b'{"lab": ' + b"[" * 50 + b"]" * 50 + b', "files": {}}', "nests something too deep"),
        (b'{"lab": [' + b"0," * 200_001 + b'0], "files": {}}', "more parts"),
        (b'{"lab": 1, "files": {}}', "no lab file"),
        (b'{"lab": {"playground": 1}, "files": 3}', "no network"),
        (b'{"lab": {"playground": 1}, "files": {"0": 3}}', "file 0"),
        (b'{"lab": {"playground": 1}, "files": {"0": "!"}}', "a file that is none"),
    ],
)
def test_nonsense_is_a_sentence(tmp_path: Path, text: bytes, says: str | None) -> None:
    if says is None:
        assert understood(text, tmp_path).refusal
        return
    with pytest.raises(PlaygroundError, match=says):
        understood(text, tmp_path)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["a/" * 1_900 + "f"], "more than 32 deep"),
        (["a/" * 33 + "f"], "more than 32 deep"),
        ([f"{number}" for number in range(5_000)], "5,000 files and folders"),
        ([f"{number}/" + "a/" * 30 + "f" for number in range(160)], "5,000 files and folders"),
    ],
    ids=["far too deep", "too deep", "too many", "too many folders"],
)
def test_files_have_an_end(tmp_path: Path, monkeypatch, paths: list[str], says: str) -> None:
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: None)
    monkeypatch.setattr(Path, "mkdir", lambda self, **options: None)
    with pytest.raises(PlaygroundError, match=says):
        understood(said(files={"0": {"folder": dict.fromkeys(paths, "")}}), tmp_path)


def test_files_may_be_as_deep_as_what_is_packed(tmp_path: Path) -> None:
    understood(said(files={"0": {"folder": {"a/" * 32 + "f": ""}}}), tmp_path)
    assert (tmp_path / "0" / ("a/" * 32) / "f").is_file()


def test_a_network_has_an_end(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="a submission may have 200"):
        understood(said({f"h{number}": None for number in range(201)}), tmp_path)


ALL = handed_over.LIMITS


def limits_of(tmp_path: Path, arguments, always=ALL, together=ALL) -> dict:
    lab = understood(said({"h1": arguments, "h2": None, "h3": None}), tmp_path).lab
    [h1, h2, h3] = handed_over.limited(lab.declarations, 1_024, always, together).nodes
    assert h2.arguments == h3.arguments
    return {name: (h1.arguments.get(name), h2.arguments.get(name)) for name in ALL}


def test_no_host_has_more_than_its_share_whatever_it_says(tmp_path: Path) -> None:
    greedy = {"processes": 4_000_000, "cpus": 64, "memory_mb": 924}
    assert limits_of(tmp_path, greedy) == {
        "processes": (256, 256),
        "cpus": (1, 1),
        "memory_mb": (924, 64),
    }
    modest = {"processes": 20, "cpus": 0.5, "memory_mb": 24}
    assert limits_of(tmp_path, modest) == {
        "processes": (20, 256),
        "cpus": (0.5, 1),
        "memory_mb": (24, 500),
    }
    nothing = dict.fromkeys(ALL)
    assert limits_of(tmp_path, nothing)["memory_mb"] == (341, 341)


def test_a_host_that_names_a_limit_has_none_of_the_labs(tmp_path: Path) -> None:
    found = limits_of(tmp_path, {"processes": 4_000_000}, always=())
    assert found == {"processes": (256, None), "cpus": (1, None), "memory_mb": (341, None)}
    found = limits_of(tmp_path, {"cpus": 8}, always=("processes",), together=())
    assert found == {"processes": (256, 256), "cpus": (1, None), "memory_mb": (None, None)}


@pytest.mark.parametrize(
    ("engine", "root", "held", "version", "limits"),
    [
        ("docker", False, (), 1, (ALL, ALL)),
        ("namespaces", True, ALL, 1, (("processes",), ())),
        ("namespaces", True, ALL, 2, (ALL, ALL)),
        ("namespaces", False, ALL, 2, ((), ALL)),
        ("namespaces", True, (), 1, ((), ())),
    ],
)
def test_limits_are_a_hosts_own_where_the_lab_has_none(engine, root, held, version, limits) -> None:
    found = handed_over.own_limits(engine, root=root, held=held, version=version)
    assert found == limits
