"""Power of a node taken away: what is forgotten, and what stays."""

from __future__ import annotations

import subprocess

import pytest

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, veth, wait_for


def _ip(pid: int, *words: str) -> str:
    return subprocess.run(
        ["nsenter", "-t", str(pid), "-n", *words], check=True, capture_output=True, text=True
    ).stdout


@needs_root
def test_what_ran_and_what_the_kernel_knew_is_gone(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    a, b = nodes
    agent.call("wire", bridges=[], veths=[veth(end(a.pid, "eth0"), end(b.pid, "eth0"))])
    interface = "eth0"
    for words in (
        f"ip link set dev {interface} up",
        f"ip address add 10.9.0.1/24 dev {interface}",
        "ip address add 10.9.9.9/32 dev lo",
        f"ip route add 10.8.0.0/16 via 10.9.0.2 dev {interface}",
        "ip route add blackhole 10.7.0.0/16 table 77",
        "ip rule add from 10.9.0.1 table 77",
        "nft add table inet own",
    ):
        _ip(a.pid, *words.split())
    agent.spawn(a.pid, ["sh", "-c", "trap '' TERM; sleep 1000"])
    agent.spawn(a.pid, ["unshare", "--pid", "--fork", "sleep", "1001"])
    other = agent.spawn(b.pid, ["sleep", "1002"])

    def running(pid: int) -> list[str]:
        return [row["command"] for row in agent.call("processes", pid=pid) if row["state"] != "Z"]

    wait_for(lambda: len(running(a.pid)) >= 4)
    agent.call("power_off", nodes=[{"pid": a.pid, "interfaces": [interface]}], timeout_s=0.1)
    assert running(a.pid) == ["sleep 1000"]  # the first one, by the same words
    assert _ip(a.pid, "ip", "-o", "-4", "address").split()[1:4] in (
        [],
        ["lo", "inet", "127.0.0.1/8"],
    )
    assert "state UP" not in _ip(a.pid, "ip", "-o", "link", "show", "dev", interface)
    for question in ("ip route show table 77", "ip route", "nft list ruleset"):
        assert _ip(a.pid, *question.split()) == "", question
    assert "10.9.0.1" not in _ip(a.pid, "ip", "rule")
    assert "main" in _ip(a.pid, "ip", "rule")
    with pytest.raises(TimeoutError):  # another node's programs go on
        other.wait(0)
