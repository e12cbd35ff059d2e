"""A ladder as SVG and as text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from playground.errors import BadArgument
from playground.operations.captures.dissect import DUPLICATE_ACK, RETRANSMISSION
from playground.operations.captures.ladder import Column, Ladder, order
from playground.operations.captures.ladder_rows import EVERYBODY, Rung
from tests.made import captured, handshake, tcp

SVG = "{http://www.w3.org/2000/svg}"


def rung(*path: str, ms: float = 0, title: str = "SYN", **more: object) -> Rung:
    values = {"protocol": "TCP", "detail": "", **more}
    return Rung(1, int(ms * 1e6), path, title=title, **values)  # type: ignore[arg-type]


def ladder(*rungs: Rung, routers: tuple[str, ...] = ()) -> Ladder:
    columns = [Column(name, ("10.0.0.1",), name in routers) for name in order(rungs)]
    return Ladder(columns, rungs)


def texts(drawing: str) -> list[tuple[str, float, float, float]]:
    """Each text of a drawing, with its left, right and baseline."""
    found = []
    for item in ElementTree.fromstring(drawing).iter(f"{SVG}text"):
        small = "ladder-small" in item.get("class", "")
        text = item.text or ""
        # Widths as browsers have them at most.
        width = len(text) * (11 * 0.602 if small else 12.5 * 0.62)
        x, y = float(item.get("x", 0)), float(item.get("y", 0))
        left = {"middle": x - width / 2, "end": x - width}.get(item.get("text-anchor", ""), x)
        found.append((text, left, left + width, y))
    return found


def assert_no_overlap(drawing: str) -> None:
    placed = texts(drawing)
    width = float(ElementTree.fromstring(drawing).get("width", 0))
    for number, (text, left, right, y) in enumerate(placed):
        assert left >= 0, text
        assert right <= width, text
        for other, other_left, other_right, other_y in placed[number + 1 :]:
            apart = right <= other_left or other_right <= left or abs(y - other_y) >= 11
            assert apart, (text, other)


# -- as text -----------------------------------------------------------------


def test_a_handshake_is_read_from_top_to_bottom() -> None:
    text = str(captured([*handshake(), tcp("PA", 1001, 5001, b"GET / HTTP/1.1\r\n\r\n")]).ladder())
    assert text.splitlines() == [
        "        ms  h1                      www.example.com",
        "     0.000  |--------- SYN -------->|  40000 → 80  Seq=0 Len=0 MSS=1460",
        "     1.000  |<----- SYN, ACK -------|  80 → 40000  Seq=0 Ack=1 Len=0 MSS=1460",
        "     2.000  |--------- ACK -------->|  40000 → 80  Seq=1 Ack=1 Len=0",
        "     3.000  |--- GET / HTTP/1.1 --->|  40000 → 80  Seq=1 Ack=1 Len=18",
    ]


def test_hops_marks_losses_gaps_and_broadcasts_are_shown_in_text() -> None:
    drawn = ladder(
        rung("a", "r", "b"),
        rung("a", "r", ms=300, mark=RETRANSMISSION, lost=True),
        rung("a", "r", ms=301, stops=True),
        rung("r", ms=302, heard=("a", "b"), title="who?"),
        rung("b", "r", "a", ms=303, mark=DUPLICATE_ACK, title="ACK"),
    )
    assert (
        f"\n{drawn}"
        == """
        ms  a                          r                          b
     0.000  |------------------------->|---------- SYN ---------->|
   +300 ms  :                          :                          :
   300.000  |== retransmission: SYN ==X|                          |  lost on the way
   301.000  |---------- SYN ---------->X                          |  stops at r
   302.000  |<-------------------------|--------- who? ---------->|
   303.000  |<=========================|<==== duplicate ACK ======|"""
    )


# -- where things stand ------------------------------------------------------


def test_columns_stand_in_the_order_of_the_way() -> None:
    assert order([rung("h1", "www"), rung("h1", "modem", "isp", "www")]) == [
        "h1",
        "modem",
        "isp",
        "www",
    ]
    assert order([rung("a", "r"), rung("b", heard=(EVERYBODY,))]) == ["a", "r", "b"]
    # A neighbour of the leftmost does not stand beyond the Internet.
    assert order([rung("h1", "modem", "isp", "www"), rung("h2", "h1")])[0] == "h2"


def test_a_way_that_turns_back_is_two_arrows() -> None:
    rows = list(ladder(rung("a", "r", "b"), rung("b", "r", "b", ms=1)).rows())
    assert [row.stops for row in rows if not isinstance(row, float)] == [
        (0, 1, 2),
        (2, 1),
        (1, 2),
    ]


# -- as SVG ------------------------------------------------------------------

LONG = "a very long title that no column has room for, " * 3
CASES = {
    "two": [rung("h1", "www"), rung("www", "h1", ms=1, title="SYN, ACK")],
    "hops": [
        rung("h1", "modem", "www", changes=(("modem", "source 192.168.1.11 becomes 10.0.0.1"),)),
        rung("h1", "modem", title=LONG, detail=LONG, ms=500),
        rung("modem", "h1", ms=501, lost=True, detail="something that is long enough"),
        rung("h1", "modem", ms=502, stops=True),
    ],
    "many": [
        rung(*(f"router{n}.example.com" for n in range(8)), title=LONG, detail="Seq=0 Len=0"),
        rung("router3.example.com", heard=(EVERYBODY,), title="who has 10.0.0.1? tell 10.0.0.2"),
        rung("router3.example.com", "router4.example.com", title=LONG, detail=LONG),
    ],
    "oneself": [rung("h1", "h1", title="Echo (ping) request", detail="id=0x0001, seq=1, ttl=64")],
    "back": [rung("h1", "r", "h2"), rung("h2", "r", "h1", "r", ms=1, title=LONG)],
    "nobody": [],
    "unheard": [rung("h1", title="who has 10.0.0.9? tell 10.0.0.1", detail="broadcast")],
    "crowd": [
        rung("h0", heard=tuple(f"h{n}" for n in range(1, 30)), title="who has 10.0.0.2?"),
        rung("h2", "h0", ms=1),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_no_text_lies_over_another_and_all_is_within(name: str) -> None:
    drawing = ladder(*CASES[name], routers=("r", "modem")).svg()
    assert_no_overlap(drawing)


def test_a_drawing_says_what_happened() -> None:
    drawing = ladder(*CASES["hops"], routers=("modem",)).svg()
    said = [text for text, *_ in texts(drawing)]
    assert "modem: source 192.168.1.11 becomes 10.0.0.1" in " ".join(said)
    assert {"lost on the way", "stops at modem", "⋮ 500 ms later", "502.000"} <= set(said)
    # Everything that was cut short is whole in a tooltip.
    assert LONG.strip() in drawing


def test_in_a_crowd_only_who_takes_part_has_a_column() -> None:
    drawn = ladder(*CASES["crowd"])
    assert [column.name for column in drawn.columns] == ["h0", "h2"]
    assert "28 more heard it" in str(drawn)
    assert "28 more heard it" in drawn.svg()
    (alone,) = str(ladder(*CASES["unheard"])).splitlines()[1:]
    assert alone == "     0.000  |->  who has 10.0.0.9? tell 10.0.0.1; broadcast"


def test_nat_is_told_once() -> None:
    changes = (("modem", "source 192.168.1.11 becomes 10.0.0.1"),)
    twice = [rung("h1", "modem", "www", ms=n, changes=changes) for n in range(2)]
    said = " ".join(text for text, *_ in texts(ladder(*twice).svg()))
    assert said.count("becomes") == 1


def test_it_follows_its_reader_light_and_dark() -> None:
    drawing = ladder(*CASES["two"]).svg()
    assert "@media (prefers-color-scheme:dark)" in drawing
    assert "[data-jp-theme-light=false] .ladder" in drawing
    used = set(re.findall(r"var\(--([\w-]+)\)", drawing)) - {"this"}
    for theme in re.findall(r"\{(--[^}]*)\}", drawing):
        assert used <= set(re.findall(r"--([\w-]+):", theme))


def test_a_notebook_has_the_drawing_and_a_terminal_the_text() -> None:
    drawn = ladder(*CASES["two"])
    bundle = drawn._repr_mimebundle_()
    assert bundle["image/svg+xml"] in bundle["text/html"]
    assert drawn._repr_mimebundle_({"text/plain"}) == {"text/plain": str(drawn)}


def test_the_ladder_of_the_readme_is_one_of_these() -> None:
    """`docs/ladder.py` draws it anew."""
    shown = (Path(__file__).parents[3] / "docs" / "ladder.svg").read_text()
    style = re.compile(r"<style>.*?</style>", re.DOTALL)
    assert style.findall(shown) == style.findall(ladder(*CASES["two"]).svg())
    assert_no_overlap(shown)
    said = [text for text, *_ in texts(shown)]
    assert said.index("SYN") < said.index("GET / HTTP/1.1") < said.index("HTTP/1.1 200 OK")


def test_no_more_than_asked_for_is_drawn_and_the_rest_is_told(tmp_path: Path) -> None:
    drawn = captured([tcp("A", n, 1) for n in range(1, 31)]).ladder(limit_packets=10)
    assert repr(drawn) == "<Ladder: 10 packets between 2 machines>"
    assert "there are more: ladder(limit_packets=...)" in str(drawn)
    assert "there are more: ladder(limit_packets=...)" in drawn.save(tmp_path / "x.svg").read_text()
    assert drawn.save(tmp_path / "x.txt").read_text() == f"{drawn}\n"
    with pytest.raises(BadArgument, match=r"saved as \.svg"):
        drawn.save(tmp_path / "x.png")
