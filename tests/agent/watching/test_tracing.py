"""Traces of nftables: what each rule decides of a packet."""

from __future__ import annotations

import socket
from typing import Any

from playground.agent.network.nft_rulesets import filter_tables, firewall
from playground.agent.watching.tracing import TRACE_TABLES, read_traces, start_trace
from tests.support_agent import Namespaces, apart, needs_root

RULES = """
table inet lab {
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 4000 drop
    }
}
"""


def _traced(pid: int) -> tuple[list[Any], list[str], list[str]]:
    """Send two datagrams; return what was told of them, and the tables during it and after."""
    firewall([{"pid": pid, "ruleset": [RULES]}])
    netlink = start_trace(pid)
    assert netlink is not None
    during = [name for _, name in filter_tables(pid)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in (4000, 5000):
            try:
                sender.sendto(b"hello", ("127.0.0.1", port))
            except PermissionError:
                assert port == 4000
    traces = read_traces(netlink)
    netlink.close()
    return traces, during, [name for _, name in filter_tables(pid)]


@needs_root
def test_rules_tell_what_they_decided_and_the_traces_table_goes(wired: Namespaces) -> None:
    traces, during, after = apart(_traced, wired.pid)
    assert [name.startswith(TRACE_TABLES) for name in sorted(during)] == [False, True]
    assert after == ["lab"]
    assert {(row["table"], row["chain"]) for row in traces} == {("lab", "output")}
    # New kernels tell of rules, too, that do not match (NFT_CONTINUE, -1).
    [dropped] = [row for row in traces if row["type"] == "rule" and row["verdict"] == 0]  # NF_DROP
    passed = [row for row in traces if row["type"] == "policy"]
    assert {row["policy"] for row in passed} == {1}  # NF_ACCEPT
    assert dropped["id"] not in {row["id"] for row in passed}
