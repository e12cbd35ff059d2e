"""One packet watched on all machines of a lab: sent from one of them, looked for on each."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from playground.agent.machines.clocks import clocks_ahead
from playground.agent.machines.numbers import machine_of, with_local_pids
from playground.agent.machines.tasks import Steps, raise_first
from playground.agent.protocol import Request

# In place of a process: the agent's own network, where ports of switches are, on each machine.
_OWN = None


def watched_on(watch: Sequence[int | None], machines: Collection[int]) -> dict[int, list[int]]:
    """Return which places each machine watches, by their number in ``watch``.

    >>> watched_on([None, 1 << 22 | 7, 2 << 22 | 7], [1, 2])
    {1: [0, 1], 2: [0, 2]}

    """
    places: dict[int, list[int]] = {machine: [] for machine in machines}
    for number, pid in enumerate(watch):
        for machine in machines if pid is _OWN else [machine_of(pid)]:
            places.setdefault(machine, []).append(number)
    return {machine: numbers for machine, numbers in places.items() if numbers}


def probe(arguments: Request, machines: Collection[int], home: int) -> Steps:
    """Send a packet from its machine, watched on all ``machines``; return what all have seen."""
    watch = arguments["watch"]
    places = watched_on(watch, machines)
    sender = machine_of(arguments["pid"])
    others = [machine for machine in places if machine != sender]

    def here(machine: int) -> list[int | None]:
        found: list[int | None] = with_local_pids(
            {"watch": [watch[number] for number in places.get(machine, ())]}
        )["watch"]
        return found

    ahead_ns = yield from clocks_ahead(machine for machine in places if machine != home)
    protocol = arguments["protocol"]
    opening = protocol == socket.IPPROTO_TCP and arguments.get("packet") is None
    watchers = yield {
        machine: (
            "watch_packets",
            {"watch": here(machine), "protocol": protocol, "opening": opening},
        )
        for machine in others
    }
    begun = {machine: one for machine, one in watchers.items() if isinstance(one, int)}
    answers = {}
    if len(begun) == len(others):
        asked = with_local_pids(arguments) | {"watch": here(sender)}
        answers = yield {sender: ("probe", asked)}
    answers |= yield {
        machine: ("packets_watched", {"watcher": number}) for machine, number in begun.items()
    }
    raise_first(watchers)
    raise_first(answers)
    return joined(answers, places, sender, ahead_ns, len(watch))


def joined(
    answers: Mapping[int, Any],
    places: Mapping[int, Sequence[int]],
    sender: int,
    ahead_ns: Mapping[int, int],
    count: int,
) -> Request:
    """Return what all machines have seen, by the one clock, as if it were of one machine."""
    frames: list[list[Any]] = []
    traces: list[Request] = []
    counted: list[dict[str, int]] = [{} for _ in range(count)]
    for machine, seen in answers.items():
        numbers = places.get(machine, ())
        ahead_s = ahead_ns.get(machine, 0) / 1e9
        for place, interface, kind, at_s, data in seen["frames"]:
            frames.append([numbers[place], interface, kind, at_s - ahead_s, data])
        traces += [row | {"watch": numbers[row["watch"]]} for row in seen["traces"]]
        for number, moved in zip(numbers, seen["counted"], strict=True):
            for name, value in moved.items():
                counted[number][name] = counted[number].get(name, 0) + value
    return {
        "outcome": answers[sender]["outcome"],
        "frames": frames,
        "traces": traces,
        "counted": counted,
    }
