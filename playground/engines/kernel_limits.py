"""Limits of the kernel: what a lab needs, against what the machine allows.

Some of the kernel's tables are one for all network namespaces, or have a limit for
each user; a large lab that meets one fails somewhere in the middle, in words that
name no cause.  `refusals` is a pure function of a plan and of what was read from the
machine, which `read_capacity` does; `check` is both, for the engine of this machine.

The ports of one bridge are no setting: `planning.planner` counts them.

"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from playground.errors import EngineError

if TYPE_CHECKING:
    from playground.planning.plan import NodePlan, Plan


class KernelCapacity(NamedTuple):
    """The limits that a machine's settings have, and how much of each is in use, by their names.

    What is missing could not be read, and is no reason to refuse anything.

    """

    allowed: Mapping[str, int]
    used: Mapping[str, int]


class KernelLimit(NamedTuple):
    """One setting, for sysctl(8), and how much of it a plan needs at least."""

    setting: str
    what: str
    need: Callable[[Plan], int]


def check(plan: Plan) -> None:
    """Raise `EngineError` where this machine's kernel has no room for a lab.

    For labs on this very machine, before anything of them is made.

    """
    if found := refusals(plan, read_capacity()):
        raise EngineError("\n".join(found))


def refusals(plan: Plan, machine: KernelCapacity) -> list[str]:
    """Return a sentence for everything of which the machine has too little.

    Each names what to raise, and to what.  Empty when there is room.

    """
    sentences = []
    for limit in KERNEL_LIMITS:
        allowed = machine.allowed.get(limit.setting)
        need, used = limit.need(plan), machine.used.get(limit.setting, 0)
        if allowed is None or need + used <= allowed:
            continue
        others = f", of which {used:,} are in use" if used else ""
        sentences.append(
            f"this lab needs at least {need:,} {limit.what}, and this machine allows "
            f"{allowed:,}{others}: let root run `sysctl -w {limit.setting}={_enough(need + used)}`"
        )
    return sentences


def _enough(number: int) -> int:
    """Return a round number with room to grow: the power of two above one and a half times it."""
    return 1 << (number + number // 2).bit_length()


# -- what a plan needs -------------------------------------------------------


# Of every host: its first process, a command that runs in it, and the launcher
# that the agent keeps for the next.
_HOST_PROCESSES = 3


def _neighbours(family: int) -> Callable[[Plan], int]:
    def count(plan: Plan) -> int:
        routers = [node for node in plan.nodes if node.kind == "router"]
        with_router = {item.segment for node in routers for item in node.interfaces}
        # One table holds the entries of all network namespaces.
        return sum(_entries(node, family, with_router) for node in plan.nodes)

    return count


def _entries(node: NodePlan, family: int, with_router: Set[str]) -> int:
    """Return how many entries of the table there are because of one node, at least.

    A host that talks to its router, and is answered, takes an entry on both
    sides; so does a router for each other that it sends through.  Where there is
    no router, a host has one for a neighbour.

    """
    routers = {route.via for route in node.routes if route.via and route.via.version == family}
    if routers or node.kind == "router":
        return 2 * len(routers)
    linked = [
        item.segment in with_router
        for item in node.interfaces
        if any(address.version == family for address in item.addresses)
    ]
    return int(bool(linked)) + int(any(linked))


def _processes(plan: Plan) -> int:
    from playground.model.services.table import row_of

    return sum(
        _HOST_PROCESSES + sum(row_of(settings).processes for settings in node.services)
        for node in plan.nodes
    )


def _inotify(plan: Plan) -> int:
    from playground.model.services.table import row_of

    return sum(row_of(settings).inotify for node in plan.nodes for settings in node.services)


def _namespaces(plan: Plan) -> int:
    return len(plan.nodes) + 1  # the lab's own


_KINDS = ("net", "mnt", "pid", "ipc", "uts", "cgroup")

# neigh/default/gc_thresh3: arp(7).  kernel.*: proc_sys_kernel(5).  fs.inotify.*:
# inotify(7).  user.*: namespaces(7).
KERNEL_LIMITS = (
    KernelLimit(
        "net.ipv4.neigh.default.gc_thresh3",
        "entries of the kernel's table of IPv4 neighbours",
        _neighbours(4),
    ),
    KernelLimit(
        "net.ipv6.neigh.default.gc_thresh3",
        "entries of the kernel's table of IPv6 neighbours",
        _neighbours(6),
    ),
    KernelLimit("kernel.pid_max", "processes", _processes),
    KernelLimit("kernel.threads-max", "processes and threads", _processes),
    KernelLimit("fs.inotify.max_user_instances", "watchers of files (inotify)", _inotify),
    *(
        KernelLimit(f"user.max_{kind}_namespaces", f"{kind} namespaces", _namespaces)
        for kind in _KINDS
    ),
)


# -- what the machine has ----------------------------------------------------


def read_capacity(proc: Path = Path("/proc")) -> KernelCapacity:
    """Read what this machine allows and what is in use of it, from proc(5)."""
    allowed: dict[str, int] = {}
    for limit in KERNEL_LIMITS:
        with suppress(OSError, ValueError):
            path = proc / "sys" / limit.setting.replace(".", "/")
            allowed[limit.setting] = int(path.read_text())
    used: dict[str, int] = {}
    with suppress(OSError, ValueError, IndexError):
        # "0.00 0.01 0.05 2/345 6789": of the threads there are, so many run.
        threads = int((proc / "loadavg").read_text().split()[3].partition("/")[2])
        used["kernel.pid_max"] = used["kernel.threads-max"] = threads
    for family, table in ((4, "arp_cache"), (6, "ndisc_cache")):
        with suppress(OSError, ValueError, IndexError):
            # Each processor has a line, and the first number is that of the whole table.
            line = (proc / "net/stat" / table).read_text().splitlines()[1]
            used[f"net.ipv{family}.neigh.default.gc_thresh3"] = int(line.split()[0], 16)
    return KernelCapacity(allowed, used)
