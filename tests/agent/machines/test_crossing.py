"""Links that cross machines, step by step: what each machine is asked."""

from __future__ import annotations

from typing import Any

import pytest

from playground.agent.machines.crossing import Crossing
from playground.agent.machines.machine_lines import MachineLine, MachineServers
from playground.agent.machines.numbers import global_pid
from playground.agent.machines.sharing import Places
from playground.agent.machines.tasks import Steps
from playground.agent.protocol import Request
from tests.support_machines import IDS, M1, M2


class Silent(MachineServers):
    """Two machines of which nobody is asked over a line."""

    def __init__(self) -> None:
        super().__init__("playground", None)
        self.told: list[Request] = []
        for number, name in enumerate(IDS, 1):
            address = f"198.18.0.{number}"
            greeting = {"name": f"m{number}", "id": name, "address": address, "underlay": number}
            machine = MachineLine(greeting)
            self.machines[machine.number] = machine

    def tell(self, machines: Any, request: Request) -> None:
        self.told.append(request)


def walk(steps: Steps, **answers: Any) -> list[tuple[int, str, Request]]:
    """Answer each question by its operation, null where nothing is said; return what was asked."""
    asked: list[tuple[int, str, Request]] = []
    said: Any = None
    while True:
        try:
            wanted = steps.send(said)
        except StopIteration:
            return asked
        asked += [(where, op, arguments) for where, (op, arguments) in wanted.items()]
        said = {where: answers.get(op) for where, (op, _) in wanted.items()}


@pytest.fixture
def crossing() -> Crossing:
    return Crossing("lab-1", Places(M1), Silent())


def link() -> Request:
    ends = [
        {"pid": global_pid(machine, 11), "interface": "eth0", "mac": None, "bridge": None}
        for machine in (M1, M2)
    ]
    return {
        "bridges": [],
        "veths": [{"a": ends[0], "b": ends[1], "mtu_bytes": 1500, "offload": False}],
    }


def test_both_halves_come_first_then_the_tunnel_then_carriers(crossing: Crossing) -> None:
    asked = walk(crossing.wire(link()))
    assert [(where, op) for where, op, _ in asked] == [
        *((M1, "wire"), (M2, "wire")),
        *((M1, "tunnel"), (M2, "tunnel")),
        *((M1, "watch_far_ends"), (M2, "watch_far_ends")),
        *((M1, "far_ends"), (M2, "far_ends")),
    ]
    (_, _, there), (_, _, back) = asked[2:4]
    [one], [other] = there["tunnels"], back["tunnels"]
    assert (one["local"], one["remote"]) == (other["remote"], other["local"])
    same = ("vni", "port", "source_port", "mtu_bytes")
    assert [one[name] for name in same] == [other[name] for name in same]
    assert (there["underlay"], back["underlay"]) == (1, 2)


def test_the_numbers_of_two_labs_differ(crossing: Crossing) -> None:
    other = Crossing("lab-2", Places(M1), Silent())
    first, second = (walk(one.wire(link()))[2][2]["tunnels"][0] for one in (crossing, other))
    # By chance one of 2**24 times 4*10**4 times 4*10**4.
    names = ("vni", "port", "source_port")
    assert [first[name] for name in names] != [second[name] for name in names]


def test_a_second_link_has_the_same_port_and_another_number(crossing: Crossing) -> None:
    [first] = walk(crossing.wire(link()))[2][2]["tunnels"]
    [second] = walk(crossing.wire(link()))[2][2]["tunnels"]
    assert first["port"] == second["port"]
    assert first["vni"] != second["vni"]


def test_what_failed_is_undone_where_it_was_done(crossing: Crossing) -> None:
    steps = crossing.wire(link())
    next(steps)
    asked = steps.send({M1: None, M2: OSError("File exists")})
    assert {where: op for where, (op, _) in asked.items()} == {M1: "untunnel"}
    asked = steps.send({M1: None})
    [(where, (op, arguments))] = asked.items()
    assert (where, op) == (M1, "unwire")
    assert [end["interface"][0] for end in arguments["veths"]] == ["e", "x"]
    with pytest.raises(OSError, match="File exists"):
        steps.send({M1: None})


def test_unwiring_takes_the_tunnel_too(crossing: Crossing) -> None:
    [row] = walk(crossing.wire(link()))[2][2]["tunnels"]
    veth = link()["veths"][0]
    asked = walk(crossing.unwire({"veths": [veth["a"], veth["b"]]}))
    assert [(where, op) for where, op, _ in asked if op == "untunnel"] == [
        *((M1, "untunnel"), (M2, "untunnel"))
    ]
    assert asked[-1][2] == {"vnis": [row["vni"]]}
    assert crossing.crossed.links == {}


def test_who_comes_later_takes_tunnels_of_others_too(crossing: Crossing) -> None:
    for machine in crossing._servers.machines.values():
        machine.line = object()  # type: ignore[assignment]
    walk(crossing.recover(), interface_names=["lo", "x000abc", "x000def"])
    [row] = walk(crossing.wire(link()))[2][2]["tunnels"]
    ours = f"x{row['vni']:06x}"
    end = {"pid": global_pid(M1, 12), "interface": "eth0"}
    asked = walk(crossing.unwire({"veths": [end]}), interface_names=["lo", "x000def"])
    assert [(where, args) for where, op, args in asked if op == "untunnel"] == [
        (M1, {"vnis": [0xABC]}),
        (M2, {"vnis": [0xABC]}),
    ]
    assert set(crossing.crossed.links) == {"x000def", ours}


def test_who_comes_later_finds_ports_and_crossed_links_by_their_names(crossing: Crossing) -> None:
    for machine in crossing._servers.machines.values():
        machine.line = object()  # type: ignore[assignment]
    steps = crossing.recover()
    next(steps)
    asked = steps.send({M1: ["lo", "x000abc", "sw1", "q1.0"], M2: ["lo", "x000abc"]})
    assert set(asked) == {M1, M2}
    assert crossing._places.interfaces["q1.0"] == M1
    assert crossing.crossed.machines() == {M1, M2}


def test_carriers_are_carried_over_for_as_long_as_they_change(crossing: Crossing) -> None:
    walk(crossing.wire(link()))
    [far_end] = crossing.crossed.links
    steps, asked = crossing.carry_over(), []
    up = {"interface": far_end, "up": True, "carrier": True}
    crossing.crossed.hear(M1, up)
    for number in range(20):  # the cable at m2 is pulled out and put in, again and again
        crossing.crossed.hear(M2, up | {"carrier": bool(number % 2)})
        asked += [part[M1][1] for part in [steps.send(None)]]
    assert [part["up"] == [far_end] for part in asked] == [False, True] * 10
    with pytest.raises(StopIteration):
        steps.send(None)
