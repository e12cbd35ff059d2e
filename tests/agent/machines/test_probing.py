"""One packet watched on several machines."""

from __future__ import annotations

from playground.agent.machines.numbers import global_pid
from playground.agent.machines.probing import joined, probe, watched_on

H1, H2, H3 = global_pid(1, 7), global_pid(2, 7), global_pid(2, 8)
ASKED = {
    "pid": H1,
    "watch": [None, H1, H2, H3],
    "protocol": 6,
    "destination": "10.0.0.2",
    "port": 80,
    "payload": "",
}
NOTHING = {"frames": [], "traces": [], "counted": [{}, {}, {}]}


def test_a_machine_watches_its_own_nodes_and_all_their_switches() -> None:
    assert watched_on([None, H1, H2, H3], [1, 2]) == {1: [0, 1], 2: [0, 2, 3]}
    assert watched_on([H1], [1, 2]) == {1: [0]}


def test_others_watch_before_the_packet_is_sent_and_until_all_is_over() -> None:
    steps = probe(ASKED, [1, 2], home=2)
    asked = next(steps)
    while "clock" in str(asked):
        asked = steps.send({1: 0})
    wanted = {"watch": [None, 7, 8], "protocol": 6, "opening": True}
    assert asked == {2: ("watch_packets", wanted)}
    [(machine, (op, arguments))] = steps.send({2: 5}).items()
    assert (machine, op, arguments["watch"], arguments["pid"]) == (1, "probe", [None, 7], 7)
    answer = NOTHING | {"outcome": {"answered": True}, "counted": [{}, {}]}
    assert steps.send({1: answer}) == {2: ("packets_watched", {"watcher": 5})}


def test_nothing_is_sent_where_a_machine_cannot_watch_and_the_others_are_told_to_end() -> None:
    steps = probe(ASKED | {"watch": [H1, H2, global_pid(3, 9)]}, [1, 2, 3], home=1)
    asked = next(steps)
    while "clock" in str(asked):
        asked = steps.send(dict.fromkeys(asked, 0))
    assert steps.send({2: 5, 3: OSError("no process is to be had")}) == {
        2: ("packets_watched", {"watcher": 5})
    }


def test_what_all_have_seen_is_told_by_one_clock() -> None:
    answers = {
        1: {"outcome": {}, "frames": [[1, "eth0", 4, 5.0, "a"]], "traces": [], "counted": [{}, {}]},
        2: {
            "frames": [[0, "q1.0", 0, 1005.5, "b"], [2, "eth0", 0, 1006.0, "c"]],
            "traces": [{"watch": 1, "id": 3}],
            "counted": [{"InDiscards": 1}, {}, {"ListenDrops": 2}],
        },
    }
    places = {1: [0, 1], 2: [0, 2, 3]}
    found = joined(answers, places, 1, {2: 1000 * 10**9}, 4)
    assert found["frames"] == [
        [1, "eth0", 4, 5.0, "a"],
        [0, "q1.0", 0, 5.5, "b"],
        [3, "eth0", 0, 6.0, "c"],
    ]
    assert found["traces"] == [{"watch": 2, "id": 3}]
    assert found["counted"] == [{"InDiscards": 1}, {}, {}, {"ListenDrops": 2}]
