"""The machine that a lab must leave as it was: network, mounts, processes, groups."""

from __future__ import annotations

import contextlib
import functools
import getpass
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.namespaces import cgroups
from playground.engines.namespaces.fork_client import forks
from playground.engines.namespaces.labels import find_labs, find_nodes
from playground.engines.seam import LAB, OWNER, Engine, LabRecord
from playground.errors import EngineError
from tests import second_kernel

# In the name of the user to whom labs of a session of tests belong: `mark_labs`.
MARK = "+tests-"

# A kernel that is booted for tests alone takes all with it when it ends.
THROWN_AWAY = second_kernel.HERE

# Where a host's root is put together (`namespaces.host_maker`), as it would look if that were
# done in the machine's own mount namespace: the top of a system, and its kernel's folders.
_OUR_MOUNTS = re.compile(
    r"/|/(bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)"
    r"|/(proc|dev)/.*|/sys/(?!fs/).*"
)

# As the agent and the plan call them: a node's own, switches' ports, VLANs, relays, and
# what reaches out of a lab (`outside.machine_side`).
_OUR_INTERFACES = re.compile(
    r"lo|eth\d+(\.\d+)?|[qbt]\d+\.\d+|relay\d+x?|.+-eth\d+|.{8}-[0-9a-f]{6}|machine|uplink|pg_\w+"
)
_OUR_RULES = re.compile(r"playground|\"pg_\w+\"")

# Docker switches forwarding on when it starts, and uplinks of other programs do.  How many
# neighbours the machine remembers people set, for benchmarks or as `playground doctor` advises.
_OTHERS_SYSCTLS = re.compile(
    r".*/(ip_forward|conf/(all|default)/forwarding|neigh/default/gc_thresh\d)"
)


def state() -> dict[str, Any]:
    """Return what of this machine a lab of ours could change, by name.

    Other programs use the same machine: they mount file systems, start containers,
    add interfaces, and have labs of their own.  So only what bears our names counts,
    and what stands where ours would.

    """
    return {"mounts": mounts(), **_network()}


