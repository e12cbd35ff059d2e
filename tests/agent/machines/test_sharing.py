"""Requests shared out among machines, and answers put together."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from playground.agent.machines.numbers import global_job, global_pid
from playground.agent.machines.sharing import LISTS, Places, lists_of, put_together, share
from playground.agent.operations import OPS, WORK

HOME, FAR = 5, 9
H1, H2, H3 = global_pid(HOME, 11), global_pid(FAR, 12), global_pid(HOME, 13)


@pytest.fixture
def places() -> Places:
    found = Places(HOME)
    found.interfaces |= {"sw1": FAR, "q1.0": FAR, "sw2": HOME}
    return found


def answer(op: str, arguments: dict[str, Any], places: Places, reply: Any) -> Any:
    """Share a request out, let each machine answer by a function, put the answers together."""
    shares = share(op, arguments, places)
    return put_together(op, arguments, places, {m: reply(m, part) for m, part in shares.items()})


# Arguments by which an operation is of several nodes at once.
OF_SEVERAL = {
    *("pids", "nodes", "ends", "interfaces", "questions", "checks", "directions", "clients"),
    *("bridges", "devices", "places", "veths"),
}
# They are taken care of by themselves: `machines.crossing`, `machines.switchboard`.
ELSEWHERE = {"wire", "probe"}


def test_an_operation_on_several_nodes_is_shared_out() -> None:
    assert set(LISTS) <= OPS.keys() | WORK.keys()
    of_several = {
        name
        for name, function in WORK.items()
        if OF_SEVERAL & set(inspect.signature(function).parameters)
    }
    assert of_several - LISTS.keys() - ELSEWHERE == set()


def test_what_concerns_one_process_goes_to_its_machine(places: Places) -> None:
    assert share("ruleset", {"pid": H2}, places) == {FAR: {"pid": 12}}
    assert share("processes", {"pid": H1}, places) == {HOME: {"pid": 11}}


def test_what_concerns_a_switch_goes_to_the_machine_that_has_it(places: Places) -> None:
    assert share("learned", {"device": "sw1"}, places) == {FAR: {"device": "sw1"}}
    rows = [{"device": "sw1"}, {"device": "sw2"}]
    assert share("switch", {"bridges": rows}, places) == {
        FAR: {"bridges": rows[:1]},
        HOME: {"bridges": rows[1:]},
    }


def test_what_concerns_neither_goes_home(places: Places) -> None:
    assert share("echo", {"value": 5}, places) == {HOME: {"value": 5}}
    assert share("state_load", {"wait_s": 1}, places) == {HOME: {"wait_s": 1}}


def test_a_job_is_asked_for_where_it_runs(places: Places) -> None:
    job = global_job(FAR, 3)
    assert share("signal", {"job": job, "signum": 15}, places) == {FAR: {"job": 3, "signum": 15}}


def test_answers_come_in_the_order_asked(places: Places) -> None:
    def reply(machine: int, part: dict[str, Any]) -> list[str]:
        return [f"{machine}:{pid}" for pid in part["pids"]]

    found = answer("routes", {"pids": [H1, H2, H3]}, places, reply)
    assert found == ["5:11", "9:12", "5:13"]


def test_ends_in_the_lab_s_own_namespace_are_found_by_name(places: Places) -> None:
    ends = [
        {"pid": None, "interface": "q1.0", "bridge": "sw1"},
        {"pid": H1, "interface": "eth0", "bridge": None},
    ]
    found = answer("interfaces", {"ends": ends}, places, lambda m, part: [m] * len(part["ends"]))
    assert found == [FAR, HOME]


def test_a_list_without_items_is_asked_of_one(places: Places) -> None:
    assert share("routes", {"pids": []}, places) == {HOME: {"pids": []}}
    assert answer("routes", {"pids": []}, places, lambda m, part: []) == []


def test_processes_that_ended_come_back_by_their_numbers(places: Places) -> None:
    found = answer("own", {"pids": [H1, H2]}, places, lambda m, part: part["pids"])
    assert found == [H1, H2]


def test_lists_of_complaints_are_joined(places: Places) -> None:
    checks = [{"pid": H1, "port": 80}, {"pid": H2, "port": 25}]
    found = answer(
        "wait_ready",
        {"checks": checks, "timeout_s": 3},
        places,
        lambda m, part: [{"port": c["port"]} for c in part["checks"]],
    )
    assert sorted(row["port"] for row in found) == [25, 80]


def test_switches_come_in_the_order_asked(places: Places) -> None:
    found = answer(
        "switches",
        {"devices": ["sw1", "sw2"]},
        places,
        lambda m, part: [{"device": device} for device in part["devices"]],
    )
    assert [row["device"] for row in found] == ["sw1", "sw2"]


def test_a_sample_of_two_machines_is_one(places: Places) -> None:
    arguments = {"ends": [{"pid": H2, "interface": "eth0"}], "pids": [H1]}
    found = answer(
        "sample",
        arguments,
        places,
        lambda m, part: {"time_s": m, "interfaces": part["ends"], "connections": part["pids"]},
    )
    assert found["interfaces"] == [{"pid": 12, "interface": "eth0"}]
    assert found["connections"] == [11]


def test_an_impairment_is_watched_by_a_process_of_its_own_machine(places: Places) -> None:
    row = {"pid": H1, "interface": "eth0", "watch": H2, "impairment": {"rate_mbit": 1}}
    [part] = share("impair", {"directions": [row]}, places).values()
    assert part["directions"][0]["watch"] == 11


def test_a_client_waits_for_servers_of_its_own_machine(places: Places) -> None:
    arguments = {"clients": [{"pid": H1, "watch": H1}], "timeout_s": 20, "servers": [H1, H2]}
    assert share("lease", arguments, places)[HOME]["servers"] == [11]


def test_a_spawned_job_and_its_process_get_numbers(places: Places) -> None:
    found = answer(
        "spawn", {"pid": H2, "argv": ["true"]}, places, lambda m, p: {"job": 1, "pid": 8}
    )
    assert found == {"job": global_job(FAR, 1), "pid": global_pid(FAR, 8)}


def test_a_capture_is_a_job_too(places: Places) -> None:
    asked = {"places": [{"pid": H2, "interface": "eth0"}]}
    found = answer("capture", asked, places, lambda m, part: {"job": 1, "pid": 8})
    assert found["job"] == global_job(FAR, 1)


def test_programs_are_asked_for_by_what_is_done(places: Places) -> None:
    assert lists_of("programs", {"do": "log", "pid": H1, "name": "web"}) is None
    states = {"do": "states", "programs": [[H1, "web"], [H2, "db"]]}
    assert share("programs", states, places) == {
        HOME: {"do": "states", "programs": [[11, "web"]]},
        FAR: {"do": "states", "programs": [[12, "db"]]},
    }
    listed = answer(
        "programs",
        {"do": "list", "pids": [H2]},
        places,
        lambda m, part: [{"pid": pid, "request": {"pid": pid}} for pid in part["pids"]],
    )
    assert listed == [{"pid": H2, "request": {"pid": H2}}]


def test_what_goes_with_a_list_goes_to_each_machine(places: Places) -> None:
    arguments = {"nodes": [{"pid": H1, "files": []}, {"pid": H2, "files": []}], "contents": ["aa"]}
    shares = share("furnish", arguments, places)
    assert [part["contents"] for part in shares.values()] == [["aa"], ["aa"]]
