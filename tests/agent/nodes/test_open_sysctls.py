"""Settings of a network that an engine has closed, opened to the node's root."""

from __future__ import annotations

import os

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, run

OF_THE_MACHINE = "/proc/sys/net/netfilter/nf_hooks_lwtunnel"
FORWARDING = "/proc/sys/net/ipv4/ip_forward"


def writes(agent: Client, pid: int, path: str) -> bool:
    script = f"cat {path} > /tmp/value && cat /tmp/value > {path} && echo done"
    return "done" in run(agent, pid, f"({script}) 2> /tmp/said; true")


@needs_root
def test_the_network_s_settings_can_be_written_and_no_others(agent: Client) -> None:
    with Namespaces("h1") as h1:
        close = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys"
        run(agent, h1.pid, f"mount -t tmpfs tmpfs /tmp && {close}")
        assert not writes(agent, h1.pid, FORWARDING)
        agent.call("open_sysctls", pids=[h1.pid])
        assert writes(agent, h1.pid, FORWARDING)
        assert not writes(agent, h1.pid, "/proc/sys/kernel/printk")
        # Its name in the node's network is no network's own.
        if os.path.exists(OF_THE_MACHINE):
            assert not writes(agent, h1.pid, OF_THE_MACHINE)
        # A second time nothing changes.
        agent.call("open_sysctls", pids=[h1.pid])
        assert writes(agent, h1.pid, FORWARDING)
