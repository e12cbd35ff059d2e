"""Rulesets given to nft, and what their rules count."""

from __future__ import annotations

import zlib
from typing import Any

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
    agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": [RULES]}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "udp dport 4000 drop" in run(agent, h1.pid, "nft list ruleset")
    assert run(agent, h2.pid, "nft list ruleset") == ""
    with pytest.raises(AgentError, match=r"(?s)nft refused the rules.*syntax error"):
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": [RULES, "nonsense\n"]}])


def counting(first: str) -> dict[str, Any]:
    """Return what loads three rules of the table lab, which count."""
    ruleset = [
        "table inet lab\ndelete table inet lab\ntable inet lab {\n\tchain output {\n"
        "type filter hook output priority filter; policy accept;\nip daddr 127.0.0.1 ",
        ["output", first],
        f' accept comment "{first}"\nip6 daddr ::1 ',
        ["output", first],
        f' accept comment "{first}"\n',
        ["output", "default"],
        ' accept comment "default"\n}\n}\n',
    ]
    return {"ruleset": ruleset, "table": "lab"}


@needs_root
def test_counters_go_on_when_a_ruleset_is_replaced(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == []
        agent.call("firewall", nodes=[{"pid": h1.pid, **counting("1 counter")}])
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        counted = agent.call("rule_counts", pid=h1.pid, table="lab")
        assert counted == [  # the request and its answer, of 84 bytes each
            ["output", "1 counter", 2, 168],
            ["output", "1 counter", 0, 0],
            ["output", "default", 0, 0],
        ]
        agent.call("firewall", nodes=[{"pid": h1.pid, **counting("1 counter")}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == counted
        agent.call("firewall", nodes=[{"pid": h1.pid, **counting("2 others")}])
        assert [row[2] for row in agent.call("rule_counts", pid=h1.pid, table="lab")] == [0, 0, 0]
        assert 'comment "2 others"' in agent.call("ruleset", pid=h1.pid)


def checksum(*comments: str) -> int:
    return zlib.crc32("\n".join(comments).encode())


@needs_root
def test_a_few_rules_are_edited_where_those_are_there_that_are_known(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        assert agent.call("firewall", nodes=[{"pid": h1.pid, **counting("1 counter")}]) == []
        run(agent, h1.pid, "ping -c 1 127.0.0.1")

        def edit(known: int, remove: list[str], insert: list[tuple[str | None, str]]) -> Any:
            said = {
                "translations": "",
                "known": {"output": known},
                "remove": [["output", comment] for comment in remove],
                "insert": [["output", *item] for item in insert],
            }
            return agent.call("firewall", nodes=[{"pid": h1.pid, "edit": said, "table": "lab"}])

        def there() -> list[list[Any]]:
            return [row[1:3] for row in agent.call("rule_counts", pid=h1.pid, table="lab")]

        loaded = checksum("1 counter", "1 counter", "default")
        new = [("default", 'counter comment "2"'), ("default", 'counter comment "longer 3"')]
        assert edit(loaded, [], [*new, (None, 'counter comment "4"')]) == []
        assert there() == [
            ["1 counter", 2],
            ["1 counter", 0],
            ["2", 0],
            ["longer 3", 0],
            ["default", 0],
            ["4", 0],
        ]
        # Others are there than those that were loaded first.
        before = there()
        assert edit(loaded, ["default"], []) == [h1.pid]
        assert there() == before
        now = checksum(*(comment for comment, _ in before))
        assert edit(now, ["1 counter", "longer 3"], []) == []
        assert [comment for comment, _ in there()] == ["2", "default", "4"]
        with pytest.raises(AgentError, match=r"(?s)nft refused the rules.*syntax error"):
            edit(checksum("2", "default", "4"), ["2"], [(None, "nonsense")])
        assert [comment for comment, _ in there()] == ["2", "default", "4"]
