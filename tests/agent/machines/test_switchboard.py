"""The switchboard: to the library one agent, behind it several machines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from playground.agent.machines.switchboard import Switchboard, first_line, whole_lines
from playground.errors import AgentError, BadArgument
from playground.model.impairment import Impairment
from playground.operations.captures.capture import Capture
from playground.operations.captures.frames import CapturePoint, Directory
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, run, says, veth, wait_for
from tests.support_machines import M1, M2, AgentsHere, board, on


@dataclass
class TwoMachines:
    """A switchboard over two machines, a node on each, and the client that speaks with it."""

    servers: AgentsHere
    client: Client
    board: Switchboard
    h1: Namespaces
    h2: Namespaces

    @property
    def pids(self) -> tuple[int, int]:
        return on(M1, self.h1), on(M2, self.h2)

    def link(self) -> None:
        """Make a link from the one to the other, with addresses."""
        ends = [end(pid, "eth0") for pid in self.pids]
        self.client.call("wire", bridges=[], veths=[veth(*ends)])
        rows = [node(pid, f"10.0.0.{number}/24") for number, pid in enumerate(self.pids, 1)]
        self.client.call("network", nodes=rows)

    def carriers(self) -> list[bool]:
        rows = self.client.call("interfaces", ends=[end(pid, "eth0") for pid in self.pids])
        return [row["up"] and row["carrier"] for row in rows]


@pytest.fixture(scope="module")
def underlays() -> Iterator[tuple[Namespaces, Namespaces]]:
    """The networks of two machines, on a cable."""
    from tests.support_agent import connect

    with Namespaces("m1") as m1, Namespaces("m2") as m2, connect() as agent:
        agent.call("wire", bridges=[], veths=[veth(end(m1.pid, "eth0"), end(m2.pid, "eth0"))])
        rows = [node(m.pid, f"198.18.0.{number}/24") for number, m in enumerate((m1, m2), 1)]
        agent.call("network", nodes=rows)
        yield m1, m2


@pytest.fixture
def two(
    underlays: tuple[Namespaces, Namespaces], nodes: tuple[Namespaces, Namespaces]
) -> Iterator[TwoMachines]:
    with ExitStack() as stack:
        servers = stack.enter_context(closing(AgentsHere(underlays)))
        client, made = stack.enter_context(board(servers))
        yield TwoMachines(servers, client, made, *nodes)


@needs_root
def test_it_greets_as_an_agent_and_answers_as_one(two: TwoMachines) -> None:
    assert two.client.call("echo", value=[1, 2]) == [1, 2]
    assert two.client.call("hash_passwords", passwords=["a"])[0].startswith("$6$")


@needs_root
def test_an_agent_is_started_where_the_first_node_of_a_machine_is(two: TwoMachines) -> None:
    assert set(two.servers.processes) == {"m1"}
    assert two.client.call("own", pids=list(two.pids)) == []
    assert set(two.servers.processes) == {"m1", "m2"}


@needs_root
def test_a_command_runs_on_its_own_machine(two: TwoMachines) -> None:
    one, other = two.pids
    assert run(two.client, other, "hostname") == run(two.client, one, "hostname").replace("1", "2")
    process = two.client.spawn(other, ["cat"], stdin=True)
    assert process.communicate(b"over two machines", timeout_s=20)[0] == b"over two machines"


@needs_root
def test_a_link_leads_from_one_machine_to_the_other(two: TwoMachines) -> None:
    two.link()
    assert says(two.h2, two.h1, "10.0.0.2") == b"hello"
    assert two.carriers() == [True, True]
    [told] = two.servers.told
    assert (told["do"], told["lab"], told["peers"]) == (
        *("admit", "lab-1"),
        ["198.18.0.1", "198.18.0.2"],
    )


@needs_root
def test_what_a_kernel_lacks_is_told_with_the_machine(two: TwoMachines) -> None:
    two.link()
    trials = [("link", "veth"), ("link", "nowhere")]
    has, lacks = two.client.call("kernel_lacks", trials=trials)
    assert (has, lacks["machines"]) == (None, ["m1", "m2"])


@needs_root
def test_a_switch_has_ports_on_both(two: TwoMachines) -> None:
    one, other = two.pids
    two.client.call(
        "wire",
        bridges=[{"device": "sw1", "machine": "m2"}],
        veths=[
            veth(end(None, "q1.0", "sw1"), end(one, "eth0")),
            veth(end(None, "q1.1", "sw1"), end(other, "eth0")),
        ],
    )
    rows = [node(pid, f"10.0.0.{number}/24") for number, pid in enumerate(two.pids, 1)]
    two.client.call("network", nodes=rows)
    assert says(two.h2, two.h1, "10.0.0.2") == b"hello"
    learned = {row["port"] for row in two.client.call("learned", device="sw1")}
    assert learned == {"q1.0", "q1.1"}
    [switch] = two.client.call("switches", devices=["sw1"])
    assert [row["state"] for row in switch["ports"]] == ["forwarding"] * 2
    # Where the port is set down, the host on the other machine loses its carrier.
    two.client.call("link", ends=[end(None, "q1.0", "sw1")], up=False)
    assert two.carriers() == [False, True]
    two.client.call("link", ends=[end(None, "q1.0", "sw1")], up=True)
    assert two.carriers() == [True, True]


@needs_root
def test_who_pulls_the_cable_out_at_one_end_takes_the_carrier_of_the_other(
    two: TwoMachines,
) -> None:
    two.link()
    # On the node itself: no request of the library's.
    with two.h1.network():
        os.system("ip link set eth0 down")
    wait_for(lambda: two.carriers() == [False, False])
    with two.h1.network():
        os.system("ip link set eth0 up")
    wait_for(lambda: two.carriers() == [True, True])


@needs_root
def test_a_link_is_unwired_at_both_ends(two: TwoMachines) -> None:
    two.link()
    two.client.call("unwire", veths=[end(pid, "eth0") for pid in two.pids])
    for pid in two.pids:
        assert "eth0" not in run(two.client, pid, "ip -br link")
    for number in (M1, M2):
        line = two.board._servers.machines[number].line
        assert line is not None
    two.link()
    assert says(two.h2, two.h1, "10.0.0.2") == b"hello"


def names_below(process: subprocess.Popen[bytes]) -> list[str]:
    """Return the interfaces of the namespace that an agent works in."""
    rows = Path(f"/proc/{process.pid}/net/dev").read_text().splitlines()[2:]
    return [row.split(":")[0].strip() for row in rows]


@needs_root
def test_a_link_that_others_made_takes_its_tunnel_along(two: TwoMachines) -> None:
    two.link()
    agents = two.servers.processes.values()
    assert all(any(re.match("v[0-9a-f]{6}", name) for name in names_below(a)) for a in agents)
    two.board.crossing._tunnels.clear()  # as one has it that came later
    two.client.call("unwire", veths=[end(two.pids[0], "eth0")])
    assert not [name for agent in agents for name in names_below(agent) if name[0] in "xv"]
    assert two.board.crossing.crossed.links == {}


@needs_root
def test_what_a_failing_request_made_is_gone_on_all_machines(two: TwoMachines) -> None:
    one, other = two.pids
    with pytest.raises(AgentError, match=rf"in the node of pid {other}"):
        two.client.call(
            "wire",
            bridges=[],
            veths=[
                veth(end(one, "eth0"), end(other, "eth0")),
                veth(end(one, "eth1"), end(other, "eth0")),
            ],
        )
    for pid in two.pids:
        assert "eth" not in run(two.client, pid, "ip -br link")


@needs_root
def test_a_port_that_another_lab_has_is_passed_over(two: TwoMachines) -> None:
    two.servers.taken = set(range(20_000, 59_990))
    with pytest.raises(AgentError, match="no port is free for the tunnels"):
        two.client.call("wire", bridges=[], veths=[veth(*(end(pid, "eth0") for pid in two.pids))])


@needs_root
def test_a_machine_that_is_lost_is_named_and_the_other_goes_on(two: TwoMachines) -> None:
    one, other = two.pids
    two.client.call("own", pids=[one, other])
    sleeping = two.client.spawn(other, ["sleep", "600"])
    two.servers.processes["m2"].kill()
    assert sleeping.wait(20) == -signal.SIGKILL
    with pytest.raises(AgentError, match="the machine m2 is gone, or cut off from the swarm"):
        for _ in range(50):
            two.client.call("hostname_of", pid=other)
    assert two.client.call("hostname_of", pid=one)


@needs_root
def test_what_a_lost_machine_was_linked_to_is_let_go_of_and_linked_anew(two: TwoMachines) -> None:
    one, other = two.pids
    two.link()
    two.client.call("own", pids=[one, other])
    assert two.client.call("silent_machines", machines=["m1", "m2", "m3"]) == ["m3"]
    two.servers.processes["m2"].kill()
    assert two.client.call("silent_machines", machines=["m1", "m2"]) == ["m2"]
    two.client.call("unwire", veths=[end(one, "eth0")])
    assert "eth0" not in run(two.client, one, "ip -br link")
    assert two.board.crossing.crossed.links == {}
    two.client.call("wire", bridges=[], veths=[veth(end(one, "eth0"), end(one, "eth1"))])
    assert "eth0@eth1" in run(two.client, one, "ip -br link")


@needs_root
def test_an_impairment_that_one_machine_refuses_is_none_on_the_other(two: TwoMachines) -> None:
    two.link()
    one, other = two.pids
    run(two.client, one, "tc qdisc replace dev eth0 root tbf rate 1mbit burst 3000 limit 30000")
    slow = Impairment(rate_mbit=5).request(1500)
    rows = [
        {"pid": pid, "interface": "eth0", "watch": None, "impairment": slow, "before": None}
        for pid in (one, other)
    ]
    with pytest.raises(AgentError, match=rf"in the node of pid {one}: eth0 has a queue"):
        two.client.call("impair", directions=rows)
    ends = [end(pid, "eth0") for pid in (one, other)]
    assert [bool(row["by"]) for row in two.client.call("impaired", ends=ends)][1] is False


@needs_root
def test_both_ends_of_a_link_are_captured_as_one(two: TwoMachines) -> None:
    two.link()
    rows = [
        (CapturePoint(f"h{number}", "eth0"), end(pid, "eth0"))
        for number, pid in enumerate(two.pids, 1)
    ]
    with Capture(two.client, rows, Directory, filter="icmp") as packets:
        run(two.client, two.pids[0], "ping -c 2 -i 0.2 10.0.0.2")
    # Each on its way out, then in, and back.
    assert [packet.where for packet in packets] == [f"h{n}/eth0" for n in (1, 2, 2, 1)] * 2
    with (
        pytest.raises(BadArgument, match="the filter 'tpc' is not one"),
        Capture(two.client, rows, Directory, filter="tpc"),
    ):
        pass


@needs_root
def test_a_packet_is_followed_from_one_machine_to_the_other(two: TwoMachines) -> None:
    two.link()
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }; }"
    two.client.call("firewall", nodes=[{"pid": two.pids[1], "ruleset": [rules]}])
    asked = {"pid": two.pids[0], "watch": [None, *two.pids], "destination": "10.0.0.2"}
    seen = two.client.call("probe", **asked, protocol=1, port=None, payload="")
    assert seen["outcome"]["answered"]
    assert {(1, "eth0"), (2, "eth0")} <= {(place, name) for place, name, *_ in seen["frames"]}
    lost = two.client.call("probe", **asked, protocol=6, port=80, payload="")
    assert not lost["outcome"]["answered"]
    assert (2, "c", 0) in {(row["watch"], row["chain"], row["verdict"]) for row in lost["traces"]}


@needs_root
def test_what_cannot_be_done_over_machines_is_refused_in_a_sentence(two: TwoMachines) -> None:
    where = {"boot_id": "", "pid": 1, "pid_namespace": 1, "descriptor": 0}
    assert "cannot leave the kernel" in two.client.call("socket_line", **where)


def test_lines_come_whole_however_they_are_cut() -> None:
    rest: list[bytes] = []
    found = [
        line for part in (b'{"a"', b": 1}\n\n{", b'}\n{"b"') for line in whole_lines(rest, part)
    ]
    assert found == [b'{"a": 1}', b"{}"]
    assert b"".join(rest) == b'{"b"'


def test_the_first_line_is_read_and_no_more() -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"lab": "x"}\n{"id": 1}\n')
    assert first_line(reader) == {"lab": "x"}
    assert os.read(reader, 100) == b'{"id": 1}\n'
    os.close(writer)
    assert first_line(reader) is None
    os.close(reader)
