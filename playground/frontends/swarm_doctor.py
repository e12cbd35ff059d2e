"""The doctor's look at a Docker Swarm, for `playground doctor --engine swarm`.

As `frontends.doctor` does for Docker.  The servers of playground measure the network between the
machines; where they do not run yet, they are started, and stay for the labs to come.

"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.examination import (
    Examination,
    SeenFrom,
    without_ipsec,
)
from playground.engines.swarm.machine_engines import VARIABLE as MACHINES
from playground.engines.swarm.manager import HOST_MB, MINIMUM_ENGINE, SwarmNode, version_number
from playground.engines.swarm.registry import VARIABLE
from playground.engines.swarm.specs import ESP_BYTES, NETWORK, TUNNEL_BYTES
from playground.errors import EngineError
from playground.frontends.doctor_finding import Finding

_LINK_MTU_BYTES = 1500
# They are asked at once, but each a moment after its connection is up.
_CLOCKS_APART_S = 2.0
# More than a network of machines in one room takes.
_SLOW_MS = 5.0


def examine(engine: SwarmEngine | None = None) -> list[Finding]:
    """Look at a swarm; what is found is no error.

    >>> [finding.name for finding in examine() if finding.status == "fail"]
    []

    """
    engine = engine or SwarmEngine()
    try:
        return list(findings(engine.examine()))
    except EngineError as error:
        return [Finding("engine", "fail", "no usable Docker Swarm", str(error))]


def findings(found: Examination) -> Iterator[Finding]:
    """Say what an examination means.  Pure."""
    yield Finding("engine", "ok", f"Docker {found.engine_version}, a manager of its swarm")
    for machine in found.machines:
        yield _machine(machine)
    yield _managers(found.machines)
    yield _room(found.machines)
    yield _registry(found)
    if len(found.machines) == 1:
        return
    if found.unseen:
        yield Finding("reachability", "warn", f"not measured: {found.unseen}", "start a lab first")
        return
    yield from _servers(found)
    yield from _reachability(found.seen, found.encrypted)
    yield from _mtu(found)
    yield from _encryption(found)
    yield from _clocks(found.seen)


def _machine(machine: SwarmNode) -> Finding:
    name = f"machine {machine.name}"
    role = "manager" if machine.is_manager else "worker"
    described = f"Docker {machine.engine_version}, {role}, {machine.address}"
    if not machine.is_up:
        return Finding(
            name,
            "warn",
            f"{described}: down, or cut off from the manager",
            f"look at its dockerd, or let go of it: docker node rm --force {machine.name}",
        )
    if not machine.is_ready:
        return Finding(
            name,
            "warn",
            f"{described}: takes no tasks (paused or drained)",
            f"docker node update --availability active {machine.name}",
        )
    if version_number(machine.engine_version) < MINIMUM_ENGINE:
        needed = ".".join(map(str, MINIMUM_ENGINE))
        return Finding(name, "fail", f"{described}: too old", f"update it to {needed} or newer")
    room = machine.room.room
    return Finding(
        name,
        "ok",
        f"{described}; {room.cpus:g} CPUs, {room.memory_mb:.0f} MB: room for {room.hosts:.0f} "
        "plain hosts",
    )


def _managers(machines: tuple[SwarmNode, ...]) -> Finding:
    count = sum(machine.is_manager for machine in machines)
    if count == 2:
        return Finding(
            "managers",
            "warn",
            "2: where either is gone, no lab can be started or stopped",
            "one, or three: docker node promote NAME",
        )
    # https://docs.docker.com/engine/swarm/raft/: (N - 1) / 2 of N may fail.
    may_fail = (count - 1) // 2
    words = f"{may_fail} of them may fail" if may_fail else "labs start and stop while it is up"
    return Finding("managers", "ok", f"{count}: {words}")


def _room(machines: tuple[SwarmNode, ...]) -> Finding:
    ready = [machine for machine in machines if machine.is_ready]
    total = sum(machine.room.room.hosts for machine in ready)
    words = f"{total:.0f} plain hosts on {len(ready)} machines, at {HOST_MB} MB each"
    if not ready:
        return Finding("room", "fail", "no machine takes tasks", "see the machines above")
    return Finding("room", "ok", words)


def _registry(found: Examination) -> Finding:
    if found.registry_error:
        return Finding(
            "registry", "fail", found.registry_error, "or start one: playground registry"
        )
    if found.registry:
        return Finding("registry", "ok", f"{found.registry} answers the manager")
    if len(found.machines) == 1:
        return Finding("registry", "ok", "none, and one machine needs none")
    carried = "none is named: images are carried from the manager to the other machines"
    if found.way:
        return Finding("registry", "ok", f"{carried}, whose engines are at {found.way}")
    return Finding(
        "registry",
        "warn",
        f"{carried}, but nobody said how the first one gets there",
        f"say it, as in {MACHINES}=ssh://root@{{address}}, or name a registry, as in "
        f"{VARIABLE}=registry.example.com:5000, or start one: playground registry",
    )


def _servers(found: Examination) -> Iterator[Finding]:
    seen = {one.machine for one in found.seen if not one.error}
    silent = [one.name for one in found.machines if one.is_ready and one.name not in seen]
    reasons = "; ".join(f"{one.machine}: {one.error}" for one in found.seen if one.error)
    if silent:
        yield Finding(
            "servers",
            "fail",
            f"none answers on {', '.join(silent)}{f' ({reasons})' if reasons else ''}",
            "let TCP and UDP port 7946 and UDP port 4789 through between all machines",
        )
    else:
        yield Finding("servers", "ok", f"one of playground answers on each of {len(seen)} machines")
    if found.idle:
        yield Finding(
            "other versions",
            "ok",
            f"no lab needs the servers that other versions of playground have started: "
            f"`docker service rm {' '.join(found.idle)}` takes them down; who starts a lab with "
            "that version has them again",
        )


def _reachability(seen: tuple[SeenFrom, ...], encrypted: bool) -> Iterator[Finding]:
    times, lost, cut = [], [], []
    for one in seen:
        for other, small in (one.small_ms or {}).items():
            full = (one.full_ms or {}).get(other)
            if small is None:
                lost.append(f"{one.machine} to {other}")
            elif full is None:
                cut.append(f"{one.machine} to {other}")
            else:
                times.append(small)
    count = len(times) + len(lost) + len(cut)
    if lost:
        words = "a kernel without IPsec drops what is encrypted; else " if encrypted else ""
        yield Finding(
            "reachability",
            "fail",
            f"{len(lost)} of {count} ways between machines carry nothing: {_some(lost)}",
            f"{words}let UDP port 4789 through between all machines",
        )
    if cut:
        yield Finding(
            "reachability",
            "fail",
            f"{len(cut)} of {count} ways lose packets of full size: {_some(cut)}",
            "the network below takes smaller packets than the machines believe: set the MTU of the "
            "machines' interfaces to what it takes",
        )
    if times and not (lost or cut):
        middle = statistics.median(times)
        yield Finding(
            "reachability",
            "ok" if middle < _SLOW_MS else "warn",
            f"all {count} ways between machines, there and back in {min(times):.2f} to "
            f"{max(times):.2f} ms (median {middle:.2f})",
            "" if middle < _SLOW_MS else "links that cross machines are no faster than this",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _mtu(found: Examination) -> Iterator[Finding]:
    sizes = {one.mtu_bytes for one in found.seen if one.mtu_bytes}
    if not sizes:
        return
    smallest = min(sizes)
    needed = _LINK_MTU_BYTES + TUNNEL_BYTES
    words = f"{smallest} bytes in the network {NETWORK}"
    if smallest >= needed:
        yield Finding("mtu", "ok", f"{words}: a full packet of a lab passes in one")
        return
    below = needed + TUNNEL_BYTES + (ESP_BYTES if found.encrypted else 0)
    option = " --encrypted" if found.encrypted else ""
    yield Finding(
        "mtu",
        "ok",
        f"{words}: a full packet of a lab, with {TUNNEL_BYTES} bytes of its tunnel, passes in two "
        f"fragments, at about half the speed. Where the machines' own network takes packets of "
        f"{below} bytes, `playground overlay{option} --mtu {below}` makes one that takes it whole",
    )


def _encryption(found: Examination) -> Iterator[Finding]:
    lacking = without_ipsec(found.seen)
    if found.encrypted and lacking:
        yield Finding(
            "encryption",
            "fail",
            f"the network {NETWORK} is encrypted, and the kernels of {', '.join(lacking)} have no "
            "IPsec (CONFIG_XFRM_USER, CONFIG_INET_ESP)",
            f"load xfrm_user and esp4 there, or make the network {NETWORK} anew without encryption",
        )
    elif found.encrypted:
        yield Finding("encryption", "ok", "links that cross machines are encrypted (IPsec)")
    elif lacking:
        words = f"not encrypted, and cannot be: no IPsec in the kernels of {', '.join(lacking)}"
        yield Finding("encryption", "ok", f"links that cross machines are {words}")
    else:
        yield Finding(
            "encryption",
            "ok",
            "links that cross machines are not encrypted; `playground overlay --encrypted` makes "
            "a network on which they are",
        )


def _clocks(seen: tuple[SeenFrom, ...]) -> Iterator[Finding]:
    clocks = [(one.clock_s, one.machine) for one in seen if one.clock_s]
    if not clocks:
        return
    (first, early), (last, late) = min(clocks), max(clocks)
    if last - first > _CLOCKS_APART_S:
        yield Finding(
            "clocks",
            "warn",
            f"that of {late} is {last - first:.0f} s ahead of that of {early}: times in captures "
            "of two machines do not compare",
            "run an NTP client on each machine, as chrony or systemd-timesyncd",
        )
    else:
        yield Finding("clocks", "ok", "they agree")
