"""The workers (pytest-xdist) that share the tests of one run, as scripts/test starts them.

A worker takes a file's tests on one engine together, as they share labs.  A test that is
marked `alone` has the machine: it begins when the other workers' tests have ended, and their
next ones wait for it.

"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.engines.choice import NAMES

# Everybody passes a gate into the room; who is to be alone there shuts it.  Files to lock.
_GATE, _ROOM = Path(__file__), Path(__file__).with_name("__init__.py")


# Long files whose tests share nothing: any worker takes the next one.
_APART = {"tests/test_how_to.py"}


def scope(nodeid: str) -> str:
    """Name the group of tests that a test belongs to.

    >>> scope("tests/test_miniature.py::test_mail[namespaces-imap]")
    'tests/test_miniature.py namespaces'

    """
    file, _, test = nodeid.partition("::")
    if file in _APART:
        return nodeid
    parameters = re.split(r"[\[\]-]", test)[1:]
    if "swarm" in parameters or "swarm" in file:
        return "swarm"  # whose three engines are made once
    return " ".join([file, *(name for name in NAMES if name in parameters)])


def is_worker(config: pytest.Config) -> bool:
    """Whether other workers run tests of this run at the same time."""
    return hasattr(config, "workerinput")


@contextlib.contextmanager
def turn(alone: bool, gate_file: Path = _GATE, room_file: Path = _ROOM) -> Iterator[None]:
    """Have the machine beside the other workers, or `alone`."""
    with open(gate_file) as gate, open(room_file) as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Not by closing alone: a process that a test forked may have the same files open.
            fcntl.flock(room, fcntl.LOCK_UN)
