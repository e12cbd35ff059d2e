"""What commands have left in the background: process groups that go on after their leaders."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from playground.agent.kernel.process_stat import process_stat

# A killed process is gone within milliseconds, and the agent's loop waits for it.
_GONE_LIMIT_S = 1.0

# Of those of one node: what is noted beyond has probably ended.
_MOST_GROUPS = 4096


class LeftBehind:
    """The groups that went on when their commands had ended, by the nodes that they are in."""

    def __init__(self) -> None:
        self._groups: dict[int, set[int]] = {}

    def note(self, node: int, group: int) -> None:
        """Remember the group of a command that has ended, if anybody is left in it."""
        if not group:  # it never began, and 0 would mean our own
            return
        with contextlib.suppress(OSError):
            os.killpg(group, 0)
            groups = self._groups.setdefault(node, set())
            if len(groups) >= _MOST_GROUPS:
                groups.intersection_update(set(_members(node).values()))
            groups.add(group)

    def kill(self, node: int) -> int:
        """Kill all that commands have left on a node; return how many processes that were."""
        noted = self._groups.get(node, set())
        end = time.monotonic() + _GONE_LIMIT_S
        killed: set[int] = set()
        while left := {pid for pid, group in _members(node).items() if group in noted}:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(left)} processes were killed and are not gone")
            killed |= left
            groups = {group for pid, group in _members(node).items() if pid in left}
            for group in groups:
                # By its number: a fork that is under way goes with its group, kill(2).
                with contextlib.suppress(OSError):
                    os.killpg(group, signal.SIGKILL)
            time.sleep(0.002)
        # Not before: what would not go is killed when it is asked again.
        self._groups.pop(node, None)
        return len(killed)


def _members(node: int) -> dict[int, int]:
    """Return the process group of each process in a node, as this process counts them.

    A number that is another group's by now, outside of the node, is in none of these.

    """
    found = {}
    with contextlib.suppress(OSError):
        own = os.readlink(f"/proc/{node}/ns/pid")
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                stat = process_stat(name)
                # A zombie has no namespaces, and is for its parent to reap.
                if stat.state != "Z" and os.readlink(f"/proc/{name}/ns/pid") == own:
                    found[int(name)] = stat.group
    return found
