"""Control groups of hosts: what the kernel holds their limits by (cgroups(7)).

Standard library only, and nothing of ours: `namespaces.keeper`, which is a
script, imports it too.  Limits travel as ``{"memory_mb", "cpus",
"processes"}`` with null, or nothing, for no limit.

A controller (memory, cpu, pids) is either in a hierarchy of version 1, several
of which may be mounted, or in the one of version 2; a machine may have both.
A host with limits has a group ``playground/LAB/host.NODE`` in each hierarchy
that it needs.  Unlike everything else of a lab, groups do not go with its
processes: `remove_lab` takes them away, and `lab_ids` finds what was left.

"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

# All our groups are below one of this name.
TOP = "playground"

# Control group files, such as "tasks", stand among a lab's groups.
_PREFIX = "host."

# Processes left in a group may be on their way out by themselves: commands whose node
# has ended, and the agent's launcher, which serves other nodes as well.
GRACE_S = 2.0
# Killed processes are gone in milliseconds, on a busy machine in seconds.
REMOVAL_LIMIT_S = 10.0

# Of the kernel's own default (sched/fair.c): 100 ms.
_PERIOD_US = 100_000
# Less is refused (sched/core.c, min_cfs_quota_period).
_MINIMUM_QUOTA_US = 1_000

Limits = Mapping[str, float | None]


class Hierarchy(NamedTuple):
    """One mounted hierarchy: its version (1 or 2) and where ours are to be."""

    version: int
    folder: str


class CgroupFile(NamedTuple):
    """The text of one file of a group; not every kernel has the optional ones."""

    file: str
    value: str
    optional: bool = False


# -- deciding ----------------------------------------------------------------

# The limits, and the controllers that hold them.
CONTROLLERS = {"memory_mb": "memory", "cpus": "cpu", "processes": "pids"}


def parse_mounts(mountinfo: str) -> list[tuple[int, frozenset[str], str, str]]:
    """Return (version, options, mount point, root) of each cgroup mount of a mountinfo.

    See proc(5).  The options of a version 1 mount hold its controllers; which
    ones version 2 has, a file in it says.

    """
    mounts = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, point = (_unescape(field) for field in left.split(" ")[3:5])
        if kind == "cgroup2":
            mounts.append((2, frozenset[str](), point, root))
        elif kind == "cgroup":
            mounts.append((1, frozenset(options.split(",")), point, root))
    return mounts


def find_points(mountinfo: str, unified: str = "") -> dict[str, tuple[int, str, str]]:
    """Return {controller: (version, mount point, root)} of those that limits need.

    ``unified`` is the text of ``cgroup.controllers`` of version 2.  Of several
    mounts of one hierarchy the first counts.

    """
    found: dict[str, tuple[int, str, str]] = {}
    for version, options, point, root in parse_mounts(mountinfo):
        there = options if version == 1 else frozenset(unified.split())
        for controller in CONTROLLERS.values():
            if controller in there:
                found.setdefault(controller, (version, point, root))
    return found


def own_folders(cgroup: str, controller: str, version: int, point: str, root: str) -> list[str]:
    """Return the folders from a mount point down to a process's own group.

    ``cgroup`` is the text of its /proc/PID/cgroup.  Where it sees the mount from
    within a control group namespace of its own, or is in no group below it, the
    mount point is all there is.

    """
    path = own_path(cgroup, controller, version) + "/"
    root = root.rstrip("/") + "/"
    if not path.startswith(root) or "/../" in path:
        return [point]
    names = [name for name in path.removeprefix(root).split("/") if name]
    return ["/".join([point, *names[:count]]) for count in range(len(names) + 1)]


def own_path(cgroup: str, controller: str, version: int) -> str:
    """Return a process's group in a controller's hierarchy, "" for the one at the top."""
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        if (version == 2 and not controllers) or (
            version == 1 and controller in controllers.split(",")
        ):
            return path.rstrip("/")
    return ""


def settings(limits: Limits, version: int) -> dict[str, list[CgroupFile]]:
    """Return {controller: what to write into its files}, in that order.

    >>> settings({"processes": 100}, 2)
    {'pids': [CgroupFile(file='pids.max', value='100', optional=False)]}

    """
    wanted: dict[str, list[CgroupFile]] = {}
    if (memory_mb := limits.get("memory_mb")) is not None:
        size = str(int(memory_mb) << 20)
        # Swap is no way out.  Its files are missing where swap is not counted.
        if version == 1:
            # Memory and swap together, and never less than memory alone.
            swap = CgroupFile("memory.memsw.limit_in_bytes", size, optional=True)
            wanted["memory"] = [CgroupFile("memory.limit_in_bytes", size), swap]
        else:
            swap = CgroupFile("memory.swap.max", "0", optional=True)
            wanted["memory"] = [CgroupFile("memory.max", size), swap]
    if (cpus := limits.get("cpus")) is not None:
        quota = str(max(_MINIMUM_QUOTA_US, round(cpus * _PERIOD_US)))
        if version == 1:
            period = CgroupFile("cpu.cfs_period_us", str(_PERIOD_US))
            wanted["cpu"] = [period, CgroupFile("cpu.cfs_quota_us", quota)]
        else:
            wanted["cpu"] = [CgroupFile("cpu.max", f"{quota} {_PERIOD_US}")]
    if (processes := limits.get("processes")) is not None:
        wanted["pids"] = [CgroupFile("pids.max", str(int(processes)))]
    return wanted


def needed(limits: Limits) -> list[str]:
    """Return the controllers that these limits need, sorted."""
    return sorted({CONTROLLERS[name] for name, value in limits.items() if value is not None})


def lacking(limits: Limits, there: Mapping[str, Hierarchy | None]) -> str | None:
    """Say which controller a machine lacks for these limits; None if none.

    ``there`` holds None for a controller that is there, and not for us.

    """
    words = {controller: name for name, controller in CONTROLLERS.items()}
    for controller in needed(limits):
        if controller not in there:
            return (
                f"{words[controller]}= cannot be kept here: no control group hierarchy of this "
                f"machine has the controller {controller} (see /proc/cgroups); leave that limit "
                "out, or start Linux with it (for memory: cgroup_enable=memory)"
            )
        if there[controller] is None:
            return (
                f"{words[controller]}= cannot be kept here: you may not make control groups with "
                f"the controller {controller}, being an ordinary user, or root of a container "
                "only; leave that limit out"
            )
    return None


def _unescape(text: str) -> str:
    # proc(5): blank, tab, newline and backslash are written in octal.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _component(prefix: str, name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError(f"{name!r} is no name of a group")
    return prefix + name


# -- doing -------------------------------------------------------------------


def find_hierarchies() -> dict[str, Hierarchy | None]:
    """Return where our groups may be made, for each controller this machine has.

    Root makes them at the top; an ordinary user in the uppermost of the groups
    around this process that were handed over to him (cgroups(7), "Cgroup
    delegation"), None where there is none.

    """
    try:
        mountinfo, cgroup = _read("/proc/self/mountinfo"), _read("/proc/self/cgroup")
    except FileNotFoundError:  # a kernel without control groups, or no /proc
        return {}
    unified = ""
    for version, _, point, _ in parse_mounts(mountinfo):
        if version == 2:
            with contextlib.suppress(OSError):
                unified = _read(f"{point}/cgroup.controllers")
            break
    return {
        controller: _usable(controller, version, own_folders(cgroup, controller, *place))
        for controller, place in find_points(mountinfo, unified).items()
        for version in [place[0]]
    }


@functools.cache
def hierarchies() -> dict[str, Hierarchy | None]:
    """Return `find_hierarchies` of the first call, which all that follows goes by.

    For who makes one host after another, since reading /proc takes longer than
    making groups; and for who is about to lose sight of his own /proc.

    """
    return find_hierarchies()


def _usable(controller: str, version: int, folders: Sequence[str]) -> Hierarchy | None:
    for folder in folders:
        files = [folder, f"{folder}/cgroup.procs"]
        if version == 2:
            files.append(f"{folder}/cgroup.subtree_control")
        if not all(os.access(file, os.W_OK) for file in files):
            continue
        with contextlib.suppress(OSError):
            if version == 1 or _may_be_divided(folder, controller):
                return Hierarchy(version, folder)
    return None


def _may_be_divided(folder: str, controller: str) -> bool:
    """Whether groups below this one can have a controller; version 2 only."""
    if controller not in _read(f"{folder}/cgroup.controllers").split():
        return False
    # cgroups(7), "no internal processes": only the machine's own top, which has
    # no type, may have both processes and groups below with controllers.  What
    # a container takes for the top is not that.
    top = not os.path.exists(f"{folder}/cgroup.type")
    return top or not _read(f"{folder}/cgroup.procs").strip()


def refusal(limits: Limits) -> str | None:
    """Say what this machine lacks for these limits, in a sentence; None if nothing.

    It only looks.

    """
    return lacking(limits, find_hierarchies())


def make_group(lab: str, node: str, limits: Limits) -> list[str]:
    """Make a host's groups; return the files in which its first process joins them.

    It has to write "0" into each.  Version 2 hands a controller down only where
    it is switched on, which may take switching it on for all the machine's
    groups: that changes nothing for them, and stays.

    Raises `OSError` with a sentence where this machine cannot hold the limits;
    then nothing is left of them.

    """
    if sentence := lacking(limits, hierarchies()):
        raise OSError(errno.EOPNOTSUPP, sentence)
    path = (TOP, _component("", lab), _component(_PREFIX, node))
    files: list[str] = []
    try:
        for controller in needed(limits):
            hierarchy = hierarchies()[controller]
            assert hierarchy is not None
            group = _make_path(hierarchy, controller, path)
            for setting in settings(limits, hierarchy.version)[controller]:
                _set(group, setting)
            # One hierarchy may have several controllers.
            if f"{group}/cgroup.procs" not in files:
                files.append(f"{group}/cgroup.procs")
    except BaseException:
        remove_group(lab, node)
        raise
    return files


def _make_path(hierarchy: Hierarchy, controller: str, path: Sequence[str]) -> str:
    while True:
        folder = hierarchy.folder
        try:
            for name in path:
                if hierarchy.version == 2:
                    _hand_down(folder, controller)
                folder += f"/{name}"
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o755)
            return folder
        except FileNotFoundError:
            if not os.path.isdir(hierarchy.folder):
                raise
            # Another lab has ended at this moment, and took the empty way away.


def _hand_down(folder: str, controller: str) -> None:
    """Let the groups in this one have a controller; version 2 only."""
    file = f"{folder}/cgroup.subtree_control"
    if controller in _read(file).split():
        return
    try:
        _write(file, f"+{controller}")
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.EBUSY:
            reason = "there are processes in it"
        elif error.errno == errno.ENOENT and os.path.isdir(folder):
            reason = "the group above does not hand it down"
        elif error.errno == errno.ENOENT:
            raise
        raise OSError(
            error.errno,
            f"cannot switch on the controller {controller} below the control group {folder}: "
            f"{reason}",
        ) from None


def _set(group: str, setting: CgroupFile) -> None:
    file = f"{group}/{setting.file}"
    if setting.optional and not os.path.exists(file):
        return
    try:
        _write(file, setting.value)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot limit a host: {error.strerror}: {setting.value!r} in {file}"
        ) from None


def remove_group(lab: str, node: str) -> None:
    """Remove a host's groups, and kill what is still in them.

    What is not there is no error; raises `OSError` for what would not go.

    """
    path = f"{TOP}/{_component('', lab)}/{_component(_PREFIX, node)}"
    _remove_all(f"{folder}/{path}" for folder in _folders())


def remove_lab(lab: str) -> None:
    """Remove the groups of all hosts of a lab, likewise, and what is empty above."""
    path = f"{TOP}/{_component('', lab)}"
    try:
        _remove_all(f"{folder}/{path}" for folder in _folders())
    finally:
        for folder in _folders():
            # Other labs may have theirs in it.
            with contextlib.suppress(OSError):
                os.rmdir(f"{folder}/{TOP}")


def sweep(labs: Iterable[str]) -> None:
    """Remove the empty groups of labs that do not run; kills nothing and waits for nothing.

    Whoever lives in one of them runs where this process cannot see it.

    """
    for lab in labs:
        for folder in _folders():
            with contextlib.suppress(OSError):
                for group, _, _ in os.walk(f"{folder}/{TOP}/{lab}", topdown=False):
                    os.rmdir(group)
                os.rmdir(f"{folder}/{TOP}")


def lab_ids() -> list[str]:
    """Return the labs that have groups, sorted; some may have ended long ago."""
    found: set[str] = set()
    for folder in _folders():
        with contextlib.suppress(OSError), os.scandir(f"{folder}/{TOP}") as entries:
            found |= {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    return sorted(found)


def _folders() -> list[str]:
    """Where our groups may be: each folder once."""
    found = (item.folder for item in hierarchies().values() if item is not None)
    return list(dict.fromkeys(found))


def _remove_all(groups: Iterator[str]) -> None:
    """Remove these groups and all below them; one that will not go does not stop the others."""
    start = time.monotonic()
    problem: OSError | None = None
    for group in groups:
        try:
            _remove(group, start)
        except OSError as error:
            problem = problem or error
    if problem is not None:
        raise problem


def _remove(group: str, start: float) -> None:
    pause_s = 0.001
    while True:
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            waited = time.monotonic() - start
            if error.errno != errno.EBUSY or waited > REMOVAL_LIMIT_S:
                raise OSError(
                    error.errno,
                    f"the control group {group} cannot be removed: {error.strerror}; look for "
                    "processes in its cgroup.procs",
                ) from None
            if waited > GRACE_S:
                _kill_all(group)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.05)


def _kill_all(group: str) -> None:
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            for pid in _read(f"{folder}/cgroup.procs").split():
                # 0 is one that this process-id namespace does not have.
                if int(pid) > 0 and int(pid) != os.getpid():
                    os.kill(int(pid), signal.SIGKILL)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
