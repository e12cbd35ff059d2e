"""An assistant's declarations reach out of no lab, and read nothing of this machine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.errors import PlaygroundError, TopologyError
from playground.frontends.mcp.isolation import check_settings
from playground.frontends.mcp.workshop import Workshop
from playground.lab.declarations.signatures import (
    CLASSES,
    constructor_arguments,
    method_arguments,
    settings_arguments,
)
from playground.lab.declarations.told import METHODS
from playground.model.containers.own_service import Service
from playground.model.containers.reaching_out import MOST_NODES
from playground.model.services.table import SERVICES

NODES = {"h1": {}, "h2": {}, "r1": {"kind": "router"}, "s1": {"kind": "switch"}}
LINKS = [["s1", "h1"], ["s1", "h2"], ["s1", "r1"]]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"volumes": {"/etc": "/machine"}}, "nothing may be read"),
        ({"volumes": {"volume:data": "/data"}}, "volumes is not for an assistant"),
        ({"publish": 80}, "publish is not for an assistant"),
        ({"devices": "/dev/kvm"}, "devices is not for an assistant"),
        ({"cap_add": "NET_RAW"}, "cap_add is not for an assistant"),
        ({"ulimits": {"nofile": 1024}}, "ulimits is not for an assistant"),
        ({"labels": {"a": "b"}}, "labels is not for an assistant"),
        ({"image": "postgres:17"}, "playground mcp --allow-images"),
        ({"build": "FROM debian\n"}, "playground mcp --allow-images"),
        ({"packages": "nmap"}, "playground mcp --allow-images"),
        ({"files": {"/key": {"path": "/etc/shadow"}}}, "nothing may be read"),
        ({"files": {"/key": {"path": "~root/.ssh/id_rsa"}}}, "nothing may be read"),
        ({"services": [{"http": {"files": "/etc"}}]}, "nothing may be read"),
        (
            {"services": [{"service": {"name": "x", "command": "y", "packages": ["nmap"]}}]},
            "packages of a service is not allowed",
        ),
    ],
)
def test_what_reaches_out_is_refused_with_its_place(said: dict[str, Any], words: str) -> None:
    with Workshop() as workshop, pytest.raises(TopologyError, match=r"^nodes\.h1") as refused:
        workshop.declare("out", {"h1": said}, [])
    assert words in str(refused.value)


def test_images_may_be_allowed() -> None:
    with Workshop(own_images=True) as workshop:
        lab = workshop.declare("own", {"h1": {"image": "postgres:17", "packages": "nmap"}}, [])
        assert [node.name for node in lab.nodes] == ["h1"]


def test_a_lab_outlives_nothing_and_is_bounded() -> None:
    for setting in ("keep", "engine", "spread"):
        with pytest.raises(TopologyError, match=f"{setting} is not for an assistant"):
            check_settings({setting: True})
    many = {f"h{number}": {} for number in range(MOST_NODES + 1)}
    with Workshop() as workshop, pytest.raises(TopologyError, match="are more than the 200"):
        workshop.declare("many", many, [])


# -- whatever is said, no file of this machine is opened ----------------------------------------

OPENED: list[str] = []
WATCHING: list[Path] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHING and event in ("open", "os.listdir", "os.scandir", "glob.glob", "subprocess.Popen"):
        OPENED.extend(str(one) for one in arguments[:1] if str(one).startswith(str(WATCHING[0])))


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """Return a file of this machine; whoever opens it, or lists its folder, is written down."""
    (folder := tmp_path / "secrets").mkdir()
    file = folder / "Dockerfile"
    file.write_text("FROM secret\n")
    if not any(hook is _audit for hook in HOOKS):
        sys.addaudithook(_audit)
        HOOKS.append(_audit)
    OPENED.clear()
    WATCHING.append(folder)
    yield file
    WATCHING.clear()


HOOKS: list[Any] = []


def spellings(secret: Path) -> list[Any]:
    return [
        str(secret),
        str(secret.parent),
        {"path": str(secret)},
        {"path": str(secret.parent)},
        {"x": str(secret)},
        {"x": {"path": str(secret)}},
        {str(secret.parent): "/mnt"},
        [str(secret)],
        [{"path": str(secret)}],
    ]


def cases(secret: Path) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield nodes and links in which a path stands in every place that there is for anything."""
    for value in spellings(secret):
        for kind in CLASSES:
            for name in constructor_arguments(kind):
                if kind in ("host", "router", "switch"):
                    yield NODES | {"x": {"kind": kind, name: value}}, LINKS
                else:
                    link = {"nodes": ["h1", "h2"], name: value}
                    yield NODES, [*LINKS, link if kind != "tunnel" else link | {"kind": "gre"}]
        for kind, methods in METHODS.items():
            for method in methods:
                for name in method_arguments(kind, method):
                    call = [{method: {name: value}}]
                    if kind == "link":
                        yield NODES, [*LINKS, {"nodes": ["h1", "h2"], "calls": call}]
                    else:
                        yield NODES | {"x": {"kind": kind, "calls": call}}, [*LINKS, ["s1", "x"]]
        for service in SERVICES:
            for name in settings_arguments(SERVICES[service].settings):
                yield NODES | {"x": {"services": [{service: {name: value}}]}}, LINKS
        for name in settings_arguments(Service):
            said = {"name": "x", "command": "y"} | {name: value}
            yield NODES | {"x": {"services": [{"service": said}]}}, LINKS


def test_no_declaration_opens_a_file_of_this_machine(secret: Path) -> None:
    tried = 0
    for nodes, links in cases(secret):
        with Workshop(own_images=True) as workshop:
            with contextlib.suppress(PlaygroundError):
                workshop.declare("open", nodes, links).plan()
            assert OPENED == [], (nodes, links)
        tried += 1
    assert tried > 1_000
    secret.read_text()
    assert [str(secret)] == OPENED  # the watch does see it
