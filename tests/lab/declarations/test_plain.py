"""Arguments as plain data: there and back."""

from pathlib import Path
from typing import Any

import pytest

from playground import DHCP, HTTP, SLAAC, Permit, PrefixList, RouteMap, Service
from playground.errors import TopologyError
from playground.lab.declarations.plain import Reader, to_plain
from playground.lab.declarations.shapes import LinkName, NodeName
from playground.lab.declarations.signatures import Argument

READER = Reader(frozenset({"h1"}), frozenset({"home-h1"}), Path("/labs"))
POLICY = RouteMap("p", Permit(prefixes=PrefixList("ten", "10.0.0.0/8 le 24"), prepend=2))


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("OneOrMore", SLAAC(identifier="stable", temporary=True)),
        ("RoutePolicy | None", POLICY),
        ("PrefixList | None", PrefixList("ten", "10.0.0.0/8 le 24", "deny 0.0.0.0/0 le 32")),
        ("str | bytes", b"\xff\x00"),
        ("str | os.PathLike[str]", Path("/elsewhere/web.tar")),
        ("str | os.PathLike[str]", Path("/labs/web.tar")),
        ("MachineBase", NodeName("h1")),
        ("LinkBase", LinkName("home-h1")),
        ("LinkBase", LinkName("home-h1", 10)),
        ("Iterable[str | ServiceSettings]", [HTTP(files={"a.html": "hi"}), DHCP(lease_s=600)]),
        ("Iterable[str | ServiceSettings]", [Service("x", "sleep 9", port=9, ready="tcp")]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_was_made_plain_is_read_back(shape: str, value: Any) -> None:
    data = to_plain(value, Path("/labs"))
    assert READER.argument(Argument("x", shape), data) == value


def test_a_text_is_a_node_only_where_a_node_may_stand() -> None:
    assert READER.argument(Argument("user", "str | None"), "h1") == "h1"
    assert READER.argument(Argument("source", "RuleEnd | None"), "h1") == NodeName("h1")
    assert READER.argument(Argument("source", "RuleEnd | None"), "10.0.0.1") == "10.0.0.1"


def test_a_word_means_something_only_where_it_can() -> None:
    assert READER.argument(Argument("env", "Mapping[str, object]"), {"path": "/bin"}) == {
        "path": "/bin"
    }


def test_paths_begin_at_the_file() -> None:
    volumes = Argument("volumes", "Mapping[str | os.PathLike[str], str]")
    assert READER.argument(volumes, {"site": "/srv"}) == {Path("/labs/site"): "/srv"}
    assert READER.argument(Argument("build", "str | os.PathLike[str]"), "app") == Path("/labs/app")
    text = "FROM debian"
    assert READER.argument(Argument("build", "str | os.PathLike[str]"), text) == text


def test_numbers_for_keys_may_be_texts_as_json_has_them() -> None:
    vlans = Argument("vlans", "Mapping[int, OneOrMore] | Iterable[int] | None")
    assert READER.argument(vlans, {"10": None}) == {10: None}


@pytest.mark.parametrize(
    ("shape", "data", "told"),
    [
        ("Iterable[ServiceSettings]", ["htp"], None),
        ("Iterable[ServiceSettings]", [{"http": {"folder": 1}}], "it has files"),
        ("Iterable[ServiceSettings]", [["http"]], "is no service"),
        ("Iterable[ServiceSettings]", [{"htp": {}}], "did you mean 'http'"),
        ("OneOrMore", {"slaac": {"x": 1}}, "it has identifier, temporary"),
        ("RoutePolicy", {"route_map": "x", "clauses": [{"perhaps": {}}]}, "is no clause"),
        ("RoutePolicy", {"prefix_list": "x", "lines": 7}, "is no list of prefixes"),
        ("bytes", {"base64": "%"}, "is no base64"),
        ("os.PathLike[str]", {"path": 7}, "is no path"),
    ],
)
def test_what_cannot_be_is_told(shape: str, data: Any, told: str | None) -> None:
    if told is None:  # a name alone is what `Host` knows
        assert READER.argument(Argument("services", shape), data) == data
        return
    with pytest.raises(TopologyError, match=told):
        READER.argument(Argument("x", shape), data)


def test_a_function_is_in_no_file() -> None:
    with pytest.raises(TopologyError, match="a function, which no file can hold"):
        to_plain(Service("x", "sleep 9", ready=lambda host: True))
