"""`Events`: what happens in a running lab, as it happens, until somebody has heard enough."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

from playground.agent.machines.numbers import global_pid, machine_of
from playground.errors import AgentError, BadArgument, NotReady, PlaygroundError
from playground.lab.life.event_reader import EventReader, Ports
from playground.lab.life.plan_changes import PlanData
from playground.model.arguments import check_seconds, is_choice, shown, tells_wrong_calls
from playground.operations.connection.client import AgentProcess, Client
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.operations.life.events import KINDS, Event, LostEvent, NodeEvent
from playground.planning.plan import NodePlan

# So many wait for who is slow to take them; of more, the oldest go.
MOST_WAITING = 10_000
# Neighbours are asked for after a route or a link has changed, and now and then; less often where
# asking takes more than a fifth of the time.
_ASK_SOON_S, _ASK_AGAIN_S, _SHARE = 0.3, 3.0, 5
# A node whose process has ended may be made anew, all of them at once; asked for once then.
_LOOK_SOON_S = 0.3
# A line of the watcher's is far shorter.
_LONGEST_LINE = 1 << 20
_BEGIN_LIMIT_S = 60.0
_WAIT_S = 30.0


class Watched:
    """A lab, as somebody who listens to it needs it: the line to it, and how it stands."""

    def __init__(
        self,
        client: Client,
        plan: Callable[[], PlanData | None],
        pids: Callable[[], Mapping[str, int]],
        machines: Callable[[], Mapping[str, str]],
        services: Callable[[PlanData], Mapping[str, Ports]],
        speakers: Callable[[], Iterable[NodePlan]],
    ) -> None:
        self.client = client
        self.plan = plan
        self.pids = pids
        self.machines = machines
        self.services = services
        self.speakers = speakers


@tells_wrong_calls
class Events:
    """The events of a running lab, from when this is made; made by `Lab.events`.

    To iterate waits for the next one, and ends with the lab, or when it is closed; `get` waits no
    longer than it is told.  Whoever takes them too slowly misses the oldest, and a `LostEvent`
    says how many.  Leaving a ``with`` block closes it.

    """

    def __init__(self, watched: Watched, kinds: Iterable[str]) -> None:
        self._watched = watched
        self._kinds = frozenset(kinds) | {"lost"}
        self._condition = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._closed = False
        self._over = False
        self._jobs: list[AgentProcess] = []
        self._heard: deque[tuple[bool, Mapping[str, Any]]] = deque()
        self._hearing = threading.Condition()
        self._reading = 0
        self._names: dict[int | None, str] = {}
        self._ask_at = time.monotonic() if "neighbour" in self._kinds else float("inf")
        self._look_at = float("inf")
        self._ready = 0
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._work, name="events of a lab", daemon=True).start()

    def _begin(self) -> None:
        """Watch all nodes, and return when each job does."""
        watched = self._watched
        plan = watched.plan()
        if plan is None:
            raise PlaygroundError("the lab is not written down yet: try again in a moment")
        self._reader = EventReader(plan, watched.services(plan))
        self._watch(watched.pids(), with_own=True)
        deadline = time.monotonic() + _BEGIN_LIMIT_S
        while self._ready < len(self._jobs) and not self._over:
            if time.monotonic() > deadline:
                raise NotReady(f"nobody can be listened to within {_BEGIN_LIMIT_S:g} s")
            self._translate(self._next_row(0.1))

    def __repr__(self) -> str:
        state = "closed" if self._over else "listening"
        return f"<Events: {state}, {len(self._waiting)} waiting>"

    # -- for who listens -------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self.get()
        if event is None:
            raise StopIteration
        return event

    def get(self, timeout_s: float | None = None) -> Event | None:
        """Return the next event; None when the lab ends, or after ``timeout_s`` seconds.

        >>> events.get(timeout_s=5)
        LinkEvent(time_s=1700000000.1, a='h1', ..., state='down', detail='')

        """
        check_seconds("timeout_s", timeout_s)
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._over, timeout_s)
            if self._missed:
                missed, self._missed = self._missed, 0
                return LostEvent(time.time(), "", missed)
            return self._waiting.popleft() if self._waiting else None

    def wait(self, kind: str, *, timeout_s: float = _WAIT_S, **fields: object) -> Event:
        """Return the first event of this kind whose fields are these; others are passed over.

        Raises `NotReady` after ``timeout_s`` seconds, by default 30, and `BadArgument` for a kind
        that there is not.

        >>> r2.stop()
        >>> events.wait("neighbour", node="r1", neighbour="r2", state="down")

        """
        check_kinds([kind])
        check_seconds("timeout_s", timeout_s, needed=True)
        deadline = time.monotonic() + timeout_s
        passed = 0
        while (left_s := deadline - time.monotonic()) > 0:
            event = self.get(left_s)
            if event is None:
                break
            if event.kind == kind and all(
                getattr(event, name, None) == value for name, value in fields.items()
            ):
                return event
            passed += 1
        said = " ".join(f"{name}={value!r}" for name, value in fields.items())
        why = "the lab has ended" if self._over else f"none came within {timeout_s:g} s"
        raise NotReady(
            f"no event of kind {kind!r} with {said or 'any fields'}: {why}, and {passed} others"
        )

    def close(self) -> None:
        """Listen no more; who waits for an event gets what is there, and then the end."""
        with self._condition:
            self._closed = self._over = True
            self._condition.notify_all()
        for job in self._jobs:
            with suppress(AgentError, OSError):
                job.signal(15)
        with self._hearing:
            self._hearing.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- listening -------------------------------------------------------------

    def _watch(self, pids: Mapping[str, int], with_own: bool = False) -> None:
        """Have nodes watched, by a job on each machine that has any."""
        machines = self._watched.machines()
        services = self._watched.services(self._reader.plan)
        parts: dict[str, list[dict[str, Any]]] = {}
        for name, pid in pids.items():
            self._names[pid] = name
            ports = sorted({port for some in services.get(name, {}).values() for port in some})
            parts.setdefault(machines.get(name, ""), []).append({"pid": pid, "ports": ports})
        if with_own:
            self._names[None] = ""
            first = next(iter(parts), "") if not machines else "own"
            parts.setdefault(first, []).append({"pid": None})
        for nodes in parts.values():
            job = self._watched.client.start_job("happenings", nodes=nodes)
            self._jobs.append(job)
            self._reading += 1
            # A job tells of processes as its machine counts them.
            machine = machine_of(nodes[0]["pid"] or 0)
            threading.Thread(
                target=self._read, args=(job, machine), name="happenings of a lab", daemon=True
            ).start()

    def _read(self, job: AgentProcess, machine: int) -> None:
        """Read what one job tells, to its end."""
        rest, ready = b"", False
        with suppress(AgentError, ValueError, KeyError):
            while data := job.read_stdout():
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    break
                rows = []
                for line in lines:
                    row = json.loads(line)
                    if row.get("pid") is not None:
                        row["pid"] = global_pid(machine, row["pid"])
                    rows.append((ready, row))
                    ready = ready or "ready" in row
                with self._hearing:
                    self._heard.extend(rows)
                    self._hearing.notify_all()
                    # Who is slower than this holds the job up, and the kernel counts what is lost.
                    self._hearing.wait_for(
                        lambda: len(self._heard) < MOST_WAITING or self._closed, 60
                    )
        with self._hearing:
            self._reading -= 1
            self._hearing.notify_all()

    def _next_row(self, timeout_s: float) -> tuple[bool, Mapping[str, Any]] | None:
        with self._hearing:
            self._hearing.wait_for(lambda: self._heard or not self._reading, timeout_s)
            if self._heard:
                found = self._heard.popleft()
                self._hearing.notify_all()
                return found
            if not self._reading:
                self._end()
            return None

    def _end(self) -> None:
        with self._condition:
            self._over = True
            self._condition.notify_all()

    def _work(self) -> None:
        try:
            while not self._over:
                left_s = min(60.0, max(0.0, min(self._ask_at, self._look_at) - time.monotonic()))
                self._translate(self._next_row(left_s))
                if time.monotonic() >= self._look_at and not self._over:
                    with suppress(PlaygroundError):  # what is under way of a lab's end still comes
                        self._look_for_new()
                if time.monotonic() >= self._ask_at and not self._over:
                    self._ask()
        except PlaygroundError:
            pass  # the lab has ended meanwhile
        finally:
            self._end()

    def _translate(self, heard: tuple[bool, Mapping[str, Any]] | None) -> None:
        """Tell what one row says; those before its job is ready say how things are."""
        if heard is None:
            return
        ready, row = heard
        now_s = time.time()
        if "ready" in row:
            self._ready += 1
        elif "state" in row:
            self._take_plan(now_s)
        elif (name := self._names.get(row["pid"])) is not None:
            found = self._reader.read(name, row, now_s, known=not ready)
            self._tell(found)
            if "died" in row:
                # Its number may be another process's later, and its name another node's now.
                del self._names[row["pid"]]
                self._look_at = min(self._look_at, time.monotonic() + _LOOK_SOON_S)
            if any(event.kind in ("route", "link") for event in found):
                self._ask_at = min(self._ask_at, time.monotonic() + _ASK_SOON_S)

    def _take_plan(self, now_s: float) -> None:
        plan = self._watched.plan()
        if plan is None:
            return
        found = self._reader.planned(plan, self._watched.services(plan), now_s)
        self._tell(found)
        removed = {
            event.node
            for event in found
            if isinstance(event, NodeEvent) and event.state == "removed"
        }
        self._names = {pid: name for pid, name in self._names.items() if name not in removed}
        if self._reader.dead or any(event.kind == "node" for event in found):
            self._look_for_new()

    def _look_for_new(self) -> None:
        """Watch the nodes that nobody watches: added, or made anew under the names they had."""
        self._look_at = float("inf")
        pids = self._watched.pids()
        planned = {node["name"] for node in self._reader.plan["nodes"]}
        new = {
            name: pid
            for name, pid in pids.items()
            if name in planned and self._names.get(pid) != name
        }
        if not new:
            return
        known = {*self._names.values(), *self._reader.dead}
        self._names = {pid: name for pid, name in self._names.items() if name not in new}
        self._tell(self._reader.made_anew([name for name in new if name in known], time.time()))
        self._watch(new)

    def _ask(self) -> None:
        """Ask routing daemons for their neighbours."""
        began = time.monotonic()
        pids = {name: pid for pid, name in self._names.items() if pid is not None}
        speakers = [node for node in self._watched.speakers() if node.name in pids]
        if speakers:
            said = ask_daemons(self._watched.client, speakers, pids)
            self._tell(self._reader.neighbours(said, time.time()))
        now = time.monotonic()
        self._ask_at = now + max(_ASK_AGAIN_S, _SHARE * (now - began))

    def _tell(self, events: Iterable[Event]) -> None:
        wanted = [event for event in events if event.kind in self._kinds]
        if not wanted:
            return
        with self._condition:
            self._waiting.extend(wanted)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._missed += 1
            self._condition.notify_all()


def check_kinds(kinds: Iterable[object]) -> tuple[str, ...]:
    """Return kinds of events; raises `BadArgument` for one that there is not."""
    found = []
    for kind in kinds:
        if not is_choice(kind, KINDS):
            raise BadArgument(f"{shown(kind)} is no kind of event; there are {', '.join(KINDS)}")
        found.append(kind)
    return tuple(found)
