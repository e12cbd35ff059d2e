"""Rulesets given to nft, and what their rules count."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, run, says, veth

RULES = """
table ip lab {
    chain input {
        type filter hook input priority filter
        udp dport 4000 drop
    }
}
"""


@needs_root
def test_firewall(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": RULES}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "udp dport 4000 drop" in run(agent, h1.pid, "nft list ruleset")
    assert run(agent, h2.pid, "nft list ruleset") == ""
    with pytest.raises(AgentError, match=r"(?s)nft refused the rules.*syntax error"):
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": RULES + "nonsense\n"}])


COUNTING = """\
table inet lab
delete table inet lab
table inet lab {
	chain output {
		type filter hook output priority filter; policy accept;
		ip daddr 127.0.0.1 counter accept comment "1 pings"
		ip6 daddr ::1 counter accept comment "1 pings"
		counter accept comment "default"
	}
}
"""


@needs_root
def test_counters_go_on_when_a_ruleset_is_replaced(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == []
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": COUNTING}])
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        counted = agent.call("rule_counts", pid=h1.pid, table="lab")
        assert counted == [  # the request and its answer, of 84 bytes each
            ["output", "1 pings", 2, 168],
            ["output", "1 pings", 0, 0],
            ["output", "default", 0, 0],
        ]
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": COUNTING}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == counted
        without = COUNTING.replace("1 pings", "2 others")
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": without}])
        assert [row[2] for row in agent.call("rule_counts", pid=h1.pid, table="lab")] == [0, 0, 0]
        assert 'comment "2 others"' in agent.call("ruleset", pid=h1.pid)
