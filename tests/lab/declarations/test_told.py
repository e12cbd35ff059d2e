"""Each declaration of the Python API is in the tables: a new one is found here if it is not."""

from __future__ import annotations

import inspect

import pytest

from playground.lab.declarations.constructed import BY_ARGUMENTS
from playground.lab.declarations.gather import gather
from playground.lab.declarations.told import METHODS, TOLD
from playground.model import topology
from playground.model.firewall import Firewall
from playground.model.parts import settable
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import collect

from . import everything

KINDS = {"host": Host, "router": Router, "switch": Switch, "link": Link}

# What follows from a declaration, or is of a node that runs.
NO_DECLARATION = {
    *(
        "address",
        "attachments",
        "calls",
        "cards",
        "congestion_control",
        "families",
        "fixed",
        "forwards",
        "frr_text",
    ),
    *("hostname", "hosts", "id", "impairments", "interfaces", "is_running", "is_stopped"),
    *("links", "listener", "masquerades"),
    *("names", "nameservers", "pairs", "places", "serial", "services", "short", "sysctls"),
    *("queues", "uplinks", "bond", "passes_lacp"),
}

# Methods that change what others have said, take it back, or say it in other words.
NO_SAYING = {
    *(
        "add_vlan",
        "bonds_at",
        "is_port",
        "change",
        "end",
        "looped",
        "peer",
        "refuse_loop",
        "steer",
        "stop_advertising",
    ),
    *(
        "subnets_of",
        "bridge",
        "divide",
        "remove_leak",
        "untranslate",
        "zones",
        "clear",
        "remove",
        "together",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_attribute_is_said_by_an_argument_or_by_a_method(kind: str) -> None:
    made = KINDS[kind]
    names = {name for name in dir(made) if isinstance(inspect.getattr_static(made, name), property)}
    public = {name for name in names | settable(made) if not name.startswith("_")}
    missing = public - BY_ARGUMENTS - set(TOLD) - NO_DECLARATION
    assert missing == set(), "a row of TOLD, or of BY_ARGUMENTS, says how a file declares it"


@pytest.mark.parametrize(
    ("kind", "declares"),
    [
        ("host", topology.Host),
        ("router", topology.Router),
        ("switch", topology.Switch),
        ("link", topology.Link),
    ],
)
def test_each_method_of_a_declaration_can_be_called_by_a_file(kind: str, declares: type) -> None:
    known = {method for method in METHODS[kind] if "." not in method}
    functions = {name for name, _ in inspect.getmembers(declares, inspect.isfunction)}
    assert {name for name in functions if not name.startswith("_")} - known - NO_SAYING == set()


def test_each_method_of_a_firewall_can_be_called_by_a_file() -> None:
    functions = {name for name, _ in inspect.getmembers(Firewall, inspect.isfunction)}
    known = {method.partition(".")[2] for method in METHODS["host"]}
    assert {name for name in functions if not name.startswith("_")} - known - NO_SAYING == set()


def test_everything_that_can_be_called_is_tried() -> None:
    called: set[str] = set()
    for nodes in (everything.hosts_and_nat, everything.routing, everything.prefixes):
        declared = gather(collect(nodes()))
        for calls in ([one.calls for one in declared.nodes], [one.calls for one in declared.links]):
            called |= {call.method for several in calls for call in several}
    assert {method for methods in METHODS.values() for method in methods} - called == set()


def test_what_is_as_usual_is_left_out() -> None:
    router = Router("r")
    link = Link(router, Host("h"))
    router.masquerade(link)
    assert gather([router]).nodes[0].calls[0].arguments.keys() == {"link"}


def test_two_ways_of_impairing_a_link_are_told_apart() -> None:
    a, b = Host("a"), Host("b")
    both, one = Link(a, b), Link(a, b)
    both.impair(delay_ms=10)
    one.impair(delay_ms=10, toward=b)
    first, second = gather([a, b]).links
    assert [dict(call.arguments) for call in first.calls] == [{"delay_ms": 10}]
    assert [str(call.arguments["toward"]) for call in second.calls] == ["b"]
