"""Labs of bare namespaces, found by the labels in their processes' environments.

There is no file that could be left behind or be wrong: what runs is what /proc
shows.  A keeper has the labels of its lab, those of `engines.seam`.  Which hosts a lab
has is told by its makers, in `host_register`: what stands in the environment of a host's
process is of the host's choice.  A user sees the labs of those whose processes it may
look into: its own, and root all of them.

See proc(5), pid_namespaces(7).

"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from playground.agent.kernel.process_stat import process_stat
from playground.engines.namespaces import host_register
from playground.engines.seam import KEEP, LAB, MARK, NAME, OWNER, ROLE, LabRecord
from playground.model.records import dataclass

KEEPER = "keeper"

# Of a program that runs as its file's owner or group, inode(7).
_SET_ID = stat.S_ISUID | stat.S_ISGID

# More no exec(2) takes; but a process may call all of its memory so: PR_SET_MM(2const).
_ENVIRON_BYTES = 8 << 20

# The letters of a lab's id; control groups are called so too.
_LAB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


@dataclass(frozen=True)
class Found:
    """A keeper; ``uid`` is whose it is on this machine."""

    pid: int
    labels: Mapping[str, str]
    uid: int


def keepers(proc: Path = Path("/proc")) -> Iterator[Found]:
    """Yield every keeper that may be looked at.

    Of what runs in any lab, or container, nothing is read.

    """
    with os.scandir(proc) as entries:
        numbered = [entry for entry in entries if entry.name.isdigit()]
    here = os.stat("/proc/self/ns/pid").st_ino
    for entry in numbered:
        try:
            if os.stat(f"{entry.path}/ns/pid").st_ino != here:
                continue
            with open(f"{entry.path}/environ", "rb", buffering=0) as file:
                environ = file.read(_ENVIRON_BYTES)
            if b"playground.role=" not in environ:
                continue
            labels = _labels(environ)
            status = Path(entry.path, "status").read_text()
            pids, uids = _numbers(status, "NSpid"), _numbers(status, "Uid")
            # Another user may start a program that becomes root, with any environment.
            became = len(set(uids)) > 1 or _starts_as_its_owner(f"{entry.path}/exe")
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if became:
            continue
        # Whatever a host's processes put into their environment, a keeper is in no lab.
        is_keeper = labels.get(ROLE) == KEEPER and len(pids) == 1
        if is_keeper and _LAB_ID.fullmatch(labels.get(LAB, "")):
            yield Found(pids[0], labels, uids[0])


def _starts_as_its_owner(program: str) -> bool:
    """Whether a program may have become another user by its mode; see execve(2).

    What keepers run from has no name in a file system, so nobody else can start it; but a
    host that has come by it may change its mode.

    """
    if os.readlink(program).startswith("/memfd:"):
        return False
    return bool(os.stat(program).st_mode & _SET_ID)


def _own_first(found: Found) -> tuple[bool, int]:
    """Order what bears the labels of one lab: whoever may start programs may forge them."""
    return found.uid != os.geteuid(), found.uid


def find_keeper(lab_id: str, *, own: bool = False) -> int | None:
    """Return the process id of a lab's keeper; None if there is no such lab.

    This user's own comes first, and with ``own`` there is no other: whoever may
    start programs here may give them a keeper's labels.

    """
    found = min(
        (keeper for keeper in keepers() if keeper.labels.get(LAB) == lab_id),
        key=_own_first,
        default=None,
    )
    if found is None or (own and found.uid != os.geteuid()):
        return None
    return found.pid


def find_nodes(lab_id: str) -> dict[str, tuple[int, ...]]:
    """Return the process ids of each host of a lab: here, in the lab, in the host."""
    keeper = find_keeper(lab_id)
    if keeper is None:
        return {}
    names = {first: name for name, first in host_register.noted(keeper).items()}
    if not names:
        return {}
    return {names[first]: pids for first, pids in host_register.running() if first in names}


def find_labs() -> list[LabRecord]:
    """Return the labs that run, oldest first.

    Of those that bear one id this user's own is the lab, or one other's.

    """
    chosen: dict[str, Found] = {}
    for found in sorted(keepers(), key=_own_first):
        chosen.setdefault(found.labels[LAB], found)
    there = {first for first, _ in host_register.running()} if chosen else set()
    records = [
        LabRecord(
            id=lab_id,
            name=found.labels.get(NAME, ""),
            owner=found.labels.get(OWNER, ""),
            nodes=tuple(
                sorted(
                    name for name, first in host_register.noted(found.pid).items() if first in there
                )
            ),
            created=_started(found.pid),
            keep=found.labels.get(KEEP) == "1",
            mark=found.labels.get(MARK, ""),
            uid=found.uid,
        )
        for lab_id, found in chosen.items()
    ]
    return sorted(records, key=lambda record: record.created)


def _labels(environ: bytes) -> dict[str, str]:
    # Behind a keeper's are thousands of empty ones, the room for a longer environment.
    entries = environ.rstrip(b"\0").decode("utf-8", "surrogateescape").split("\0")
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
        ticks = process_stat(pid).started_ticks
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return 0.0
    return boot + ticks / os.sysconf("SC_CLK_TCK")
