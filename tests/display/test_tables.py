"""Rows as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.display.tables import Table, html_table, text_table
from playground.operations.connection.command_results import Result
from playground.operations.network import Host, Link
from playground.operations.nodes.ping import Ping, Traceroute, parse_ping, parse_traceroute
from playground.planning.plan_parts import Interfaces
from playground.planning.planner import make_plan


@dataclass(frozen=True)
class Hop:
    node: str
    number: int | None
    up: bool = True


def test_a_table_is_aligned_text() -> None:
    table = Table([Hop("modem", 1), Hop("isp", 12, up=False), Hop("www", None)])
    assert repr(table).splitlines() == [
        "node   number  up",
        "modem       1  yes",
        "isp        12  no",
        "www            yes",
    ]


ROWS = [
    {"lab": "miniature-internet", "machines": "h1 h2 h3 h4 modemA modemB isp backbone", "rate": 12},
    {"lab": "shop", "machines": "h1 h2", "rate": None},
]


def test_rows_keep_to_the_room_of_a_terminal() -> None:
    assert text_table(ROWS, 45).splitlines() == [
        "lab                 machines             rate",
        "miniature-internet  h1 h2 h3 h4 modemA     12",
        "                    modemB isp backbone",
        "shop                h1 h2",
    ]
    assert text_table(ROWS, 200) == text_table(ROWS)


def test_what_finds_too_little_room_beside_stands_beneath() -> None:
    rows = [
        {"length_bytes": 98, "source": "10.0.1.2", "info": "Echo request, and more to say " * 3}
    ]
    assert text_table(rows, 30).splitlines() == [
        "length_bytes  source",
        "    info",
        "          98  10.0.1.2",
        "    Echo request, and more to",
        "    say Echo request, and more",
        "    to say Echo request, and",
        "    more to say",
    ]


def test_a_name_is_broken_only_where_nothing_else_helps() -> None:
    rows = [{"lab": "shop", "id": "miniature-internet-05d093", "ends": "with its program"}]
    assert text_table(rows, 36).splitlines() == [
        "lab   id",
        "    ends",
        "shop  miniature-internet-05d093",
        "    with its program",
    ]


@given(st.lists(st.tuples(st.text(), st.integers(), st.text()), min_size=1), st.integers(30, 200))
def test_no_line_is_longer_than_its_room(cells: list[tuple[str, int, str]], room: int) -> None:
    rows = [{"a_name": a, "n": number, "text": b} for a, number, b in cells]
    assert max(map(len, text_table(rows, room).splitlines())) <= room


def test_a_table_in_a_terminal_keeps_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    table = Table([Hop("a name of several words that is long", 1)])
    assert max(map(len, repr(table).splitlines())) <= 30
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert len(repr(table).splitlines()) == 2


def test_a_table_is_a_tuple_of_its_rows() -> None:
    hop = Hop("modem", 1)
    assert Table([hop])[0] is hop
    assert Table([hop]) == (hop,)
    assert [row.number for row in Table([hop])] == [1]


def test_an_empty_table_says_so() -> None:
    assert repr(Table([])) == "(no rows)"
    assert "no rows" in Table([])._repr_html_()


@dataclass(frozen=True)
class Known:
    addresses: tuple[IPv4Address, ...]
    age_s: float
    raw: object = field(default=None, repr=False)


class Cells(HTMLParser):
    """The texts of the cells of an HTML table, row by row; its caption apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.caption = ""
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "wbr":  # has no end
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "p" in self.open:
            self.caption += data
        else:
            self.rows[-1][-1] += data


def test_a_table_in_a_notebook_is_a_table_whatever_its_cells_hold() -> None:
    cells = Cells(Table([Hop("<b>&", 1), Hop("a\nb", None)])._repr_html_())
    assert cells.rows == [["node", "number", "up"], ["<b>&", "1", "yes"], ["a\nb", "", "yes"]]


def test_a_long_name_of_a_column_may_break_in_a_notebook() -> None:
    page = html_table([{"answers_from_port": 80, "expires_s": 9}])
    assert ">answers_<wbr>from_<wbr>port</th>" in page
    assert ">expires_s</th>" in page
    assert Cells(page).rows[0] == ["answers_from_port", "expires_s"]


def test_rows_are_dicts_of_plain_values() -> None:
    table = Table([Known((ip_address("10.1.1.1"),), 0.5, raw=object())])
    assert table.rows == [{"addresses": ["10.1.1.1"], "age_s": 0.5}]
    assert Table([]).rows == []


