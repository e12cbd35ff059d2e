"""What a lab must leave as it was: the machine's network, mounts, processes, groups."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from playground import cgroups
from playground.engine import LAB, OWNER, Engine
from playground.forking import forks
from playground.labels import find_nodes

# A kernel that is booted for tests alone (scripts/with-netem) takes all with it when it ends.
THROWN_AWAY = os.environ.get("PLAYGROUND_TESTS_ON") == "netem"

# What others mount at any time: Docker for containers, and a build of Debian.
_OTHERS_MOUNTS = re.compile(
    r"/(var/lib|run|var/run)/(docker|containerd|containers)/|.*/mmdebstrap\.\w+(/|$)"
)


def state() -> dict[str, Any]:
    """Return what of this machine no lab may change, by name."""
    return {"mounts": _mounts(), **_network()}


def changed(before: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as it was in `state`: was, is; of mounts those that came."""
    now = state()
    different = {
        name: (before.get(name), now.get(name))
        for name in before.keys() | now.keys()
        if name != "mounts" and before.get(name) != now.get(name)
    }
    if came := Counter(now["mounts"]) - Counter(before["mounts"]):
        different["mounts"] = ([], list(came.elements()))
    return different


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
        with contextlib.suppress(OSError):
            environ = Path(entry.path, "environ").read_bytes()
            labels = dict(
                word.split("=", 1)
                for word in environ.decode("utf-8", "replace").split("\0")
                if word.startswith("playground.") and "=" in word
            )
            if LAB in labels:
                found.add(labels[LAB])
            if OWNER in labels:
                owners[labels[LAB]] = labels[OWNER]
    return {lab for lab in found if not is_elsewhere(owners.get(lab, ""))}


def is_elsewhere(owner: str) -> bool:
    """Whether the owner of a lab is another program that runs."""
    pid = owner.rpartition(":")[2]
    return pid.isdigit() and int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()


def _mounts() -> list[tuple[str, str]]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        if not _OTHERS_MOUNTS.match(point):
            found.append((point, right.split(" ")[0]))
    return found


def _network() -> dict[str, Any]:
    """Interfaces, routes, rules and sysctls of the machine, without Docker's bridges.

    A build by somebody else plugs containers into docker0 at any time; nothing
    of ours is ever plugged into a bridge of the machine.

    """
    links = _json("ip", "-json", "link")
    others = {
        link["ifname"]
        for link in links
        if link.get("master") or link["ifname"].startswith(("docker", "br-"))
    }
    return {
        "interfaces": sorted({link["ifname"] for link in links} - others),
        "routes": [
            (route.get("dst"), route.get("gateway"), route.get("dev"))
            for family in ("-4", "-6")
            for route in _json("ip", family, "-json", "route")
            if route.get("dev") not in others
        ],
        "rules": _output("nft", "--stateless", "list", "ruleset"),
        **_sysctls(),
    }


def _sysctls() -> dict[str, bytes]:
    """The machine's network settings; of interfaces only those that all have."""
    found = {}
    for family in ("ipv4", "ipv6"):
        for folder, names, files in os.walk(f"/proc/sys/net/{family}"):
            if folder.endswith(("/conf", "/neigh")):
                names[:] = ["all", "default", "lo"]
            for name in files:
                # Some can only be written.
                with contextlib.suppress(OSError), open(f"{folder}/{name}", "rb", 0) as file:
                    found[f"{folder}/{name}"] = file.read()
    return found


def _json(*command: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = json.loads(_output(*command) or "[]")
    return data


def _output(*command: str) -> str:
    """What a command prints; nothing where it is missing or needs root (in CI: fail)."""
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
