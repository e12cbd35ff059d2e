"""Pictures in notebooks, files and terminals; links as the kernel says."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from playground import Host, Lab, Link, Router, Switch, examples
from playground.engines.seam import Engine
from playground.errors import AgentGone, BadArgument, NodeDied, PlaygroundError
from tests.machine import first_process
from tests.topologies import nodes_of


@pytest.fixture
def lab() -> Lab:
    return Lab(*nodes_of("two homes"), name="homes", quiet=True)


def test_a_lab_that_is_declared_shows_itself(lab: Lab) -> None:
    shown = lab._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<svg")
    assert "<svg" in shown["text/html"]
    assert "modemA" in shown["text/plain"]
    assert f"{lab}\n(not running)" == shown["text/plain"] == f"{lab.picture()}\n(not running)"
    assert ">not running<" in shown["image/svg+xml"]
    assert "running" not in lab.picture().svg()  # as it is saved
    assert "\n" not in repr(lab)


def test_a_terminal_gets_text_alone(lab: Lab) -> None:
    assert list(lab._repr_mimebundle_(include={"text/plain"})) == ["text/plain"]


@pytest.mark.parametrize(
    ("name", "begins"), [("net.svg", b"<svg"), ("net.PNG", b"\x89PNG"), ("net.pdf", b"%PDF")]
)
def test_a_picture_is_saved_by_its_name(lab: Lab, tmp_path: Path, name: str, begins: bytes) -> None:
    lab.picture(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_what_cannot_be_saved_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"name a file that ends in \.svg, \.png, \.pdf"):
        lab.picture(tmp_path / "net.gif")
    with pytest.raises(BadArgument, match='say "realms" or "machines"'):
        lab.picture(group="racks")
    with pytest.raises(BadArgument, match="this lab is on one machine"):
        lab.picture(group="machines")
    with pytest.raises(BadArgument, match='say "auto", "light" or "dark"'):
        lab.picture(tmp_path / "net.svg", theme="pink")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_installed_a_notebook_shows_text(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    shown = lab._repr_mimebundle_()
    assert "image/svg+xml" not in shown
    assert "modemA" in shown["text/html"]
    assert "pip install igraph" in shown["text/html"]
    with pytest.raises(PlaygroundError, match="pip install"):
        lab.picture(tmp_path / "net.svg")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("miniature-internet", examples.miniature_internet),
        ("coffee-shop", examples.coffee_shop),
        ("ospf-rings", examples.ospf_rings),
        ("autonomous-systems", examples.autonomous_systems),
        ("office-vlans", examples.office_vlans),
    ],
)
def test_the_pictures_of_docs_show_what_is_drawn_today(name: str, make: Callable[..., Lab]) -> None:
    """`docs/pictures.py` draws them anew."""
    drawn = (Path(__file__).parents[3] / "docs" / "pictures" / f"{name}.svg").read_text()

    def texts(svg: str) -> list[str]:
        # Places differ from one version of graphviz to the next.
        return sorted(re.findall(r"<text[^>]*>([^<]*)</text>|<title>([^<]*)</title>", svg))

    assert texts(drawn) == texts(make(quiet=True).picture().svg())


def test_a_running_lab_shows_how_its_links_are(
    engine: Engine, keep_lab: Callable[[str], None]
) -> None:
    h1, r1, r2 = Host("h1"), Router("r1"), Router("r2")
    first, slow, cut = Link(h1, r1), Link(r1, r2), Link(r1, r2)
    switches = [Switch(f"s{number}", stp=True, forward_delay_s=2) for number in (1, 2, 3)]
    for number in range(3):
        Link(switches[number], switches[number - 1])
    Link(r2, switches[0])
    with Lab(h1, engine=engine, quiet=True) as lab:
        keep_lab(lab.id)
        slow.impair(delay_ms=20, toward=r2)
        cut.down()
        # Not by us: the picture shows what the kernel says.
        h1.run("ip link set dev eth0 down")
        assert ">running<" in lab._repr_mimebundle_()["text/html"]
        cables = lab.picture().diagram.cables
        states = {(cable.a, cable.b, cable.note): cable.state for cable in cables}
        assert first.is_down is False
        assert states.pop(("h1", "r1", "down")) == "down"
        assert states.pop(("r1", "r2", "20 ms to r2")) == "impaired"
        assert states.pop(("r1", "r2", "down")) == "down"
        # One link of the three between the switches would close the loop.
        assert sorted(states.values()) == ["blocked", "up", "up", "up"]
        # A node declared and not started yet is shown as declared.
        new = Host("h9")
        Link(r1, new).down()
        assert [cable.state for cable in lab.picture().diagram.cables if cable.b == "h9"] == [
            "down"
        ]
        # The links of a machine that has died are down, and the picture is still drawn.
        first = first_process(engine, lab.id, "h1")
        h1.run("ip link set dev eth0 up")
        os.kill(first, signal.SIGKILL)
        with pytest.raises(NodeDied):
            h1.run("sleep 30")
        after = {frozenset((c.a, c.b)): c.state for c in lab.picture().diagram.cables}
        assert after[frozenset(("h1", "r1"))] == "down"
        assert after[frozenset(("r2", "s1"))] == "up"
        # Without its agent nobody can tell; a notebook shows what was declared.
        assert lab._state.client is not None
        lab._state.client.close()
        with pytest.raises(AgentGone):
            lab.picture()
        assert ">r1</text>" in lab._repr_mimebundle_()["text/html"]
