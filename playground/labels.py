"""Labs of bare namespaces, found by the labels in their processes' environments.

There is no file that could be left behind or be wrong: what runs is what /proc
shows.  A keeper has the labels of its lab, ``playground.lab`` and the others of
`playground.engine`, and a host's first process has ``playground.lab`` and
``playground.node``.  A user sees the labs of those whose processes it may look
into: its own, and root all of them.

See proc(5), pid_namespaces(7).

"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from playground.engine import KEEP, LAB, NAME, NODE, OWNER, ROLE, LabRecord

KEEPER = "keeper"


@dataclass(frozen=True)
class Found:
    """A keeper or a host's first process: its number here, and its numbers further in.

    ``pids`` go from this machine's process-id namespace inwards; a keeper has one.

    """

    pids: tuple[int, ...]
    labels: Mapping[str, str]


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
            pids = _pids(Path(entry.path, "status").read_text())
        except OSError:
            continue  # it ended meanwhile, or is another user's
        # Whatever a host's processes put into their environment, none but its
        # first is the first, and a keeper is in no lab.
        role = labels.get(ROLE)
        if (role == KEEPER and len(pids) == 1) or (
            role == "node" and len(pids) == 3 and pids[-1] == 1
        ):
            yield Found(pids, labels)


def find_keeper(lab_id: str) -> int | None:
    """Return the process id of a lab's keeper; None if there is no such lab."""
    for found in processes():
        if found.labels.get(ROLE) == KEEPER and found.labels.get(LAB) == lab_id:
            return found.pids[0]
    return None


def find_nodes(lab_id: str) -> dict[str, tuple[int, ...]]:
    """Return the process ids of each host of a lab: here, in the lab, in the host."""
    return {
        found.labels[NODE]: found.pids
        for found in processes()
        if found.labels.get(LAB) == lab_id and NODE in found.labels
    }


def find_labs() -> list[LabRecord]:
    """Return the labs that run, oldest first."""
    keepers: dict[str, Found] = {}
    nodes: dict[str, list[str]] = {}
    for found in processes():
        lab = found.labels.get(LAB, "")
        if found.labels.get(ROLE) == KEEPER:
            keepers[lab] = found
        else:
            nodes.setdefault(lab, []).append(found.labels.get(NODE, ""))
    records = [
        LabRecord(
            id=lab,
            name=found.labels.get(NAME, ""),
            owner=found.labels.get(OWNER, ""),
            nodes=tuple(sorted(nodes.get(lab, []))),
            created=_started(found.pids[0]),
            keep=found.labels.get(KEEP) == "1",
        )
        for lab, found in keepers.items()
    ]
    return sorted(records, key=lambda record: record.created)


def _labels(environ: bytes) -> dict[str, str]:
    entries = environ.decode("utf-8", "surrogateescape").split("\0")
    return dict(
        entry.split("=", 1) for entry in entries if entry.startswith("playground.") and "=" in entry
    )


def _pids(status: str) -> tuple[int, ...]:
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return tuple(map(int, line.split()[1:]))
    return ()


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