def test_a_slice_of_a_table_is_a_table() -> None:
    table = Table([Hop("modem", 1), Hop("isp", 12)])[:1]
    assert repr(table).splitlines()[1:] == ["modem       1  yes"]
    assert table.rows == [{"node": "modem", "number": 1, "up": True}]


def test_of_many_rows_the_first_and_the_last_are_shown() -> None:
    table = Table(Hop(f"h{number}", number) for number in range(1000))
    lines = repr(table).splitlines()
    assert (len(lines), lines[61], lines[-1]) == (82, "... 920 more rows ...", "h999     999  yes")
    cells = Cells(table._repr_html_())
    assert len(cells.rows) == 82
    assert cells.rows[61] == ["… 920 more rows …"]
    assert len(table.rows) == 1000


def test_a_ping_has_a_row_for_each_packet() -> None:
    text = (
        "64 bytes from 10.1.1.1: icmp_seq=1 ttl=60 time=0.5 ms\n"
        "64 bytes from 10.1.1.1: icmp_seq=3 ttl=60 time=0.7 ms\n"
        "64 bytes from 10.1.1.1: icmp_seq=3 ttl=60 time=0.9 ms (DUP!)\n"
        "3 packets transmitted, 2 received, +1 duplicates, 33% packet loss, time 402ms\n"
    )
    ping = parse_ping("www", text, interval_s=0.2)
    assert ping.rows == [
        {"sequence": 1, "sent_s": 0.0, "rtt_ms": 0.5, "ttl": 60},
        {"sequence": 2, "sent_s": 0.2, "rtt_ms": None, "ttl": None},
        {"sequence": 3, "sent_s": 0.4, "rtt_ms": 0.7, "ttl": 60},
    ]
    assert ping.times_ms == (0.5, 0.7)
    assert Cells(ping._repr_html_()).caption == "ping www: 2 of 3 came back, 0.6 ms on average"


def test_a_result_in_a_notebook_has_its_streams_below_each_other() -> None:
    cells = Cells(Result("ls", 2, "a  b\nc\n", "<no>")._repr_html_())
    assert cells.caption == "ls: exit status 2"
    assert cells.rows[1:] == [["stdout", "a  b\nc"], ["stderr", "<no>"]]
    assert Result("true", 0, "", "")._repr_html_() == "<p>true: exit status 0: printed nothing</p>"


@pytest.mark.parametrize(
    ("thing", "rows"),
    [
        pytest.param(
            Result(("ip", "a b"), 1, "out\n", "<err>"),
            [{"command": "ip 'a b'", "returncode": 1, "stdout": "out\n", "stderr": "<err>"}],
            id="a result",
        ),
        pytest.param(
            parse_traceroute("www", "traceroute to www (10.1.1.1)\n 1  *\n 2  10.1.1.1  0.05 ms\n"),
            [
                {"number": 1, "address": None, "rtt_ms": None, "note": ""},
                {"number": 2, "address": "10.1.1.1", "rtt_ms": 0.05, "note": ""},
            ],
            id="a traceroute",
        ),
        pytest.param(Ping("www", 0, 0, (), "no route"), [], id="a ping that was not sent"),
    ],
)
def test_what_came_back_has_rows_and_shows_as_a_table(
    thing: Result | Ping | Traceroute, rows: list[dict[str, object]]
) -> None:
    assert thing.rows == rows
    page = thing._repr_html_()
    assert ("<table>" in page) == bool(rows)
    assert "<err>" not in page


def test_a_plan_and_the_interfaces_of_a_node_are_tables() -> None:
    h1, h2 = Host("h1"), Host("h2", services=["http"])
    Link(h1, h2)
    plan = make_plan([h1])
    assert [(row["node"], row["addresses"], row["services"]) for row in plan.rows] == [
        ("h1", ["10.0.1.1/24"], []),
        ("h2", ["10.0.1.2/24"], ["http"]),
    ]
    assert repr(plan).splitlines()[-1].split() == [
        "h2",
        "host",
        "eth0",
        "10.0.1.2/24",
        "h1--h2",
        "http",
    ]
    interfaces = Interfaces({item.name: item for item in plan.node("h2").interfaces})
    assert interfaces["eth0"].mtu_bytes == 1500
    assert interfaces.rows[0]["addresses"] == ["10.0.1.2/24"]
    assert repr(interfaces).splitlines()[0].startswith("name")


def test_a_table_that_is_wider_than_the_page_can_be_scrolled() -> None:
    page = html_table([{"a": 1}], "caption")
    assert page.startswith('<p style="margin:0">caption</p><div style="overflow-x:auto"><table>')
