"""Interfaces of the machine that are on their way back from containers that have ended.

A process of `outside.machine_side` gives each back; while it has not, it listens at a socket
without a file, of which the machine's namespace has a list.

"""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

# As in `outside.machine_side`, which imports nothing of ours but the agent's.
HELD = "@playground-physical/"
HELD_LAB_LENGTH = 50

# It takes milliseconds; who waits longer than this waits for a process that was stopped.
_LIMIT_S = 5.0


def held(lab_id: str) -> list[str]:
    """Return the names of the sockets of those that hold interfaces of hosts of a lab.

    None from another machine, or from another network namespace than the engine's.

    """
    found = []
    with suppress(OSError):
        for line in Path("/proc/net/unix").read_text(errors="replace").splitlines():
            name = line.rpartition(" ")[2]
            if name.startswith(f"{HELD}{lab_id[:HELD_LAB_LENGTH]}/"):
                found.append(name)
    return found


def wait_returned(names: Collection[str]) -> None:
    """Wait until the interfaces that these sockets stand for are back, 5 s at most."""
    for name in names:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, suppress(OSError):
            line.settimeout(_LIMIT_S)
            line.connect(f"\0{name[1:]}")
            line.recv(1)
