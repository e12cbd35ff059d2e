"""Applying changes: plans turned into the agent's requests, and sent.

Each function takes a line to the agent, the process id of every node's first
process, and what to do; none keeps anything.  All ids are of the agent's own
pid namespace.

"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playground.changes import Changes, NodeChange
from playground.errors import AgentError
from playground.operations import Agent
from playground.plan import Plan, RoutePlan, WireEnd, WirePlan
from playground.provision import Check, NodeProvision
from playground.services import File

Pids = Mapping[str, int]


def wire(agent: Agent, pids: Pids, plan: Plan, change: Changes) -> None:
    """Make the bridges and veth pairs that `change` adds.

    All or nothing: what a failing request made is gone when the error comes.

    """
    if change.bridges_add or change.wires_add:
        agent.call(
            "wire",
            bridges=[{"device": device} for device in change.bridges_add],
            veths=[_veth(pair, pids, plan) for pair in change.wires_add],
        )


def unwire(agent: Agent, pids: Pids, plan: Plan, change: Changes) -> None:
    """Remove again the bridges and veth pairs that `change` adds.

    What is gone already, with a node that has died for instance, is passed over.

    """
    agent.call(
        "unwire",
        bridges=[{"device": device} for device in change.bridges_add],
        veths=[
            _end(end, pids, plan)
            for pair in change.wires_add
            for end in (pair.a, pair.b)
            if end.node in pids or _is_switch(end, plan)
        ],
    )


def configure(agent: Agent, pids: Pids, inside: Iterable[NodeChange]) -> None:
    """Set addresses, routes, sysctls and rules inside the nodes."""
    changing = [change for change in inside if change.node in pids]
    if changing:
        agent.call("network", nodes=[_network(change, pids) for change in changing])
    rules = [change for change in changing if change.ruleset is not None]
    if rules:
        agent.call(
            "firewall",
            nodes=[{"pid": pids[change.node], "ruleset": change.ruleset} for change in rules],
        )


def furnish(
    agent: Agent,
    pids: Pids,
    wanted: Mapping[str, NodeProvision],
    present: Mapping[str, NodeProvision],
) -> list[Check]:
    """Give nodes what `wanted` has for them and `present` has not.

    Accounts and files are written, programs of new nodes started, and those of
    the others, where a file of theirs has changed, started anew.  Returns the
    checks that tell when all that was started here answers.

    """
    new = {name: node for name, node in wanted.items() if name not in present}
    changed = {
        name: [file for file in node.files if file not in set(_files(present.get(name)))]
        for name, node in wanted.items()
    }
    _accounts(agent, pids, new)
    _write(agent, pids, changed, present)
    starting = {name: node.programs for name, node in new.items() if node.programs}
    if starting:
        agent.call(
            "boot",
            nodes=[
                {"pid": pids[name], "programs": list(programs)}
                for name, programs in starting.items()
            ],
        )
    for name, files in changed.items():
        programs = {program for file in files for program in file.programs}
        if name not in new and programs:
            starting[name] = tuple(programs)
            _restart(agent, pids[name], sorted(programs))
    return [check for name in starting for check in wanted[name].checks]


def wait_ready(
    agent: Agent, pids: Pids, checks: Sequence[Check], timeout_s: float
) -> list[dict[str, Any]]:
    """Wait until every service answers; return those that did not in time."""
    if not checks:
        return []
    requests = [check.request(pids[check.node]) for check in checks]
    failures: list[dict[str, Any]] = agent.call("wait_ready", checks=requests, timeout_s=timeout_s)
    return failures


def read_log(agent: Agent, pid: int, paths: Iterable[str]) -> str:
    """Return the last lines of a service's logs, for an error's text."""
    lines: list[str] = []
    for path in paths:
        with contextlib.suppress(AgentError):  # a log that was never written
            content = base64.b64decode(agent.call("read_file", pid=pid, path=path))
            lines += content.decode(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(lines[-_LOG_LINES:])


def _accounts(agent: Agent, pids: Pids, new: Mapping[str, NodeProvision]) -> None:
    passwords = {user.password for node in new.values() for user in node.users}
    if not passwords:
        return
    ordered = sorted(passwords)
    hashes = dict(zip(ordered, agent.call("hash_passwords", passwords=ordered), strict=True))
    agent.call(
        "accounts",
        nodes=[
            {"pid": pids[name], "users": [user.request(hashes) for user in node.users]}
            for name, node in new.items()
        ],
    )


def _write(
    agent: Agent,
    pids: Pids,
    changed: Mapping[str, Sequence[File]],
    present: Mapping[str, NodeProvision],
) -> None:
    nodes = []
    for name, files in changed.items():
        old = {file.path: file for file in _files(present.get(name))}
        requests = []
        for file in files:
            content = file.content
            if file.path in _MERGED and file.path in old:
                now = base64.b64decode(agent.call("read_file", pid=pids[name], path=file.path))
                content = _merge(now, old[file.path].content, content)
            requests.append(_file(file, content))
        if requests:
            nodes.append({"pid": pids[name], "files": requests})
    if nodes:
        agent.call("files", nodes=nodes)


# Files that people edit while the lab runs, and the lab too when it grows.
_MERGED = frozenset({"/etc/hosts"})

# As many lines of a log as one reads to see what went wrong.
_LOG_LINES = 20


def _merge(now: bytes, old: bytes, new: bytes) -> bytes:
    """Change a file from `old` to `new` and keep what somebody has added since."""
    before, after = old.splitlines(), new.splitlines()
    kept = [line for line in now.splitlines() if line not in before]
    return b"".join(line + b"\n" for line in (*after, *kept))


def _file(file: File, content: bytes) -> dict[str, Any]:
    return {
        "path": file.path,
        "content": base64.b64encode(content).decode(),
        "mode": file.mode,
        "uid": file.uid,
        "gid": file.gid,
        "append": file.append,
    }


def _restart(agent: Agent, pid: int, programs: Sequence[str]) -> None:
    # try-restart leaves alone what somebody has stopped: sv(8).
    argv = ["sv", "-w", "10", "try-restart", *(f"/run/service/{name}" for name in programs)]
    agent.spawn(pid, argv).communicate(timeout_s=30)


def _files(node: NodeProvision | None) -> tuple[File, ...]:
    return node.files if node else ()


def _is_switch(end: WireEnd, plan: Plan) -> bool:
    return any(end.node == switch.name for switch in plan.switches)


def _veth(pair: WirePlan, pids: Pids, plan: Plan) -> dict[str, Any]:
    return {
        "a": _end(pair.a, pids, plan),
        "b": _end(pair.b, pids, plan),
        "mtu_bytes": pair.mtu_bytes,
        "offload": pair.offload,
    }


def _end(end: WireEnd, pids: Pids, plan: Plan) -> dict[str, Any]:
    for switch in plan.switches:
        if switch.name == end.node:
            return {
                "pid": None,
                "interface": end.interface,
                "mac": None,
                "bridge": switch.device,
            }
    interfaces = plan.node(end.node).interfaces
    mac = next(item.mac for item in interfaces if item.name == end.interface)
    return {"pid": pids[end.node], "interface": end.interface, "mac": mac, "bridge": None}


def _network(change: NodeChange, pids: Pids) -> dict[str, Any]:
    return {
        "pid": pids[change.node],
        "interfaces": [
            {"name": item.name, "addresses": [str(address) for address in item.addresses]}
            for item in change.interfaces
        ],
        "sysctls": dict(change.sysctls),
        "routes_add": [_route(route) for route in change.routes_add],
        "routes_remove": [_route(route) for route in change.routes_remove],
    }


def _route(route: RoutePlan) -> dict[str, str | None]:
    return {
        "destination": str(route.destination),
        "via": str(route.via) if route.via is not None else None,
        "interface": route.interface,
    }
