"""Settings of the kernel: set in one node, read back, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.agent.nodes.sysctls import same_setting
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, run


@needs_root
def test_sysctls_are_set_in_the_node_only(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    before = Path("/proc/sys/net/ipv4/ip_default_ttl").read_text()
    sysctls = {"net.ipv4.ip_default_ttl": "33", "net/ipv4/tcp_rmem": "4096 100000 200000"}
    agent.call("network", nodes=[{"pid": h1.pid, "sysctls": sysctls}])
    script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv4/tcp_rmem"
    assert run(agent, h1.pid, script).split() == ["33", "4096", "100000", "200000"]
    assert run(agent, h2.pid, script).split()[0] == "64"
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text() == before


@needs_root
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        # The kernel takes the number and keeps another.
        ("net.ipv4.conf.lo.mc_forwarding", "1", "mc_forwarding"),
        ("net.ipv4.nosuch", "1", "cannot set the sysctl net.ipv4.nosuch"),
        ("net.ipv4.ip_default_ttl", "999", "cannot set the sysctl net.ipv4.ip_default_ttl"),
        ("kernel.hostname", "x", "kernel.hostname is not a network sysctl"),
        ("net/../kernel/hostname", "x", "is not a network sysctl"),
    ],
    ids=["read-only", "unknown", "refused", "not net", "way out"],
)
def test_sysctl_that_cannot_be(
    agent: Client, pair: tuple[Namespaces, Namespaces], name: str, value: str, sentence: str
) -> None:
    with pytest.raises(AgentError, match=sentence):
        agent.call("network", nodes=[{"pid": pair[0].pid, "sysctls": {name: value}}])


@needs_root
def test_sysctl_that_does_not_stay_is_reported(agent: Client) -> None:
    with Namespaces("h1") as h1:
        # Setting "all" sets every interface: the first value does not stay.
        sysctls = {"net.ipv4.conf.lo.forwarding": "1", "net.ipv4.conf.all.forwarding": "0"}
        agent.call("network", nodes=[{"pid": h1.pid, "sysctls": {"net.ipv4.ip_forward": "1"}}])
        with pytest.raises(AgentError, match=r"conf\.lo\.forwarding is '0' after '1' was written"):
            agent.call("network", nodes=[{"pid": h1.pid, "sysctls": sysctls}])


def test_an_address_is_the_same_setting_in_any_form() -> None:
    assert same_setting("4096\t87380", "4096 87380")
    assert same_setting("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1")
    assert not same_setting("2001:db8::2", "2001:db8::1")
    assert not same_setting("1", "2")
