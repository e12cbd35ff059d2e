"""The file of kathara-lab-checker, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.lab.checks.kathara_checks import FileCheck, read_checks

# As their own files have it: with tabs.
FILE = """\
{
\t"convergence_time": 10,
\t"test": {
\t\t"ip_mapping": {"r1": {"0": "10.0.0.1/30", "lo": "1.1.1.1/32"}},
\t\t"daemons": {"r1": ["bgpd", "!watchfrr"]},
\t\t"kernel_routes": {"r1": ["2.0.0.0/8", ["3.0.0.0/8", ["10.0.0.2", "eth1"]]]},
\t\t"protocols": {
\t\t\t"bgpd": {
\t\t\t\t"peerings": {"r1": ["10.0.0.2"]},
\t\t\t\t"networks": {"r1": ["1.0.0.0/8"]},
\t\t\t\t"injections": {"r1": ["!connected"]}
\t\t\t},
\t\t\t"ripd": {"injections": {"r1": ["bgp"]}}
\t\t},
\t\t"applications": {"dns": {
\t\t\t"authoritative": {".": ["1.1.0.2"]},
\t\t\t"local_ns": {"3.2.0.2": ["pc"]},
\t\t\t"reachability": {"pc.net": ["r1"]}
\t\t}},
\t\t"reachability": {"pc": ["1.0.0.1"]},
\t\t"custom_commands": {"pc": [{"command": "uname", "exit_code": 0}]}
\t}
}
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reading(text: str) -> list[FileCheck]:
        path = tmp_path / "correction.json"
        path.write_text(text)
        return read_checks(path)

    return reading


def test_what_it_wants_and_where_that_stands(read: Any) -> None:
    found = read(FILE)
    assert [(one.place.line, one.node, one.kind, one.value, one.wanted) for one in found] == [
        (4, "r1", "has the address", ("eth0", "10.0.0.1/30"), True),
        (4, "r1", "has the address", ("lo", "1.1.1.1/32"), True),
        (5, "r1", "runs", "bgpd", True),
        (5, "r1", "runs", "watchfrr", False),
        (6, "r1", "has the route", "2.0.0.0/8", True),
        (6, "r1", "has the route", ["3.0.0.0/8", ["10.0.0.2", "eth1"]], True),
        (9, "r1", "has a BGP session with", "10.0.0.2", True),
        (10, "r1", "announces by BGP", "1.0.0.0/8", True),
        (11, "r1", "redistributes into bgp", "connected", False),
        (13, "r1", "redistributes into rip", "bgp", True),
        (16, "1.1.0.2", "has authority for", ".", True),
        (17, "pc", "asks the name server", "3.2.0.2", True),
        (18, "r1", "reaches by name", "pc.net", True),
        (20, "pc", "reaches", "1.0.0.1", True),
        (21, "pc", "says as it should", {"command": "uname", "exit_code": 0}, True),
    ]
    assert found[3].words == "r1 not runs watchfrr"


def test_unknown_keys_are_told_with_their_place(read: Any) -> None:
    text = """{"colour": 1, "test": {
        "requiring_startup": ["r1"],
        "smell": {},
        "protocols": {"ospfd": {"areas": {}}},
        "applications": {"http": {}, "dns": {"cache": {}}}
    }}"""
    assert [(one.place.line, one.kind, one.value.partition(":")[0]) for one in read(text)] == [
        (1, "", "colour"),
        (2, "", "requiring_startup"),
        (3, "", "smell"),
        (4, "", "ospfd areas"),
        (5, "", "http"),
        (5, "", "dns cache"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"correction.json:1:1: this is no JSON: Expecting value"),
        ('{"test": {\n  # no\n}}', r"correction.json:2:3: this is no JSON"),
        ("[1, 2]", r"\[1, 2\] has no keys, and should"),
        ("{}", r"there is no key 'test'"),
        ('{"test": {"daemons": {"r1": "bgpd"}}}', r"correction.json:1:.*'bgpd' is no list"),
        ('{"test": {"ip_mapping": {"r1": 7}}}', r"correction.json:1:.*7 has no keys"),
        ('{"test": {"reachability": {"r1": [7]}}}', r"correction.json:1:.*7 is no text"),
        ('{"test": {"custom_commands": {"r1": [{}]}}}', r"there is no command, as a text"),
        ('{"test": {}, "test": {}}', r"correction.json:1:.*test"),
        ("[" * 100_000, r"deeper than anybody writes|no JSON"),
    ],
)
def test_what_is_no_such_file_is_a_sentence_with_a_line(read: Any, text: str, said: str) -> None:
    with pytest.raises(TopologyError, match=said):
        read(text)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(TopologyError, match=r"x.json"):
        read_checks(tmp_path / "x.json")


def test_an_expression_that_is_none_is_the_files_mistake(read: Any) -> None:
    for pattern in ("(", ["h"]):
        items = [{"command": "id", "regex_match": pattern}]
        [found] = read(json.dumps({"test": {"custom_commands": {"pc": items}}}))
        assert found.kind == ""
        assert "is no regular expression" in found.value
