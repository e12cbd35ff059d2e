"""The fate of one packet, looked at in many places."""

from __future__ import annotations

import base64
import errno
import socket
from typing import Any

import pytest

from playground.agent.watching.probes import probe
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, apart, end, needs_root, node, veth


@needs_root
def test_a_packet_is_sent_and_seen_and_ways_are_found(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    ends = [node(h1.pid, "10.0.0.1/24", routes_add=[gateway]), node(h2.pid, "10.0.0.2/24")]
    agent.call("network", nodes=ends)
    question = {"pid": h1.pid, "source": None, "interface": None, "mark": 0, "protocol": None}
    question |= {"source_port": None, "port": None}
    there, nowhere = agent.call(
        "look_up_routes",
        questions=[question | {"destination": to} for to in ("10.9.1.1", "10.8.1.1")],
    )
    assert (there["via"], there["interface"], there["prefix"]) == (
        "10.0.0.2",
        "eth0",
        "10.9.0.0/16",
    )
    assert nowhere == {"errno": errno.ENETUNREACH, "message": "Network is unreachable"}

    def probe(protocol: int, port: int | None) -> Any:
        to = {"destination": "10.0.0.2", "port": port, "payload": ""}
        return agent.call("probe", pid=h1.pid, watch=[h1.pid, h2.pid], protocol=protocol, **to)

    # A socket that was refused at once is writable, and yet nobody has answered.
    unsent = {"destination": "10.8.1.1", "port": 80, "payload": ""}
    refused = agent.call("probe", pid=h1.pid, watch=[h1.pid], protocol=6, **unsent)["outcome"]
    assert (refused["answered"], refused["errno"]) == (False, errno.ENETUNREACH)
    answered = probe(1, None)
    assert answered["outcome"]["answered"]
    assert {(row[0], row[1]) for row in answered["frames"]} == {(0, "eth0"), (1, "eth0")}
    refused = probe(6, 80)
    assert refused["outcome"]["errno"] == errno.ECONNREFUSED
    assert refused["outcome"]["source"] == "10.0.0.1"
    # With rules, each tells what it decided; what made them tell is gone after that.
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }; }"
    agent.call("firewall", nodes=[{"pid": h2.pid, "ruleset": [rules]}])
    lost = probe(6, 80)
    assert (lost["outcome"]["answered"], lost["outcome"]["errno"]) == (False, None)
    assert any(
        (row["watch"], row["chain"], row["verdict"]) == (1, "c", 0) for row in lost["traces"]
    )
    [state] = agent.call("states", pids=[h2.pid])
    assert state["tables"] == [["inet", "t"]]
    rule = state["firewall"][-1]
    assert (rule["chain"], rule["hook"], rule["text"]) == ("c", "input", "tcp dport 80 drop")
    assert rule["statements"] == ["match", "drop"]
    assert rule["handle"] in [row["handle"] for row in lost["traces"]]


def probed(h: Namespaces, protocol: int, port: int | None, payload: bytes = b"x") -> dict[str, Any]:
    coded = base64.b64encode(payload).decode()
    found = apart(probe, h.pid, [h.pid], protocol, "127.0.0.1", port, coded, None, 0.1, 1.0)
    assert isinstance(found, dict)
    return found


@needs_root
def test_an_echo_request_is_answered_and_seen(wired: Namespaces) -> None:
    found = probed(wired, socket.IPPROTO_ICMP, None, b"look for me")
    assert (found["outcome"]["answered"], found["outcome"]["errno"]) == (True, None)
    frames = [base64.b64decode(data) for *_, data in found["frames"]]
    kinds = [frame[34] for frame in frames if b"look for me" in frame]
    assert {8, 0} <= set(kinds)  # echo request and reply


@needs_root
@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, socket.IPPROTO_UDP])
def test_a_port_where_nobody_listens_is_refused(wired: Namespaces, protocol: int) -> None:
    outcome = probed(wired, protocol, 9)["outcome"]
    assert (outcome["answered"], outcome["errno"]) == (False, errno.ECONNREFUSED)
    assert outcome["source"] == "127.0.0.1"


@needs_root
def test_who_listens_sees_a_connection_that_ends_at_once(wired: Namespaces) -> None:
    with wired.network():
        server = socket.create_server(("127.0.0.1", 0))
    with server:
        found = probed(wired, socket.IPPROTO_TCP, server.getsockname()[1])
    assert found["outcome"]["answered"]
    flags = {base64.b64decode(data)[47] for *_, data in found["frames"]}
    # Of TCP what begins and what ends a connection, and nothing else.
    assert flags <= {0x02, 0x12, 0x04, 0x14}
    assert {0x02, 0x12} <= flags
