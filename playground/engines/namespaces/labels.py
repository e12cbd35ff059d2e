"""Labs of bare namespaces, found by the labels in their processes' environments.

There is no file that could be left behind or be wrong: what runs is what /proc
shows.  A keeper has the labels of its lab, ``lab.lab`` and the others of
`engines.seam`, and a host's first process has ``lab.lab`` and
``playground.node``.  A user sees the labs of those whose processes it may look
into: its own, and root all of them.

See proc(5), pid_namespaces(7).

"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from playground.engines.seam import KEEP, LAB, MARK, NAME, NODE, OWNER, ROLE, LabRecord

KEEPER = "keeper"

# Of a program that runs as its file's owner or group, inode(7).
_SET_ID = stat.S_ISUID | stat.S_ISGID

# What a lab's id is made of; control groups are called so too.
_LAB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


@dataclass(frozen=True)
class Found:
    """A keeper or a host's first process: its number here, and its numbers further in.

    ``pids`` go from this machine's process-id namespace inwards; a keeper has one.
    ``uid`` is whose it is on this machine: what belongs to one lab is one user's.

    """

    pids: tuple[int, ...]
    labels: Mapping[str, str]
    uid: int


def processes(proc: Path = Path("/proc")) -> Iterator[Found]:
    """Yield every keeper and every host's first process that may be looked at."""
    with os.scandir(proc) as entries:
        numbered = [entry for entry in entries if entry.name.isdigit()]
    for entry in numbered:
        try:
            with open(f"{entry.path}/environ", "rb", buffering=0) as file:
                environ = file.read()
            if b"playground.role=" not in environ:
                continue
            labels = _labels(environ)
            status = Path(entry.path, "status").read_text()
            pids, uids = _numbers(status, "NSpid"), _numbers(status, "Uid")
            # Another user may start a program that becomes root, with any environment.
            became = len(set(uids)) > 1 or os.stat(f"{entry.path}/exe").st_mode & _SET_ID
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if became:
            continue
        # Whatever a host's processes put into their environment, none but its
        # first is the first, and a keeper is in no lab.
        depth = {KEEPER: 1, "node": 3}.get(labels.get(ROLE, ""))
        is_first = len(pids) == 1 or pids[-1] == 1
        if len(pids) == depth and is_first and _LAB_ID.fullmatch(labels.get(LAB, "")):
            yield Found(pids, labels, uids[0])


def belongs(pid: int, lab_id: str) -> bool:
    """Whether this very process is a keeper or a first process of this lab."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return _labels(environ).get(LAB) == lab_id


def _own_first(found: Found) -> tuple[bool, int]:
    """Order what bears the labels of one lab: whoever may start programs may forge them."""
    return found.uid != os.geteuid(), found.uid


def find_keeper(lab_id: str, *, own: bool = False) -> int | None:
    """Return the process id of a lab's keeper; None if there is no such lab.

    This user's own comes first, and with ``own`` there is no other: whoever may
    start programs here may give them a keeper's labels.

    """
    keepers = [
        found
        for found in processes()
        if found.labels.get(ROLE) == KEEPER and found.labels.get(LAB) == lab_id
    ]
    keepers.sort(key=_own_first)
    if not keepers or (own and keepers[0].uid != os.geteuid()):
        return None
    return keepers[0].pids[0]


def find_nodes(lab_id: str) -> dict[str, tuple[int, ...]]:
    """Return the process ids of each host of a lab: here, in the lab, in the host."""
    there = list(processes())
    keepers = [found for found in there if found.labels.get(ROLE) == KEEPER]
    owners = {found.uid for found in keepers if found.labels.get(LAB) == lab_id}
    owner = os.geteuid() if os.geteuid() in owners else min(owners, default=None)
    return {
        found.labels[NODE]: found.pids
        for found in there
        if found.labels.get(LAB) == lab_id and NODE in found.labels and found.uid == owner
    }


def find_labs() -> list[LabRecord]:
    """Return the labs that run, oldest first.

    Of those that bear one id this user's own is the lab, or one other's.

    """
    keepers: dict[tuple[str, int], Found] = {}
    nodes: dict[tuple[str, int], list[str]] = {}
    for found in processes():
        lab = found.labels.get(LAB, ""), found.uid
        if found.labels.get(ROLE) == KEEPER:
            keepers[lab] = found
        else:
            nodes.setdefault(lab, []).append(found.labels.get(NODE, ""))
    chosen: dict[tuple[str, int], Found] = {}
    for found in sorted(keepers.values(), key=_own_first):
        lab_id = found.labels.get(LAB, "")
        if not any(lab_id == other for other, _ in chosen):
            chosen[lab_id, found.uid] = found
    records = [
        LabRecord(
            id=lab[0],
            name=found.labels.get(NAME, ""),
            owner=found.labels.get(OWNER, ""),
            nodes=tuple(sorted(nodes.get(lab, []))),
            created=_started(found.pids[0]),
            keep=found.labels.get(KEEP) == "1",
            mark=found.labels.get(MARK, ""),
            uid=found.uid,
        )
        for lab, found in chosen.items()
    ]
    return sorted(records, key=lambda record: record.created)


def _labels(environ: bytes) -> dict[str, str]:
    entries = environ.decode("utf-8", "surrogateescape").split("\0")
    return dict(
        entry.split("=", 1) for entry in entries if entry.startswith("playground.") and "=" in entry
    )


def _numbers(status: str, name: str) -> tuple[int, ...]:
    """Return the numbers of a line of /proc/PID/status; raises OSError if it has none."""
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return tuple(map(int, line.split()[1:]))
    raise ProcessLookupError(errno.ESRCH, f"there is no {name} in the process's status")


def _started(pid: int) -> float:
    """Return when a process was started, in seconds since 1970; 0 if it has ended."""
    try:
        # The name in parentheses may hold anything: proc_pid_stat(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return 0.0
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
