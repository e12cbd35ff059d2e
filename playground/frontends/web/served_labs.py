"""The labs that a server shows: those of its own process, and those that run on the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from weakref import WeakValueDictionary

from playground.engines.choice import RunningLabs
from playground.engines.seam import LabRecord
from playground.errors import LabNotFound, PlaygroundError
from playground.lab.lab import Lab
from playground.model.records import dataclass

# Whoever ends the server waits no longer for labs that hang.
_LEAVE_LIMIT_S = 5.0


@dataclass(frozen=True)
class LabLine:
    """A lab in the list of labs: what it is called in addresses, its nodes, who began it.

    ``key`` tells it from all others that ever have its name.

    """

    name: str
    nodes: tuple[str, ...]
    owner: str
    created: float | None = None
    key: str = ""


class ServedLabs:
    """The labs that can be looked at; ``running`` is None where only labs that were added are.

    Safe to be used by several threads.  A lab that another program started is attached to
    when it is first looked at, and let go of in `close`; it is never stopped by that.

    """

    def __init__(self, running: RunningLabs | None = None) -> None:
        self._running = running
        self._own: dict[str, tuple[Lab, str]] = {}
        self._added = count()
        self._attached: dict[str, Lab] = {}
        self._leaving: list[threading.Thread] = []
        # The keys of labs that ran when somebody looked, and who is told of those that end.
        self._seen: frozenset[str] = frozenset()
        self._tell_ended: Callable[[frozenset[str]], object] = len
        # Held for moments: what an engine or a lab answers is waited for under the lab's own.
        self._lock = threading.Lock()
        self._opening: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    def on_ended(self, tell: Callable[[frozenset[str]], object]) -> None:
        """Call this with the keys of labs of other programs that have ended, once it is seen.

        It is seen when the labs are listed, or any is opened.

        """
        self._tell_ended = tell

    def add(self, lab: Lab) -> str:
        """Show a lab of this process, started or not; one of the same name gives way.

        Returns its key, as `opened` does.

        """
        with self._lock:
            before, key = self._own.get(lab.name, (None, ""))
            if before is not lab:
                key = f"own {next(self._added)}"
                self._own[lab.name] = lab, key
            return key

    def remove(self, lab: Lab) -> None:
        """Show a lab of this process no more."""
        with self._lock:
            if self._own.get(lab.name, (None, ""))[0] is lab:
                del self._own[lab.name]

    def lines(self) -> list[LabLine]:
        """Return all labs that there are now, those of this process first."""
        with self._lock:
            own = list(self._own.values())
        lines = [
            LabLine(lab.name, tuple(n.name for n in lab.nodes), "this program", key=key)
            for lab, key in own
        ]
        there = {lab.id for lab, _ in own}
        records = self._records()
        names = [record.name for record in records]
        for record in records:
            if record.id not in there and not record.is_stale:
                name = record.name if names.count(record.name) == 1 else record.id
                line = LabLine(name, record.nodes, _owner(record), record.created, _key(record))
                lines.append(line)
        return lines

    def open(self, name: str) -> Lab:
        """Return the lab of that name or id; raises `LabNotFound`."""
        return self.opened(name)[0]

    def opened(self, name: str) -> tuple[Lab, str]:
        """Return the lab of that name or id, and its key; raises `LabNotFound`.

        It waits for the engine and the lab's agent where it is another program's.  The key is no
        other lab's: rights are bound to it, because names come back.

        """
        with self._lock:
            if name in self._own:
                return self._own[name]
            if self._running is None:
                raise LabNotFound(f"this page does not show a lab {name!r}: it was closed")
            opening = self._opening.get(name)
            if opening is None:
                opening = self._opening[name] = threading.Lock()
        with opening:
            # Asked anew each time: the lab may have ended, and another of its name begun.
            engine, record = self._running.find(name)
            lab = self._attached.get(name)
            if lab is not None and lab.id == record.id and lab.running:
                return lab, _key(record)
            self._records()
            self._let_go(name, lab)
            lab = Lab.attach(record.id, engine=engine, quiet=True)
            with self._lock:
                self._attached[name] = lab
            return lab, _key(record)

    def _records(self) -> list[LabRecord]:
        """Return the labs that run, and give back what those had that run no more.

        That is a line to an agent each, with its threads and descriptors.

        """
        if self._running is None:
            return []
        with self._lock:
            attached, seen = dict(self._attached), self._seen
        records = self._running.labs()
        # Of those that were seen before this look began: what has begun since is in a later one.
        keys = frozenset(map(_key, records))
        with self._lock:
            self._seen = (self._seen - (seen - keys)) | keys
        if seen - keys:
            self._tell_ended(seen - keys)
        there = {record.id for record in records}
        for name, lab in attached.items():
            if lab.id not in there:
                self._let_go(name, lab)
        return records

    def _let_go(self, name: str, lab: Lab | None) -> None:
        with self._lock:
            if lab is None or self._attached.get(name) is not lab:
                return
            del self._attached[name]
        # Beside what others wait for: what hangs is waited for by nobody.
        leaving = threading.Thread(target=_detach, args=[lab], name=f"leaving {name}", daemon=True)
        leaving.start()
        with self._lock:
            self._leaving = [one for one in self._leaving if one.is_alive()] + [leaving]

    def close(self) -> None:
        """Let go of all labs of other programs; those that hang are given some seconds."""
        with self._lock:
            attached = dict(self._attached)
        for name, lab in attached.items():
            self._let_go(name, lab)
        end_s = time.monotonic() + _LEAVE_LIMIT_S
        for leaving in self._leaving:
            leaving.join(max(0.0, end_s - time.monotonic()))
        if self._running is not None:
            self._running.close()


def _detach(lab: Lab) -> None:
    with suppress(PlaygroundError):  # it may have gone
        lab.detach()


def _key(record: LabRecord) -> str:
    # Another user of this machine may give a lab of his the same id.
    return f"{record.id} {record.uid}"


def _owner(record: LabRecord) -> str:
    return "you" if record.is_own else record.owner
