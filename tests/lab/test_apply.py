"""Plans turned into requests; what they do to a machine is tested in test_lab.py."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from playground.examples import coffee_shop_nodes
from playground.lab import apply
from playground.lab.credentials import Credentials
from playground.lab.provision import NodeProvision, provision
from playground.operations.network import Host, Link, Switch
from playground.planning.difference import compare
from playground.planning.planner import make_plan


class Recorder:
    """An agent that notes what it is asked for, and answers what it was given."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, op: str, /, **args: Any) -> Any:
        self.asked.append((op, args))
        return self.answers.get(op)

    def spawn(self, pid: int, argv: Any, **options: Any) -> Any:
        raise AssertionError("nothing is to be run")


def test_a_veth_pair_has_one_end_in_a_node_and_one_in_a_bridge() -> None:
    nodes = coffee_shop_nodes()
    plan = make_plan(nodes)
    pids = {node.name: 100 + number for number, node in enumerate(plan.nodes)}
    agent = Recorder()
    apply.wire(agent, pids, plan, compare(None, plan))
    ((op, args),) = agent.asked
    assert op == "wire"
    assert args["bridges"] == [{"device": plan.switches[0].device}]
    ends = {(end["pid"], end["bridge"]) for pair in args["veths"] for end in (pair["a"], pair["b"])}
    assert (None, plan.switches[0].device) in ends
    assert {pid for pid, _ in ends if pid is not None} == set(pids.values())


def test_nothing_is_sent_where_nothing_changes() -> None:
    plan = make_plan(coffee_shop_nodes())
    agent = Recorder()
    apply.wire(agent, {}, plan, compare(plan, plan))
    apply.configure(agent, {}, compare(plan, plan).inside)
    provisions = provision(plan, credentials := Credentials.make())
    pids = {node.name: 1 for node in plan.nodes}
    apply.furnish(agent, pids, provisions, provision(plan, credentials), {})
    assert apply.start_programs(agent, pids, provisions, provisions) == []
    assert agent.asked == []


def test_what_somebody_wrote_into_etc_hosts_stays_when_the_lab_grows() -> None:
    """The agent is told what the lab wrote before, once for all nodes, and asked nothing."""
    nodes = coffee_shop_nodes()
    credentials = Credentials.make()
    plan = make_plan(nodes)
    before = provision(plan, credentials)
    Link(nodes[0], Host("h3"))
    wanted = provision(make_plan(nodes, previous=plan), credentials)
    old, new = (
        next(file.content for file in nodes["h1"].files if file.path == "/etc/hosts")
        for nodes in (before, wanted)
    )
    agent = Recorder()
    pids = dict.fromkeys(before, 1)
    apply.furnish(agent, pids, {"h1": wanted["h1"]}, before, {})
    ((op, written),) = agent.asked
    assert op == "furnish"
    contents = [base64.b64decode(content) for content in written["contents"]]
    [entry] = [file for file in written["nodes"][0]["files"] if file["path"] == "/etc/hosts"]
    assert (contents[entry["old"]], contents[entry["content"]]) == (old, new)
    assert all("old" not in file for file in written["nodes"][0]["files"] if file is not entry)


def test_a_text_that_many_nodes_have_is_sent_once() -> None:
    lan = Switch("lan")
    for number in range(40):
        Link(lan, Host(f"h{number}"))
    wanted = provision(make_plan([lan]), Credentials.make())
    agent = Recorder()
    apply.furnish(
        agent, dict.fromkeys(wanted, 1), wanted, {}, dict.fromkeys(_passwords(wanted), "x")
    )
    for op, args in agent.asked:
        if op == "furnish":
            contents = [base64.b64decode(content) for content in args["contents"]]
            assert len(set(contents)) == len(contents)
            assert len([content for content in contents if b".40 h39\n" in content]) == 1


def _passwords(nodes: Mapping[str, NodeProvision]) -> set[str]:
    return {user.password for node in nodes.values() for user in node.users}
