"""Fixtures: the engine, labs of a test's own, and the check that nothing stays."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.docker_engine import DockerEngine
from playground.engine import LabLabels, LabRecord
from playground.errors import EngineError

# How long what a dead owner left may take to disappear: the guardian looks for
# a second after the last it saw.
PATIENCE_S = 10.0


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    """The engine that the environment leads to; without one, skip (in CI: fail)."""
    engine = DockerEngine()
    try:
        engine.check()
    except EngineError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs a container engine, but {error}")
        pytest.skip(str(error))
    yield engine
    engine.close()


@pytest.fixture
def new_lab(engine: DockerEngine) -> Iterator[Callable[[], LabLabels]]:
    """Make the labels of labs that are stopped when the test ends."""
    made: list[LabLabels] = []

    def make(name: str = "test", keep: bool = False) -> LabLabels:
        owner = f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
        made.append(LabLabels(f"{name}-{secrets.token_hex(3)}", name, owner, keep))
        return made[-1]

    yield make
    for labels in made:
        engine.stop(labels.id)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each engine test: no container of its labs, the machine's network as before."""
    if request.node.get_closest_marker("docker") is None:
        yield
        return
    engine = request.getfixturevalue("engine")
    before = {record.id for record in engine.labs()}
    network = _network()
    yield
    # Fixtures of a wider scope may keep labs for tests that follow.
    kept = before | set(getattr(request.session, "kept_labs", ()))
    _wait_for(lambda: _ours(engine.labs(), kept), [], "labs were left")
    _wait_for(lambda: _changed(network), {}, "the machine's own network was changed")


@pytest.fixture(scope="session")
def keep_lab(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell `nothing_left` that the lab of this id belongs to a fixture of wider scope."""
    kept: set[str] = set()
    request.session.kept_labs = kept  # type: ignore[attr-defined]
    return kept.add


def _ours(records: list[LabRecord], before: set[str]) -> list[LabRecord]:
    """Labs that came since, of this process or of one that is no more.

    Other programs may use the engine at the same time; their labs have an
    owner that lives.

    """
    return [
        record
        for record in records
        if record.id not in before and not _alive_elsewhere(record.owner)
    ]


def _alive_elsewhere(owner: str) -> bool:
    pid = owner.rpartition(":")[2]
    return pid.isdigit() and int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()


def _changed(before: dict[str, Any]) -> dict[str, Any]:
    """What of the machine's network is not as before: was, is."""
    now = _network()
    return {
        name: (before.get(name), now.get(name))
        for name in before.keys() | now.keys()
        if before.get(name) != now.get(name)
    }


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


def _wait_for(look: Callable[[], Any], wanted: Any, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := look()) != wanted:
        if time.monotonic() > deadline:
            pytest.fail(f"{complaint}: {seen!r}, not {wanted!r}")
        time.sleep(0.05)
