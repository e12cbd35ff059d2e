"""Limits of the kernel that a lab meets, and the sentence where the machine has less."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.engines import kernel_limits
from playground.engines.kernel_limits import KernelCapacity, check, read_capacity, refusals
from playground.errors import EngineError
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

ARP = "net.ipv4.neigh.default.gc_thresh3"
NDP = "net.ipv6.neigh.default.gc_thresh3"


def star(count: int, *, router: bool = True, ipv6: bool = False) -> Plan:
    switch = Switch("switch", subnet="10.0.0.0/16")
    if router:
        Link(switch, Router("router"))
    for number in range(count):
        Link(switch, Host(f"h{number}"))
    return make_plan([switch], ipv6=ipv6)


def needs(plan: Plan) -> dict[str, int]:
    return {limit.setting: limit.need(plan) for limit in kernel_limits.KERNEL_LIMITS}


def test_each_host_and_its_router_know_each_other() -> None:
    assert needs(star(600))[ARP] == 1200
    assert needs(star(600))[NDP] == 0
    assert needs(star(600, ipv6=True))[NDP] == 1200


def test_without_a_router_each_host_knows_one_other() -> None:
    assert needs(star(600, router=False))[ARP] == 600


def test_a_router_takes_entries_for_those_it_sends_through() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    Link(b, c)
    # a sends to b for c's network, and c to b for a's.
    assert needs(make_plan([a]))[ARP] == 4


def test_services_take_processes() -> None:
    plain = needs(make_plan([Host("h1")]))["kernel.pid_max"]
    mail = needs(make_plan([Host("h1", services=["smtp", "imap"])]))
    assert mail["kernel.pid_max"] > plain + 10
    assert mail["fs.inotify.max_user_instances"] == 1


def test_every_host_has_namespaces_and_so_has_the_lab() -> None:
    assert needs(star(9, router=False))["user.max_net_namespaces"] == 10


def test_the_sentence_says_what_to_raise_and_to_what() -> None:
    assert refusals(star(600), KernelCapacity({ARP: 1024}, {ARP: 7})) == [
        "this lab needs at least 1,200 entries of the kernel's table of IPv4 neighbours, and this "
        "machine allows 1,024, of which 7 are in use: let root run "
        "`sysctl -w net.ipv4.neigh.default.gc_thresh3=2048`"
    ]


def test_there_is_room_up_to_the_last_one() -> None:
    plan = star(9, router=False)
    assert refusals(plan, KernelCapacity({"user.max_net_namespaces": 10}, {})) == []
    assert refusals(plan, KernelCapacity({"user.max_net_namespaces": 9}, {})) != []


def test_what_cannot_be_read_refuses_nothing(tmp_path: Path) -> None:
    assert read_capacity(tmp_path) == KernelCapacity({}, {})
    assert refusals(star(600), KernelCapacity({}, {})) == []


def test_the_machine_is_read_from_proc(tmp_path: Path) -> None:
    for name, text in {
        "sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
        "sys/kernel/pid_max": "32768\n",
        "loadavg": "0.00 0.01 0.05 2/345 6789\n",
        "net/stat/arp_cache": "entries  allocs\n0000001f 00000022\n0000001f 00000009\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    machine = read_capacity(tmp_path)
    assert machine.allowed == {ARP: 1024, "kernel.pid_max": 32768}
    assert machine.used[ARP] == 31
    assert machine.used["kernel.pid_max"] == 345


def test_all_that_is_wanting_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = KernelCapacity({ARP: 10, "kernel.pid_max": 20}, {})
    monkeypatch.setattr(kernel_limits, "read_capacity", lambda: machine)
    with pytest.raises(EngineError, match=r"neighbours[^\n]*\n[^\n]* processes"):
        check(star(30))


def test_a_small_lab_has_room_here() -> None:
    check(star(3))
