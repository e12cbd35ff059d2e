"""Captures over several machines that run: begun on each, told to end, their output handed on."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from playground.agent.machines.clocks import clocks_ahead
from playground.agent.machines.joined_captures import CapturePart, JoinedCapture
from playground.agent.machines.numbers import (
    global_job,
    local_job,
    machine_of_job,
    with_local_pids,
)
from playground.agent.machines.sharing import Places
from playground.agent.machines.tasks import Steps, raise_first
from playground.agent.protocol import Request

# Jobs of the switchboard's own belong to no machine: those are counted from 1.
_NO_MACHINE = 0


class JoinedCaptures:
    """All of them, by their numbers among the library's jobs."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._captures: dict[int, JoinedCapture] = {}
        self._by_part: dict[int, JoinedCapture] = {}
        self._count = 0
        # While some begin: what jobs that nobody knows yet have said.
        self._beginning = 0
        self._early: dict[int, list[Request]] = {}
        self._first: dict[int, list[Request]] = {}

    def begin(self, arguments: Request) -> Steps:
        """Begin captures on several machines; return the one job that they are together."""
        rows: dict[int, list[int]] = {}
        for number, place in enumerate(arguments["places"]):
            rows.setdefault(self._places.of(place), []).append(number)
        others = [machine for machine in rows if machine != self._places.home]
        ahead_ns = yield from clocks_ahead(others)
        self._beginning += 1
        try:
            answers = yield {
                machine: (
                    "capture",
                    with_local_pids(
                        arguments | {"places": [arguments["places"][n] for n in numbers]}
                    ),
                )
                for machine, numbers in rows.items()
            }
            made = {m: one["job"] for m, one in answers.items() if isinstance(one, dict)}
            if len(made) == len(rows):
                return self._add(rows, made, ahead_ns)
        finally:
            self._beginning -= 1
            if not self._beginning:
                self._early.clear()
        yield {m: ("signal", {"job": job, "signum": signal.SIGKILL}) for m, job in made.items()}
        raise_first(answers)

    def _add(
        self, rows: Mapping[int, list[int]], made: Mapping[int, int], ahead_ns: Mapping[int, int]
    ) -> Request:
        self._count += 1
        number = global_job(_NO_MACHINE, self._count)
        parts = [
            CapturePart(global_job(machine, made[machine]), places, ahead_ns.get(machine, 0))
            for machine, places in rows.items()
        ]
        capture = self._captures[number] = JoinedCapture(number, parts)
        self._by_part |= dict.fromkeys(capture.parts, capture)
        said = [(job, message) for job in capture.parts for message in self._early.pop(job, ())]
        self._first[number] = [
            event for job, message in said for event in self.hear(job, message) or ()
        ]
        return {"job": number, "pid": 0}

    def first_events(self, number: int) -> list[Request]:
        """Return what came of a capture's parts before the library knew its number."""
        return self._first.pop(number, [])

    def hear(self, job: int, message: Request) -> list[Request] | None:
        """Return the events that come of one of a machine's; None: it is no part of a capture."""
        capture = self._by_part.get(job)
        if capture is None:
            if self._beginning:
                self._early.setdefault(job, []).append(message)
            return None
        events = capture.hear(job, message)
        if message["event"] == "exit":
            del self._by_part[job]
            if capture.over:
                del self._captures[capture.number]
        return events

    def lose(self, machine: int) -> list[Request]:
        """End the parts on a machine that is lost; return the events that come of it."""
        gone = {"event": "exit", "returncode": -signal.SIGKILL}
        parts = [job for job in self._by_part if machine_of_job(job) == machine]
        return [event for job in parts for event in self.hear(job, gone) or ()]

    def ask(self, op: str, arguments: Request) -> Steps | None:
        """Return the steps of a request about a capture's job; None: it is of another job."""
        if machine_of_job(arguments.get("job", -1)) != _NO_MACHINE:
            return None
        return self._asked(op, arguments)

    def _asked(self, op: str, arguments: Request) -> Steps:
        capture = self._captures.get(arguments["job"])
        running = [] if capture is None else [p.job for p in capture.parts.values() if not p.over]
        told: dict[int, dict[str, Any]] = {job: {"job": local_job(job)} for job in running}
        if op == "credit":
            taken = capture.credit(arguments["bytes"]) if capture is not None else {}
            told = {job: told[job] | {"bytes": count} for job, count in taken.items()}
        elif op == "signal":
            told = {job: row | {"signum": arguments["signum"]} for job, row in told.items()}
        else:  # it reads nothing, and has no terminal
            told = {}
        yield {machine_of_job(job): (op, row) for job, row in told.items()}
        return None
