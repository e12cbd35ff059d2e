"""The kernels' view of a lab's nodes, and what came and went between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import BadArgument, NotRunning
from playground.lab.lab import Lab
from playground.operations.diagnosis.evidence.network_state import (
    AddressState,
    Change,
    InterfaceState,
    NodeState,
    SocketState,
    State,
    StateRow,
    read_state,
)
from playground.operations.network import Host, Link, Router, Switch


def kernel_rule(text: str, *statements: str, **more: Any) -> dict[str, Any]:
    row = {"family": "inet", "table": "hand", "chain": "post", "text": text, "handle": 4}
    return row | {"comment": "", "hook": "postrouting", "statements": list(statements)} | more


def node_state(*rules: dict[str, Any]) -> NodeState:
    names = ("interfaces", "routes", "rules", "neighbours", "sockets", "connections")
    return read_state("r1", {name: [] for name in names} | {"sysctls": {}, "firewall": rules})


def test_who_translates_is_told_by_what_rules_do_and_not_by_their_words() -> None:
    by_hand = node_state(kernel_rule("snat ip to 192.0.2.1", "match", "snat"))
    assert by_hand.translates
    assert node_state(kernel_rule("masquerade", "masquerade")).translates
    named = 'counter accept comment "masquerade me"'
    assert not node_state(kernel_rule(named, "counter", "accept", comment=named)).translates
    assert list(by_hand.lines()) == [("firewall", "inet hand post: snat ip to 192.0.2.1")]


def test_what_explain_watches_packets_by_is_no_rule() -> None:
    row = kernel_rule("meta nftrace set 1", "mangle")
    assert list(node_state(row | {"table": "playground_trace_7"}).lines()) == []
    assert len(list(node_state(row | {"table": "of_a_student"}).lines())) == 1


def test_a_state_is_compared_with_a_state() -> None:
    with pytest.raises(BadArgument, match=r"3 is no state .*before = lab.state\(\)"):
        State({}).diff(3)  # type: ignore[arg-type]


def test_two_states_differ_by_lines_that_came_and_went() -> None:
    eth0 = InterfaceState("eth0", True, True, 1500, "02:00", (AddressState("10.0.0.2/24"),))
    down = InterfaceState("eth0", True, False, 1500, "02:00")
    ssh = SocketState("tcp", "0.0.0.0", 22, "sshd")
    before = State({"h1": NodeState("h1", (eth0,), sockets=(ssh, ssh)), "h2": NodeState("h2")})
    after = State({"h1": NodeState("h1", (down,), sockets=(ssh,)), "h2": NodeState("h2")})
    assert list(after.diff(before)) == [
        Change("-", "h1", "link", "eth0 up, mtu 1500, 02:00"),
        Change("-", "h1", "address", "10.0.0.2/24 dev eth0"),
        Change("-", "h1", "socket", "tcp 0.0.0.0:22 (sshd)"),
        Change("+", "h1", "link", "eth0 up, no carrier, mtu 1500, 02:00"),
    ]
    assert not after.diff(after)
    assert [one.change for one in State({}).diff(after)] == ["-", "-"]
    assert before.table()[1] == StateRow("h1", "address", "10.0.0.2/24 dev eth0")
    assert before.rows[0]["node"] == "h1"


# -- on an engine ------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    home = Switch("home", subnet="192.168.1.0/24")
    modem, h1, www = Router("modem"), Host("h1"), Host("www")
    for node in (modem, h1):
        Link(home, node)
    modem.masquerade(Link(modem, www))
    with Lab(home, name="states", ipv6=True, quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def test_a_silent_lab_does_not_change(lab: Lab) -> None:
    before = lab.state()
    assert list(lab.state().diff(before)) == []
    assert {node.node for node in before.nodes.values()} == {"modem", "h1", "www"}
    assert "192.168.1.1/24 dev eth0" in str(before)
    assert "<table" in before._repr_html_()


def test_what_a_student_changes_is_seen(lab: Lab) -> None:
    h1, www, modem = lab.node("h1"), lab.node("www"), lab.node("modem")
    listen = "import socket, time; s = socket.create_server(('', 8080)); print(1, flush=True)"
    before = lab.state()
    h1.run("ip route del default")
    h1.run("ip addr add 192.168.1.77/24 dev eth0")
    www.run("ip rule add priority 77 from 10.9.0.0/16 table 77")
    rule = modem.firewall.drop(port=23)
    with www.start(["python3", "-c", f"{listen}; time.sleep(1000)"]) as server:
        server.stdout.readline()
        diff = lab.state().diff(before)
    h1.run("ip addr del 192.168.1.77/24 dev eth0 && ip route add default via 192.168.1.1")
    www.run("ip rule del priority 77")
    rule.remove()
    lines = {(one.change, one.node, one.kind, one.entry) for one in diff}
    assert ("-", "h1", "route", "default via 192.168.1.1 dev eth0 proto static") in lines
    assert ("+", "h1", "address", "192.168.1.77/24 dev eth0") in lines
    assert ("+", "www", "rule", "priority 77 from 10.9.0.0/16 table 77") in lines
    assert ("+", "www", "socket", "tcp 0.0.0.0:8080 (python3)") in lines
    assert any(row[:3] == ("+", "modem", "firewall") and "dport 23" in row[3] for row in lines)
    assert {row["node"] for row in diff.rows} == {"h1", "www", "modem"}


def test_nat_neighbours_and_links_are_in_it(lab: Lab) -> None:
    h1, www = lab.node("h1"), lab.node("www")
    for node in lab.nodes:
        if not isinstance(node, Switch):
            node.run("ip neigh flush all")
    before = lab.state()
    assert h1.ping(str(www.address), count=1)
    seen = [(one.node, one.kind, one.entry) for one in lab.state().diff(before)]
    assert any(node == "modem" and kind == "connection" for node, kind, _ in seen)
    assert any(row[1] == "neighbour" and "192.168.1.1 dev eth0 is 02:" in row[2] for row in seen)
    [link] = h1.links
    link.down()
    try:
        down = [one.entry for one in lab.state().diff(before) if one.kind == "link"]
    finally:
        link.up()
    assert any("no carrier" in line for line in down)


def test_it_needs_a_lab_that_runs() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    with pytest.raises(NotRunning):
        Lab(a).state()
