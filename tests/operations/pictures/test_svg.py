"""The SVG of a picture: whole, self-contained, in the reader's colours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from playground.operations.pictures.colours import PICTURE_COLOURS
from playground.operations.pictures.diagram import make_diagram
from playground.operations.pictures.layout import place
from playground.operations.pictures.svg import _part, draw_svg
from playground.planning.planner import make_plan
from tests.topologies import TOPOLOGIES, nodes_of

SVG = "{http://www.w3.org/2000/svg}"


def svg(name: str, theme: str = "auto", live: bool = False) -> str:
    nodes = nodes_of(name)
    diagram = make_diagram(make_plan(nodes), nodes)
    return draw_svg(diagram, place(diagram, "igraph"), theme, live=live)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_all_names_and_addresses_are_text(name: str) -> None:
    nodes = nodes_of(name)
    diagram = make_diagram(make_plan(nodes), nodes)
    tree = ElementTree.fromstring(svg(name))
    texts = ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]
    wanted = [card.name for card in diagram.cards]
    wanted += [note for card in diagram.cards for note in card.notes]
    wanted += [row for cable in diagram.cables for _, row in cable.rows]
    wanted += ["behind NAT" for _ in diagram.regions]
    assert sorted(texts) == sorted(wanted)


def test_everything_has_a_tooltip() -> None:
    tree = ElementTree.fromstring(svg("two homes"))
    groups = [group for group in tree.iter(f"{SVG}g") if group.get("class", "") != "pg-outer"]
    with_title = [group for group in groups if group.find(f"{SVG}title") is not None]
    titles = [group.find(f"{SVG}title").text or "" for group in with_title]  # type: ignore[union-attr]
    assert any("modemA, a router that translates addresses" in title for title in titles)
    assert any("behind the NAT of modemA" in title for title in titles)
    assert any(re.fullmatch(r"homeA \S+ — a1 eth0", title) for title in titles)


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_it_needs_nothing_from_elsewhere(theme: str) -> None:
    text = svg("broken links", theme)
    assert not re.search(r"href|url\(|@import|<script|<foreignObject|<image", text)
    assert "\nid=" not in text and " id=" not in text


def test_colours_follow_the_reader() -> None:
    auto = svg("two hosts")
    assert "prefers-color-scheme:dark" in auto
    assert "[data-jp-theme-light=false] .pg" in auto
    # Programs that convert SVG know no variables.
    for theme, colours in PICTURE_COLOURS.items():
        text = svg("two hosts", theme)
        assert "var(" not in text
        assert f'fill="{colours["paper"]}"' in text
    assert PICTURE_COLOURS["light"].keys() == PICTURE_COLOURS["dark"].keys()


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.1 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", PICTURE_COLOURS)
def test_text_can_be_read(theme: str) -> None:
    # WCAG 2.1, 1.4.3: 4.5 to 1 for text, and 3 to 1 for lines and shapes (1.4.11).
    colours = PICTURE_COLOURS[theme]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(colours[one]), luminance(colours[other])))
        return (high + 0.05) / (low + 0.05)

    for ground in ("host", "router", "nat", "switch", "paper"):
        assert contrast("ink", ground) > 4.5, ground
        assert contrast("soft", ground) > 4.5, ground
    for line in ("cable", *(f"{kind}-edge" for kind in ("host", "router", "nat", "switch"))):
        assert contrast(line, "paper") > 3, line
    for note in ("down", "impaired"):
        assert contrast(note, "paper") > 4.5, note
    assert contrast("cable", "region") > 3


@pytest.mark.parametrize("running", [True, False])
def test_a_picture_says_whether_what_it_shows_runs(running: bool) -> None:
    nodes = nodes_of("two hosts")
    diagram = make_diagram(make_plan(nodes), nodes)
    drawn = draw_svg(diagram, place(diagram, "igraph"), "auto", running)
    assert (">running<" in drawn, ">not running<" in drawn) == (running, not running)
    assert "running" not in svg("two hosts")


def test_a_living_picture_names_its_parts_and_looks_the_same() -> None:
    tree = ElementTree.fromstring(svg("two homes", live=True))
    parts = [name for item in tree.iter() if (name := item.get("data-part"))]
    assert len(parts) == len(set(parts))
    nodes = nodes_of("two homes")
    diagram = make_diagram(make_plan(nodes), nodes)
    wanted = {"lab", *(f"node {card.name}" for card in diagram.cards)}
    wanted |= {f"cable {number}" for number in range(len(diagram.cables))}
    assert wanted <= set(parts)
    assert "data-part" not in svg("two homes")
    texts = ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]
    still = ElementTree.fromstring(svg("two homes"))
    assert [text for text in texts if text] == [
        "".join(text.itertext()) for text in still.iter(f"{SVG}text")
    ]


def test_nothing_that_is_named_can_break_out_of_the_picture() -> None:
    assert _part(True, 'node "><script>') == ' data-part="node &quot;&gt;&lt;script&gt;"'
