"""Processes, as many at once as may run, each with limits of time, memory and processes.

A child is forked from this process, in which all that marking needs is imported.  It says what
it has to say in lines of JSON through a pipe.  When its time is over it is killed; its lab ends
with it, and what is still in its control group is killed too.

"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.engines.namespaces import cgroups
from playground.model.records import dataclass

# All that one child may say.
_MOST_BYTES = 64 * 2**20
_LOOK_S = 0.2
_JOIN_TRIES = 20

Send = Callable[[dict[str, Any]], None]
Work = Callable[[Send], None]


@dataclass(frozen=True)
class ChildLimits:
    """What a child and all that it starts may take; ``cgroup`` names its control groups."""

    seconds: float
    memory_mb: int
    processes: int = 800
    cpus: float | None = None
    cgroup: str | None = None

    @property
    def kept(self) -> cgroups.Limits:
        """The limits that the kernel keeps by control groups."""
        limits = {"memory_mb": self.memory_mb, "processes": self.processes}
        return limits if self.cpus is None else {**limits, "cpus": self.cpus}


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended: all that it said, and why it said no more ("" if it ended by itself)."""

    said: tuple[dict[str, Any], ...]
    reason: str
    seconds: float


@dataclass
class _Child:
    key: int
    pid: int
    reader: int
    begin: float
    said: bytearray = field(default_factory=bytearray)
    status: int | None = None
    # Why it was killed, if we did that.
    reason: str = ""


def run_children(
    work: Iterable[Work], most: int, limits: ChildLimits
) -> Generator[tuple[int, ChildEnd], None, None]:
    """Run each of these in a child of its own, ``most`` at once; yield (number, end) as they end.

    Whatever ends this early, such as Ctrl-C, ends the children too.

    """
    waiting = iter(enumerate(work))
    running: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(running) < most and (one := next(waiting, None)) is not None:
                    child = _fork(one[0], one[1], limits)
                    running[child.key] = child
                    selector.register(child.reader, selectors.EVENT_READ, child)
                if not running:
                    return
                for selected, _ in selector.select(_LOOK_S):
                    _read(selected.data, selector)
                for child in [*running.values()]:
                    if _has_ended(child, limits):
                        del running[child.key]
                        _read_rest(child, selector)
                        _clean(child, limits)
                        yield child.key, _end(child, limits)
        finally:
            for child in running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                os.close(child.reader)
                _clean(child, limits)


def _fork(key: int, work: Work, limits: ChildLimits) -> _Child:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            _be_child(key, work, writer, limits)
            status = 0
        finally:
            # Nothing of the parent's, such as its handlers of exits, runs here.
            os._exit(status)
    os.close(writer)
    os.set_blocking(reader, False)
    return _Child(key, pid, reader, time.monotonic())


def _be_child(key: int, work: Work, writer: int, limits: ChildLimits) -> None:
    os.setsid()
    for number, handler in ((signal.SIGINT, signal.default_int_handler),):
        signal.signal(number, handler)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if limits.cgroup is not None:
        _join(limits.cgroup, key, limits.kept)

    def send(data: dict[str, Any]) -> None:
        view = memoryview(json.dumps(data).encode() + b"\n")
        while view:
            view = view[os.write(writer, view) :]

    try:
        work(send)
    except Exception:
        from playground.frontends.grading.worker import broken

        send(broken())


def _join(lab: str, key: int, limits: cgroups.Limits) -> None:
    for turn in range(_JOIN_TRIES):
        try:
            for file in cgroups.make_group(lab, str(key), limits):
                Path(file).write_text("0")
        except FileNotFoundError:
            # Somebody who cleans up took the group away, which was still empty.
            time.sleep(0.01 * turn)
        else:
            return


def _read(child: _Child, selector: selectors.BaseSelector) -> bool:
    """Read what is there; False at its end."""
    try:
        data = os.read(child.reader, 1 << 20)
    except BlockingIOError:
        return False
    child.said += data
    if not data or len(child.said) > _MOST_BYTES:
        with contextlib.suppress(KeyError):
            selector.unregister(child.reader)
        return False
    return True


def _read_rest(child: _Child, selector: selectors.BaseSelector) -> None:
    while _read(child, selector):
        pass
    with contextlib.suppress(KeyError):
        selector.unregister(child.reader)
    os.close(child.reader)


def _has_ended(child: _Child, limits: ChildLimits) -> bool:
    found, status = os.waitpid(child.pid, os.WNOHANG)
    if not found:
        if len(child.said) > _MOST_BYTES:
            child.reason = f"it had more than {_MOST_BYTES >> 20} MB to say"
        elif time.monotonic() - child.begin > limits.seconds:
            child.reason = f"it was not done after {limits.seconds:g} s"
        else:
            return False
        os.kill(child.pid, signal.SIGKILL)
        _, status = os.waitpid(child.pid, 0)
    child.status = os.waitstatus_to_exitcode(status)
    return True


def _clean(child: _Child, limits: ChildLimits) -> None:
    """Kill what is left in the child's control groups, and remove them."""
    if limits.cgroup is not None:
        with contextlib.suppress(OSError):
            cgroups.remove_group(limits.cgroup, str(child.key))


def _end(child: _Child, limits: ChildLimits) -> ChildEnd:
    said = []
    for line in bytes(child.said).splitlines():
        with contextlib.suppress(ValueError):  # the last one may be cut off
            said.append(json.loads(line))
    reason = child.reason or _reason(child.status, limits)
    return ChildEnd(tuple(said), reason, time.monotonic() - child.begin)


def _reason(status: int | None, limits: ChildLimits) -> str:
    """Return why a child that we have not killed said no more."""
    if not status:
        return ""
    if status != -signal.SIGKILL:
        return "the process that marked it died"
    if limits.cgroup is None or not limits.memory_mb:
        return "the process that marked it was killed"
    # The kernel's, as a rule; who else may kill it does not say so.
    return (
        "the process that marked it was killed: its network probably took more memory than the "
        f"{limits.memory_mb} MB that it may"
    )