def changed(before: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as it was in `state`: was, is; of lists what went, what came.

    Mounts and links with the machine that go are no damage: they may be a lab's of
    another program that has ended.

    """
    different = {}
    now = state()
    for name in before.keys() | now.keys():
        was, there = before.get(name), now.get(name)
        if isinstance(was, list) and isinstance(there, list):
            went, came = Counter(was) - Counter(there), Counter(there) - Counter(was)
            gone = [one for one in went.elements() if not _may_go(name, one)]
            was, there = gone, list(came.elements())
        if was != there:
            different[name] = was, there
    return different


def _may_go(name: str, one: Any) -> bool:
    return name in ("mounts", "rules") or "pg_" in str(one)


def mark_labs(is_worker: bool = False) -> None:
    """Let all labs that this program's tests start, in whatever program, be told from others.

    The name of a user that getpass.getuser() finds is part of a lab's owner.  By it
    labs are ours even when their owner has been killed, and another session's are not.

    """
    user = os.environ.get("LOGNAME", "")
    if MARK not in user or is_worker:
        name = getpass.getuser().partition(MARK)[0]
        os.environ["LOGNAME"] = f"{name}{MARK}{os.getpid()}"


def children() -> set[int]:
    """Return the processes that this one has started and that are still there, dead or alive."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    # The fork server stays half a second for the next lab: `tests.census` counts it.
    return found - {forks.pid}


def first_process(engine: Engine, lab: str, node: str) -> int:
    """Return the process id of a host's first process as this machine counts.

    `Engine.pids` counts as the lab's agents do, which on bare namespaces have
    numbers of their own: to kill by those would hit somebody else.

    """
    inside = find_nodes(lab)
    return inside[node][0] if node in inside else engine.pids(lab)[node]


def labs_with_remains() -> set[str]:
    """Return the ids of labs on bare namespaces with a process or a control group.

    Whoever's process it is, and wherever it has got to.  Labs of other programs
    that run are left out.

    """
    found, owners = set(cgroups.lab_ids()), {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"{entry.path}/environ", "rb", 0) as file:
            environ = file.read()
            if b"playground." not in environ:
                continue
            labels = dict(
                word.split("=", 1)
                for word in environ.decode("utf-8", "replace").split("\0")
                if word.startswith("playground.") and "=" in word
            )
            if LAB in labels:
                found.add(labels[LAB])
            if OWNER in labels:
                owners[labels[LAB]] = labels[OWNER]
    # Another worker's class that is being marked has groups too, which no process names.
    marked = {lab for lab in found - owners.keys() if lab.startswith("grade-")}
    return {lab for lab in found - marked if not is_elsewhere(owners.get(lab, ""))}


def ours(records: Iterable[LabRecord]) -> list[LabRecord]:
    """Return the labs of these tests among all of an engine."""
    return [record for record in records if not is_elsewhere(record.owner)]


def is_elsewhere(owner: str) -> bool:
    """Whether the owner of a lab is no program of these tests: another that runs, or theirs."""
    place, _, pid = owner.rpartition(":")
    user = place.rpartition("@")[0]
    if MARK in user:
        return user != os.environ.get("LOGNAME")
    return pid.isdigit() and int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()


def mounts() -> list[tuple[str, str]]:
    """The machine's mounts that could be ours: place and kind."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        if _OUR_MOUNTS.fullmatch(point) or "playground" in line:
            found.append((point, right.split(" ")[0]))
    return found


def _network() -> dict[str, Any]:
    """Interfaces, routes by them, rules and sysctls of the machine."""
    links = {link["ifname"]: link for link in _json("ip", "-json", "link")}
    theirs = _of_other_labs(links.values())
    ours = {name for name, link in links.items() if name not in theirs and _may_be_ours(link)}
    return {
        "interfaces": sorted(ours),
        "routes": [
            (route.get("dst"), route.get("gateway"), route.get("dev"))
            for family in ("-4", "-6")
            for route in _json("ip", family, "-json", "route")
            if route.get("dev") in ours
        ],
        "rules": _rules(theirs),
        **_sysctls(),
    }


def _may_be_ours(link: dict[str, Any]) -> bool:
    """Whether an interface could be a lab's or these tests', or is one that a lab may take in."""
    name = link["ifname"]
    return bool(
        _OUR_INTERFACES.fullmatch(name)
        or "playground" in link.get("ifalias", "")
        or re.fullmatch(rf"pg[a-z]{os.getpid()}x?", name)
        or Path("/sys/class/net", name, "device").exists()
    )


def _of_other_labs(links: Iterable[dict[str, Any]]) -> set[str]:
    """Return the links with the machine that labs of other programs have."""
    labs = {}
    for link in links:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            labs[link["ifname"]] = json.loads(link["ifalias"])["to"].partition("/")[0]
    if not labs:
        return set()
    owners = {record.id: record.owner for record in find_labs()}
    with contextlib.suppress(EngineError), contextlib.closing(DockerEngine()) as docker:
        owners |= {record.id: record.owner for record in docker.labs()}
    return {name for name, lab in labs.items() if is_elsewhere(owners.get(lab, ""))}


def _rules(theirs: set[str]) -> list[str]:
    """Return our tables and chains of nftables, and our lines in those of others."""
    found, around = [], ""
    for line in _output("nft", "--stateless", "list", "ruleset").splitlines():
        around = line if line.startswith("table ") else around
        text = f"{around} {line.strip()}"
        if _OUR_RULES.search(text) and not any(name in text for name in theirs):
            found.append(text)
    return found


def _sysctls() -> dict[str, bytes]:
    """The machine's network settings; of interfaces only those that all have."""
    found = {}
    for path in _sysctl_files():
        # Some can only be written.
        with contextlib.suppress(OSError), open(path, "rb", 0) as file:
            found[path] = file.read()
    return found


@functools.cache
def _sysctl_files() -> tuple[str, ...]:
    found = []
    for family in ("ipv4", "ipv6"):
        for folder, names, files in os.walk(f"/proc/sys/net/{family}"):
            if folder.endswith(("/conf", "/neigh")):
                names[:] = ["all", "default", "lo"]
            found += [f"{folder}/{name}" for name in files]
    return tuple(path for path in found if not _OTHERS_SYSCTLS.fullmatch(path))


def _json(*command: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = json.loads(_output(*command) or "[]")
    return data


def _output(*command: str) -> str:
    """The output of a command; "" where it is missing or needs root (in CI: fail)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        complaint = f"there is no {command[0]} here"
    else:
        if done.returncode == 0:
            return done.stdout
        complaint = f"{' '.join(command)} failed: {done.stderr}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI has to see the machine's network, but {complaint}")
    return ""
