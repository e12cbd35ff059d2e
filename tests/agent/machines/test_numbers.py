"""Numbers that are one of a kind among all machines."""

from __future__ import annotations

from playground.agent.machines.numbers import (
    global_job,
    global_pid,
    local_job,
    local_pid,
    machine_number,
    machine_of,
    machine_of_job,
    with_global_pids,
    with_local_pids,
)

M1 = machine_number("ob781i31ec1bfrbowc61hz6iq")
M2 = machine_number("shc0qiid023fkmx8cv45rlwg4")


def test_a_number_holds_a_machine_and_a_process() -> None:
    number = global_pid(M1, 4711)
    assert (machine_of(number), local_pid(number)) == (M1, 4711)
    assert global_pid(M1, 4711) != global_pid(M2, 4711)


def test_the_largest_process_id_of_linux_fits() -> None:
    assert local_pid(global_pid(M2, (1 << 22) - 1)) == (1 << 22) - 1


def test_a_bare_process_id_is_of_no_machine() -> None:
    assert machine_of(4711) == 0


def test_numbers_pass_through_json_of_any_language() -> None:
    largest = global_pid(machine_number("zzzzzzzzzzzzzzzzzzzzzzzzz"), (1 << 22) - 1)
    assert largest < 1 << 54


def test_jobs_are_numbered_alike() -> None:
    job = global_job(M2, 3)
    assert (machine_of_job(job), local_job(job)) == (M2, 3)


def test_arguments_become_those_of_one_machine() -> None:
    pid = global_pid(M1, 7)
    arguments = {
        "nodes": [{"pid": pid, "interfaces": [{"name": "eth0"}]}],
        "pids": [pid],
        "watch": pid,
        "servers": [pid],
        "port": 80,
        "ends": [{"pid": None, "interface": "q1.0"}],
    }
    assert with_local_pids(arguments) == {
        "nodes": [{"pid": 7, "interfaces": [{"name": "eth0"}]}],
        "pids": [7],
        "watch": 7,
        "servers": [7],
        "port": 80,
        "ends": [{"pid": None, "interface": "q1.0"}],
    }


def test_an_error_names_processes_by_their_numbers() -> None:
    text = with_global_pids("eth0 in the node of pid 12: gone, 12 times", M1)
    assert text == f"eth0 in the node of pid {global_pid(M1, 12)}: gone, 12 times"
