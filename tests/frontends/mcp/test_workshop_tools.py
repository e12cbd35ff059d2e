"""Tools that declare, change, show and keep labs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.errors import BadArgument, TopologyError, UnknownName
from playground.frontends.mcp import workshop_tools as tools
from playground.frontends.mcp.workshop import Workshop
from playground.lab.declarations.signatures import CLASSES
from playground.lab.declarations.told import METHODS
from playground.model.services.table import SERVICES


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    (folder := tmp_path / "labs").mkdir()
    with Workshop(folder, engine="namespaces") as workshop:
        yield workshop


def test_every_example_can_be_declared(workshop: Workshop) -> None:
    names = [line.partition(":")[0] for line in tools.example_labs(workshop).splitlines()]
    assert {"miniature_internet", "coffee_shop", "bufferbloat"} <= {*names}
    for name in names:
        assert "not running" in tools.declare_example(workshop, name)
        tools.forget(workshop)


def test_a_lab_is_declared_by_nodes_and_links_or_by_a_file(workshop: Workshop) -> None:
    shown = tools.declare(workshop, "one", {"h1": {}, "h2": {}}, [["h1", "h2"]], ipv6=True)
    assert shown.startswith("<Lab one: 2 hosts; not running>\nh1")
    text = tools.save(workshop)
    assert "ipv6: true" in text
    assert "<Lab two: 2 hosts" in tools.declare(workshop, "two", yaml=text)
    with pytest.raises(BadArgument, match="and not all of them"):
        tools.declare(workshop, "three", {"h1": {}}, yaml=text)
    with pytest.raises(BadArgument, match="ipv6, users and strict stand in it"):
        tools.declare(workshop, "three", yaml=text, ipv6=True)
    with pytest.raises(BadArgument, match="at least one node"):
        tools.declare(workshop, "three")
    with pytest.raises(TopologyError, match=r"lab\.yaml:1"):
        tools.declare(workshop, "three", yaml="nodes: [")


def test_what_is_declared_is_described(workshop: Workshop) -> None:
    for kind in [*CLASSES, *SERVICES, "service"]:
        assert len(tools.describe(workshop, kind)) > 40
    for kind, methods in METHODS.items():
        for method in methods:
            assert "arguments: {" in tools.describe(workshop, kind, method)
    assert '"loss_percent": {"type": ["integer", "number"]}' in tools.describe(
        workshop, "link", "impair"
    )
    assert "and while it runs: up, restore" in tools.describe(workshop, "link")
    with pytest.raises(UnknownName, match="there is no kind 'moon'"):
        tools.describe(workshop, "moon")
    with pytest.raises(UnknownName, match="a host has no call 'masquerade'"):
        tools.describe(workshop, "host", "masquerade")


def test_a_part_is_told_something_by_the_words_of_the_api(workshop: Workshop) -> None:
    nodes = {"h1": {}, "modem": {"kind": "router"}, "isp": {"kind": "router"}}
    tools.declare(workshop, "home", nodes, [["h1", "modem"], ["modem", "isp"]])
    tools.change(workshop, "modem", "masquerade", {"link": "modem-isp"})
    said = {"link": "modem-isp", "port": 80, "to": ["h1", 80]}
    tools.change(workshop, "modem", "forward", said)
    tools.change(workshop, "h1-modem", "impair", {"delay_ms": 20, "toward": "h1"})
    tools.change(workshop, "h1-modem", "down")
    tools.change(workshop, "modem-isp", "down")
    tools.change(workshop, "modem-isp", "up")
    text = tools.save(workshop)
    for words in ("masquerade: {link: modem-isp}", "forward:", "delay_ms: 20", "- down"):
        assert words in text
    assert text.count("- down") == 1
    with pytest.raises(UnknownName, match="no node or link 'moon': there is h1, modem, isp, h1-m"):
        tools.change(workshop, "moon", "down")
    with pytest.raises(TopologyError, match="did you mean masquerade"):
        tools.change(workshop, "modem", "masquerades")
    with pytest.raises(BadArgument, match="takes toward alone"):
        tools.change(workshop, "modem-isp", "up", {"link": "x"})


def test_labs_are_kept_in_the_folder(workshop: Workshop) -> None:
    tools.declare(workshop, "kept", {"h1": {}}, [])
    tools.save(workshop, file="kept.yaml")
    tools.forget(workshop)
    assert tools.files(workshop) == "kept.yaml"
    assert "<Lab kept: 1 host" in tools.load(workshop, "kept.yaml")
    for file, words in (("kept.txt", "ends in .yaml"), ("../x.yaml", "is not in the folder")):
        with pytest.raises(BadArgument, match=words):
            tools.save(workshop, file=file)
    assert workshop.folder is not None
    (workshop.folder / "evil.yaml").write_text(
        "playground: 1\nkeep: true\nnodes: {h1: {files: {/x: {path: /etc/passwd}}}}\n"
    )
    with pytest.raises(TopologyError, match=r"evil\.yaml:3.*may be read"):
        tools.load(workshop, "evil.yaml")


def test_pages_are_shown(workshop: Workshop) -> None:
    assert tools.how_to(workshop, "vlans").startswith("# ")
    assert "vlans" in tools.how_to(workshop)


def test_a_picture_is_text_or_an_image(workshop: Workshop) -> None:
    tools.declare(workshop, "seen", {"h1": {}, "h2": {}}, [["h1", "h2"]])
    assert "h1" in str(tools.picture(workshop))
    image = tools.picture(workshop, kind="png")
    assert isinstance(image, bytes)
    assert image.startswith(b"\x89PNG")


def test_a_capture_says_what_it_needs(workshop: Workshop) -> None:
    tools.declare(workshop, "silent", {"h1": {}, "h2": {}}, [["h1", "h2"]])
    for said, words in (
        ({"host": "h1"}, r"host= is where command= runs, say both: .*; node= is where packets"),
        ({"seconds": 1000}, "a number from 0 to 60"),
        ({"file": "x.txt"}, "packets are saved as .pcapng"),
        ({"node": "h1", "link": ["h1", "h2"]}, "say node or link"),
        ({"link": ["h1"]}, "say the names of its nodes"),
    ):
        with pytest.raises(BadArgument, match=words):
            tools.capture(workshop, **said)  # type: ignore[arg-type]
