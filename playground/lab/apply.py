"""Applying changes: plans turned into the agent's requests, and sent.

Each function takes a line to the agent, the process id of every node's first
process, and what to do; none keeps anything.  All ids are of the agent's own
pid namespace.

"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any, NamedTuple

from playground.errors import AgentError, NotReady
from playground.lab.autoconfigured import without_autoconfigured
from playground.lab.provision import Check, NodeProvision
from playground.model.services.dhcp import DHCP, DHCPRelay
from playground.model.services.settings import File
from playground.model.switches import PLAIN
from playground.operations.connection.client import Client
from playground.operations.connection.threads import each
from playground.planning.difference import Changes, NodeChange, SwitchChange, WireChange
from playground.planning.nft_text import find_edit, loadable
from playground.planning.plan import Plan
from playground.planning.plan_parts import (
    VXLAN_PORT,
    InterfacePlan,
    OwnRoutePlan,
    OwnRulePlan,
    RoutePlan,
    SwitchPlan,
    WireEnd,
    WirePlan,
    bridge_of,
)
from playground.planning.plan_steps import PlanStep

if TYPE_CHECKING:
    from playground.model.impairment import Impairment
    from playground.model.queues.link_queue import LinkQueue

Pids = Mapping[str, int]

# A server answers in milliseconds; a relayed one waits for routes that are found.
LEASE_TIMEOUT_S = 20.0


def carry_out(
    agent: Client, step: PlanStep, plumbing: Plumbing, before: Plumbing, undo: ExitStack
) -> None:
    """Turn the network of one plan into that of the next: wires, switches, what is inside nodes.

    ``plumbing`` is that of the plan after the step, ``before`` that of the one before it.
    ``undo`` gets what puts all back, however far it came.

    """
    change, pids, old_pids = step.change, plumbing.pids, before.pids
    old_plan = step.before
    if old_plan is not None:
        undo.callback(_carry_back, agent, step, before)
    wire(agent, pids, step.after, change)
    inside = change.inside
    power_off(agent, pids, step.after, change.nodes_stop, step.grace_s)
    if change.wires_remove:
        plug_in(agent, plumbing, change.wires_change)
        remove(agent, before, change.wires_remove)
        if old_plan is not None:
            undo.callback(lambda: wire(agent, old_pids, old_plan, step.back))
            forget(agent, pids, old_plan, change.wires_remove)
        set_up(agent, pids, inside)
    elif not plug_in(agent, plumbing, change.wires_change, inside):
        set_up(agent, pids, inside)
    load_rules(agent, pids, inside)
    rewire(agent, plumbing, change.wires_change)
    switch(agent, change.switches_change)


def _carry_back(agent: Client, step: PlanStep, before: Plumbing) -> None:
    """Put back what `carry_out` may have done to nodes and wires that were there."""
    back = step.back
    # Each is tried; what is new goes first, and gives its names and routes free.
    with ExitStack() as undo:
        undo.callback(switch, agent, back.switches_change)
        undo.callback(rewire, agent, before, back.wires_change)
        undo.callback(configure, agent, before.pids, back.inside)
        undo.callback(plug_in, agent, before, back.wires_change)
        undo.callback(power_off, agent, before.pids, step.after, back.nodes_stop, 0)
        undo.callback(unwire, agent, before.pids, step.after, step.change)


def power_off(
    agent: Client, pids: Pids, plan: Plan, names: Collection[str], grace_s: float
) -> None:
    """End all that runs on nodes, and let their kernels forget all but links."""
    if names:
        nodes = [
            {"pid": pids[name], "interfaces": [item.name for item in plan.node(name).interfaces]}
            for name in names
        ]
        agent.call("power_off", nodes=nodes, timeout_s=grace_s)


def wire(agent: Client, pids: Pids, plan: Plan, change: Changes) -> None:
    """Make the bridges and veth pairs that `change` adds.

    All or nothing: what a failing request made is gone when the error comes.

    """
    if change.bridges or change.wires:
        agent.call(
            "wire",
            bridges=[
                {"device": item.device}
                # The settings of a plain bridge are the agent's own affair.
                | ({"settings": item.settings.request()} if item.settings != PLAIN else {})
                | ({"vlans": True} if item.vlans else {})
                | ({"qinq": True} if item.qinq else {})
                | ({"machine": plan.placement[item.name]} if plan.placement else {})
                for item in plan.switches
                if item.device in change.bridges
            ],
            veths=_veths(change.wires, pids, _Ports(plan)),
        )
    if bonds := _switch_bonds(change.wires, pids, plan):
        agent.call("bond_ports", ends=bonds)


def _switch_bonds(wires: Iterable[WirePlan], pids: Pids, plan: Plan) -> list[dict[str, Any]]:
    """Return the ends of bonds at switches, of which nodes make the others."""
    bonded = [wire for wire in wires if wire.bond is not None]
    if not bonded:
        return []
    ports = _Ports(plan)
    found = {(item.name, bond.name): bond for item in plan.switches for bond in item.bonds}
    return [
        ports.end(end, pids)
        | {"bond": bond.request() | {"mtu_bytes": mtu_bytes, "mac": ""}, "offload": wire.offload}
        for wire in bonded
        for end, mtu_bytes in zip((wire.a, wire.b), wire.both_mtus, strict=True)
        if (bond := found.get((end.node, end.interface))) is not None
    ]


def unwire(agent: Client, pids: Pids, plan: Plan, change: Changes) -> None:
    """Remove again the bridges and veth pairs that `change` adds.

    What is gone already, with a node that has died for instance, is passed over.

    """
    if not (change.bridges or change.wires):
        return
    ports = _Ports(plan)
    agent.call(
        "unwire",
        bridges=[{"device": device} for device in change.bridges],
        veths=[
            ports.end(end, pids)
            for pair in change.wires
            for end in (pair.a, pair.b)
            if end.node in pids or end.node in ports.devices
        ],
    )


class Plumbing:
    """The wires of one running lab, in the words of the agent's requests."""

    def __init__(self, plan: Plan, pids: Pids) -> None:
        self._plan = plan
        self.pids = pids

    @cached_property
    def _ports(self) -> _Ports:
        return _Ports(self._plan)

    @property
    def switches(self) -> Collection[str]:
        """The names of all switches."""
        return self._ports.devices.keys()

    def ends(self, wire: WirePlan) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return both ends of a wire."""
        return self._ports.end(wire.a, self.pids), self._ports.end(wire.b, self.pids)

    def cut(self, wire: WirePlan) -> list[dict[str, Any]]:
        """Return the ends that are set down where the cable is pulled.

        Those at a node without power are down already, and stay so.

        """
        dark = self._plan.stopped_names
        return [
            self._ports.end(end, self.pids)
            for end in wire.cut(self.switches)
            if end.node not in dark
        ]

    def impairing(self, change: WireChange) -> list[dict[str, Any]]:
        """Return the directions that are to be impaired in another way, where they leave."""
        wire, wanted = change.old, change.new
        if change.replace_queues:
            wire = dataclasses.replace(
                wire, toward_a=None, toward_b=None, queue_a=None, queue_b=None
            )
        toward_a, toward_b = (
            ((wire.toward_a, wire.queue_a), (wanted.toward_a, wanted.queue_a)),
            ((wire.toward_b, wire.queue_b), (wanted.toward_b, wanted.queue_b)),
        )
        if toward_a[0] == toward_a[1] and toward_b[0] == toward_b[1]:
            return []
        ends = self.ends(wire)
        return [
            {
                "pid": leaves["pid"],
                "interface": leaves["interface"],
                # A link of two switches goes with the lab's own namespace.
                "watch": leaves["pid"] or arrives["pid"],
                "impairment": _direction(*new, wanted.mtu_bytes),
                "before": _direction(*old, wanted.mtu_bytes),
                "replace": change.replace_queues,
            }
            for leaves, arrives, (old, new) in (
                (ends[1], ends[0], toward_a),
                (ends[0], ends[1], toward_b),
            )
            if new != old
        ]

    def there(self, wire: WirePlan) -> bool:
        """Tell whether nodes at both ends run."""
        return all(end.node in self.pids or end.node in self.switches for end in (wire.a, wire.b))


def _direction(
    impairment: Impairment | None, queue: LinkQueue | None, mtu_bytes: int
) -> dict[str, Any] | None:
    """Return how frames fare in one direction, as the agent takes it."""
    if queue is None:
        return impairment.request(mtu_bytes) if impairment else None
    from playground.model.queues.direction import request

    return request(impairment, queue, mtu_bytes)


def plug_in(
    agent: Client,
    plumbing: Plumbing,
    changes: Iterable[WireChange],
    inside: Sequence[NodeChange] = (),
) -> bool:
    """Plug in again what is to be up, and set up what is ``inside`` nodes in the same request.

    Returns whether there was anything to plug in; where not, nothing is set up either.

    """
    return _plug(agent, plumbing, changes, True, inside)


def rewire(agent: Client, plumbing: Plumbing, changes: Iterable[WireChange]) -> None:
    """Impair wires that are there, or leave them alone, and unplug what is to be down."""
    changes = [change for change in changes if plumbing.there(change.old)]
    directions = [direction for change in changes for direction in plumbing.impairing(change)]
    if directions:
        agent.call("impair", directions=directions)
    _plug(agent, plumbing, changes, False)


def _plug(
    agent: Client,
    plumbing: Plumbing,
    changes: Iterable[WireChange],
    up: bool,
    inside: Sequence[NodeChange] = (),
) -> bool:
    ends = [
        end
        for change in changes
        if change.new.up == up != change.old.up and plumbing.there(change.old)
        for end in plumbing.cut(change.old)
    ]
    if ends:
        agent.call("link", ends=ends, up=up, nodes=_networks(inside, plumbing.pids))
    return bool(ends)


def switch(agent: Client, changes: Sequence[SwitchChange]) -> None:
    """Change how switches learn, keep loops open, tell VLANs apart, mirror and guard ports."""
    if requests := [switch_request(change.old, change.new) for change in changes]:
        agent.call("switch", bridges=requests)
    guards = [_guard_request(change.old, change.new) for change in changes]
    if wanted := [request for request in guards if request["guards"] or request["unguarded"]]:
        agent.call("guard_ports", bridges=wanted)


def _guard_request(old: SwitchPlan, new: SwitchPlan) -> dict[str, Any]:
    return {
        "device": new.device,
        "guards": [guard.request() for guard in old.guards_anew(new)],
        "unguarded": [guard.table for guard in old.unguarded(new)],
    }


def switch_request(old: SwitchPlan, new: SwitchPlan) -> dict[str, Any]:
    """Return what turns one switch into another, as the agent takes it."""
    before = old.mirror if old.mirror != new.mirror else None
    return {
        "device": new.device,
        "settings": new.settings.request(),
        "ports": [port.request() for port in old.moved(new)],
        "port_settings": [port.request() for port in old.set_anew(new)],
        "usual": [port.request() for port in old.usual_again(new)],
        "unmirror": list(dict.fromkeys((*before.entering, *before.leaving))) if before else [],
        "mirror": new.mirror.request() if new.mirror else None,
    }


def remove(agent: Client, plumbing: Plumbing, wires: Iterable[WirePlan]) -> None:
    """Take away wires; one that is gone already is passed over."""
    # Both, for at each may be what stands upon it; the second is gone with the first.
    ends = [end for wire in wires if plumbing.there(wire) for end in plumbing.ends(wire)]
    if ends:
        agent.call("unwire", veths=ends)


def forget(agent: Client, pids: Pids, plan: Plan, wires: Iterable[WirePlan]) -> None:
    """Let others forget the MAC addresses at wires of a plan that are gone.

    Who gets the address next would wait up to a minute for it (RFC 4861 section 6.3.2,
    and Linux does so for ARP too).

    """
    ends = {(end.node, end.interface) for wire in wires for end in (wire.a, wire.b)}
    _forget_at(agent, pids, plan, ends)


def forget_nodes(agent: Client, pids: Pids, plan: Plan, names: Collection[str]) -> None:
    """Let others ask anew for the MAC addresses of nodes; they may be about to give up."""
    ends = {(name, item.name) for name in names for item in plan.node(name).interfaces}
    _forget_at(agent, pids, plan, ends)


def _forget_at(agent: Client, pids: Pids, plan: Plan, ends: Collection[tuple[str, str]]) -> None:
    gone: dict[str, list[str]] = {}
    for node in plan.nodes:
        for item in node.interfaces:
            if (node.name, item.name) in ends:
                addresses = [str(address.ip) for address in item.addresses]
                gone.setdefault(item.segment, []).extend(addresses)
    nodes = [
        {"pid": pids[node.name], "interface": item.name, "addresses": gone[item.segment]}
        for node in plan.nodes
        for item in node.interfaces
        if item.segment in gone and node.name in pids and (node.name, item.name) not in ends
    ]
    if nodes:
        agent.call("forget_neighbours", nodes=nodes)


def configure(agent: Client, pids: Pids, inside: Iterable[NodeChange]) -> None:
    """Set addresses, routes, sysctls and rules inside the nodes."""
    inside = list(inside)
    set_up(agent, pids, inside)
    load_rules(agent, pids, inside)


def set_up(agent: Client, pids: Pids, inside: Iterable[NodeChange]) -> None:
    """Set addresses, routes and sysctls inside the nodes."""
    if nodes := _networks(inside, pids):
        agent.call("network", nodes=nodes)


def _networks(inside: Iterable[NodeChange], pids: Pids) -> list[dict[str, Any]]:
    """Return what changes in nodes that run, but for their rules."""
    return [
        _network(_unleased(change), pids)
        for change in inside
        if change.node in pids and change.in_network
    ]


def load_rules(agent: Client, pids: Pids, inside: Iterable[NodeChange]) -> None:
    """Let nft have the rules of nodes in which they change.

    A few rules are edited, where the kernel has those that they are to be among; all are
    loaded anew where somebody has changed them by hand.

    """
    loading = {
        pids[change.node]: change
        for change in inside
        if change.rules is not None and change.node in pids
    }
    if loading:
        nodes = [{"pid": pid, **_rules_request(change)} for pid, change in loading.items()]
        others = agent.call("firewall", nodes=nodes)
        if others:
            whole = [{"pid": pid, **_ruleset_request(loading[pid])} for pid in others]
            agent.call("firewall", nodes=whole)


def _rules_request(change: NodeChange) -> dict[str, Any]:
    assert change.rules is not None
    edit = find_edit(change.rules_before, change.rules) if change.rules_before else None
    return _ruleset_request(change) if edit is None else {"edit": dataclasses.asdict(edit)}


def _ruleset_request(change: NodeChange) -> dict[str, Any]:
    assert change.rules is not None
    return {"ruleset": loadable(change.rules)}


class UnplannedLease(NamedTuple):
    """An address that a DHCP server gave to an interface, and which is not the planned one."""

    node: str
    interface: str
    address: IPv4Interface
    server: str | None
    nameservers: tuple[str, ...]


def lease(
    agent: Client, pids: Pids, plan: Plan, inside: Iterable[NodeChange]
) -> list[UnplannedLease]:
    """Let the hosts that are to ask for their addresses do so, then add their routes.

    Returns what others gave than was planned: a server that nobody has declared, or one that
    was told otherwise meanwhile.  Such a host has the way out that it was given, and none of
    the plan's routes by that interface.  Raises `NotReady` where no server has answered.

    """
    asking = [(change, item) for change in inside for item in change.interfaces if item.dhcp]
    if not asking:
        return []
    clients = [
        {
            "pid": pids[change.node],
            "interface": item.name,
            "watch": pids[change.node],
            "hostname": plan.node(change.node).hostname,
            # Routes are the plan's, as those of all others.
            "gateway": False,
            "planned": [str(address) for address in item.addresses],
        }
        for change, item in asking
    ]
    servers = [
        pids[node.name]
        for node in plan.nodes
        if any(isinstance(settings, (DHCP, DHCPRelay)) for settings in node.services)
    ]
    answers = agent.call("lease", clients=clients, timeout_s=LEASE_TIMEOUT_S, servers=servers)
    unplanned = []
    for (change, item), answer in zip(asking, answers, strict=True):
        planned = [str(address) for address in item.addresses if address.version == 4]
        if answer is None:
            raise NotReady(
                f"{change.node} asked by DHCP for {', '.join(planned)} on {item.name} and got no "
                f"answer within {LEASE_TIMEOUT_S:g} s: look at /var/log/dnsmasq-dhcp.log on the "
                f"server, and whether anything on the way drops UDP ports 67 and 68"
            )
        if answer["address"] not in planned:
            unplanned.append(
                UnplannedLease(
                    change.node,
                    item.name,
                    IPv4Interface(answer["address"]),
                    answer["server"],
                    tuple(answer["nameservers"]),
                )
            )
    others = {(found.node, found.interface) for found in unplanned}
    agent.call("network", nodes=[_network(_unleased(change, others), pids) for change, _ in asking])
    return unplanned


def _unleased(change: NodeChange, those: Collection[tuple[str, str]] | None = None) -> NodeChange:
    """Return a change without what can be only once a server has given the planned address.

    Of all interfaces that ask, or of ``those``, each with its node's name.

    """
    change = without_autoconfigured(change)
    asking = {
        item.name
        for item in change.interfaces
        if item.dhcp and (those is None or (change.node, item.name) in those)
    }
    if not asking:
        return change
    interfaces = tuple(
        dataclasses.replace(item, addresses=tuple(a for a in item.addresses if a.version == 6))
        if item.name in asking
        else item
        for item in change.interfaces
    )
    routes = tuple(
        route
        for route in change.routes_add
        if route.interface not in asking or route.destination.version == 6
    )
    own = tuple(
        route
        for route in change.own_routes_add
        if not any(hop.interface in asking for hop in route.hops)
    )
    return dataclasses.replace(change, interfaces=interfaces, routes_add=routes, own_routes_add=own)


def furnish(
    agent: Client,
    pids: Pids,
    wanted: Mapping[str, NodeProvision],
    present: Mapping[str, NodeProvision],
    hashes: Mapping[str, str],
) -> None:
    """Write the files and accounts that `wanted` has and `present` has not.

    ``hashes`` maps the passwords of new nodes' users to their hashes.  Where
    there are many nodes, some are done beside each other, for making a file takes
    the engine's file system half a millisecond.

    """

    _share(agent, wanted, present)

    def furnish_some(names: Sequence[str]) -> None:
        nodes = []
        contents: dict[bytes, int] = {}
        for name in names:
            new = name not in present
            users = [user.request(hashes) for user in wanted[name].users] if new else []
            old = {file.path: file for file in _files(present.get(name))}
            files = [
                _file(file, old.get(file.path), contents)
                for file in _changed(name, wanted, present)
            ]
            if users or files:
                strange = wanted[name].strange
                nodes.append(
                    {"pid": pids[name], "users": users, "files": files, "strange": strange}
                )
        if nodes:
            encoded = [base64.b64encode(content).decode() for content in contents]
            agent.call("furnish", nodes=nodes, contents=encoded)

    names = list(wanted)
    groups = max(1, min(_MOST_BESIDE, len(names) // _WORTH_BESIDE))
    each(furnish_some, [names[start::groups] for start in range(groups)])


def start_programs(
    agent: Client,
    pids: Pids,
    wanted: Mapping[str, NodeProvision],
    present: Mapping[str, NodeProvision],
) -> list[Check]:
    """Start the programs that are new, and anew those of which a file has changed.

    A node that was there may need more of them than it did, or less: what is not
    needed any longer ends.  Those that can be told of a change while they run go on.
    Returns the checks that tell when all that was started or changed here answers.

    """
    started = {
        name: new
        for name, node in wanted.items()
        if (new := _without(node.programs, present.get(name)))
    }
    if started:
        agent.call(
            "boot",
            nodes=[
                {"pid": pids[name], "programs": list(programs)}
                for name, programs in started.items()
            ],
        )
    for name in wanted.keys() & present.keys():
        if gone := _without(present[name].programs, wanted[name]):
            _control(agent, pids[name], "exit", gone)
        changed = [file for file in _changed(name, wanted, present) if file.programs]
        old = {file.path: file for file in _files(present[name])}
        new_ones = set(started.get(name, ()))
        programs = {
            program
            for file in changed
            if not new_ones.issuperset(file.programs)
            and not _told(agent, pids[name], old.get(file.path), file)
            for program in file.programs
            if program not in new_ones
        }
        supervised = programs.difference(wanted[name].programs)
        if supervised:
            _restart_supervised(agent, pids[name], sorted(supervised))
        if programs := programs - supervised:
            # try-restart leaves alone what somebody has stopped: sv(8).
            _control(agent, pids[name], "try-restart", sorted(programs))
        if changed:
            started[name] = wanted[name].programs
    return [check for name in started for check in wanted[name].checks]


def wait_ready(
    agent: Client, pids: Pids, checks: Sequence[Check], timeout_s: float
) -> list[dict[str, Any]]:
    """Wait until every service answers; return those that did not in time."""
    requests = [check.request(pids[check.node]) for check in checks if check.probe]
    if not requests:
        return []
    failures: list[dict[str, Any]] = agent.call("wait_ready", checks=requests, timeout_s=timeout_s)
    return failures


def hash_passwords(agent: Client, passwords: Iterable[str]) -> dict[str, str]:
    """Return what stands for each password in shadow(5)."""
    ordered = sorted(set(passwords))
    return dict(zip(ordered, agent.call("hash_passwords", passwords=ordered), strict=True))


def read_log(agent: Client, pid: int, paths: Iterable[str]) -> str:
    """Return the last lines of a service's logs, for an error's text."""
    lines: list[str] = []
    for path in paths:
        with contextlib.suppress(AgentError):  # a log that was never written
            answer = agent.call("read_file", pid=pid, path=path, tail_bytes=_LOG_BYTES)
            content = base64.b64decode(answer)
            lines += content.decode(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(lines[-_LOG_LINES:])


def _changed(
    name: str, wanted: Mapping[str, NodeProvision], present: Mapping[str, NodeProvision]
) -> list[File]:
    there = set(_files(present.get(name)))
    return [file for file in wanted[name].files if file not in there and not file.common]


def _share(
    agent: Client, wanted: Mapping[str, NodeProvision], present: Mapping[str, NodeProvision]
) -> None:
    """Put down what all nodes have in common, where it is new."""
    new, old = (
        {file.path: file.content for node in nodes.values() for file in node.files if file.common}
        for nodes in (wanted, present)
    )
    changed = {path: content for path, content in new.items() if old.get(path) != content}
    if changed:
        files = [
            {"path": path, "content": base64.b64encode(content).decode()}
            for path, content in changed.items()
        ]
        agent.call("share_files", files=files)


# As many requests at a time as keep the two to four cores busy that most machines
# have, if each has so much to do: a request costs the agent 3 ms by itself.
_MOST_BESIDE = 4
_WORTH_BESIDE = 6

# Files that people edit while the lab runs, and the lab too when it grows.
_MERGED = frozenset({"/etc/hosts"})

# As many lines of a log as one reads to see what went wrong.
_LOG_LINES = 20
_LOG_BYTES = 16_384


def _file(file: File, old: File | None, contents: dict[bytes, int]) -> dict[str, Any]:
    """Return a file as the agent takes it; what it is to hold is put among the contents."""

    def number(content: bytes) -> int:
        return contents.setdefault(content, len(contents))

    merged = {"old": number(old.content)} if old and file.path in _MERGED else {}
    return merged | {
        "path": file.path,
        "content": number(file.content),
        "mode": file.mode,
        "uid": file.uid,
        "gid": file.gid,
        "append": file.append,
        "optional": file.optional,
    }


# Of a program of a node's that is told something: how long, and how much it may say.
_TOLD_LIMIT_S = 30.0
_TOLD_BYTES = 1 << 20


def _told(agent: Client, pid: int, old: File | None, new: File) -> bool:
    """Tell the programs that run of a file that has changed, if they can be told."""
    argv = new.live(old.content if old else b"", new.content) if new.live else None
    if argv is None:
        return False
    process = agent.spawn(pid, argv, user="0")
    try:
        process.communicate(timeout_s=_TOLD_LIMIT_S, limit_bytes=_TOLD_BYTES)
        return process.wait(0) == 0
    except (TimeoutError, BufferError):
        return False


def _without(programs: Sequence[str], node: NodeProvision | None) -> tuple[str, ...]:
    others = node.programs if node else ()
    return tuple(program for program in programs if program not in others)


def _control(agent: Client, pid: int, action: str, programs: Sequence[str]) -> None:
    argv = ["sv", "-w", "10", action, *(f"/run/service/{name}" for name in programs)]
    try:
        agent.spawn(pid, argv, user="0").communicate(
            timeout_s=_TOLD_LIMIT_S, limit_bytes=_TOLD_BYTES
        )
    except (TimeoutError, BufferError):
        raise NotReady(
            f"the programs {', '.join(programs)} of a host were told to {action}, and sv(8) there "
            f"did not end within {_TOLD_LIMIT_S:g} s: is it that of the image?"
        ) from None


def _restart_supervised(agent: Client, pid: int, programs: Sequence[str]) -> None:
    """Start a user's own programs anew, of those that run."""
    for name in programs:
        [status] = agent.call("programs", do="status", pid=pid, name=name)
        if status["running"]:
            for do in ("stop", "begin"):
                agent.call("programs", do=do, pid=pid, name=name)


def _files(node: NodeProvision | None) -> tuple[File, ...]:
    return node.files if node else ()


def _veths(wires: Iterable[WirePlan], pids: Pids, ports: _Ports) -> list[dict[str, Any]]:
    # The ends of a tunnel are made by their nodes, when these have addresses.
    return [
        {
            "a": ports.end(pair.a, pids) | ({"mtu_bytes": pair.mtus[0]} if pair.mtus else {}),
            "b": ports.end(pair.b, pids) | ({"mtu_bytes": pair.mtus[1]} if pair.mtus else {}),
            "mtu_bytes": pair.mtu_bytes,
            "offload": pair.offload,
        }
        for pair in wires
        if pair.is_cable
    ]


class _Ports:
    """Where a plan's wires end: each switch's bridge, each interface's MAC."""

    def __init__(self, plan: Plan) -> None:
        self.devices = {switch.name: switch.device for switch in plan.switches}
        self._ports = {
            (switch.name, port.port): port for switch in plan.switches for port in switch.ports
        }
        self._bonded = {
            (switch.name, member) for switch in plan.switches for member in switch.bonded
        }
        self._macs = {(node.name, i.name): i.mac for node in plan.nodes for i in node.interfaces}

    def end(self, end: WireEnd, pids: Pids) -> dict[str, Any]:
        """Return an end of a wire as the agent takes it."""
        bridge = self.devices.get(end.node)
        if bridge is not None and (end.node, end.interface) in self._bonded:
            return {"pid": None, "interface": end.interface, "mac": None, "bridge": None}
        port = self._ports.get((end.node, end.interface))
        return {
            "pid": pids[end.node] if bridge is None else None,
            "interface": end.interface,
            "mac": self._macs[end.node, end.interface] if bridge is None else None,
            "bridge": bridge,
            **({"vlans": port.request()} if port else {}),
        }


def _network(change: NodeChange, pids: Pids) -> dict[str, Any]:
    return {
        "pid": pids[change.node],
        "interfaces": [
            {"name": item.name, "addresses": [str(address) for address in item.addresses]}
            | _made(item)
            | ({"vrf": item.vrf} if item.vrf else {})
            | ({"bridge": bridge_of(item.vni)} if item.vni else {})
            for item in change.interfaces
        ],
        "interfaces_remove": [
            {"name": item.name, "parent": item.parent, "vlan": item.vlan}
            for item in change.interfaces_remove
        ],
        "addresses_remove": [
            {"interface": interface, "address": str(address)}
            for interface, address in change.addresses_remove
        ],
        "sysctls": dict(change.sysctls),
        "routes_add": [_route(route) for route in change.routes_add],
        "routes_remove": [_route(route) for route in change.routes_remove],
        "own_routes_add": [_own_route(route) for route in change.own_routes_add],
        "own_routes_remove": [_own_route(route) for route in change.own_routes_remove],
        "rules_add": [_rule(rule) for rule in change.own_rules_add],
        "rules_remove": [_rule(rule) for rule in change.own_rules_remove],
        "vrfs_add": [{"name": vrf.name, "table": vrf.table} for vrf in change.vrfs_add],
        "vrfs_remove": [{"name": vrf.name, "table": vrf.table} for vrf in change.vrfs_remove],
        "vrfs_leave": list(change.vrfs_leave),
        "vnis_add": [
            {
                "bridge": vni.bridge,
                "device": vni.device,
                "number": vni.number,
                "local": str(vni.local),
                "port": VXLAN_PORT,
                "mtu_bytes": vni.mtu_bytes,
            }
            for vni in change.vnis_add
        ],
        "vnis_remove": [name for vni in change.vnis_remove for name in (vni.device, vni.bridge)],
    }


def _made(item: InterfacePlan) -> dict[str, Any]:
    """Return how a node makes an interface that no cable brings; {} for the others."""
    if item.tunnel is not None:
        tunnel = item.tunnel.request() | {"mtu_bytes": item.mtu_bytes, "mac": item.mac}
        return {"tunnel": tunnel, "offload": item.offload}
    if item.vlan is not None:
        return {"parent": item.parent, "vlan": item.vlan, "offload": item.offload}
    if item.bond is not None:
        bond = item.bond.request() | {"mtu_bytes": item.mtu_bytes, "mac": item.mac}
        return {"bond": bond, "offload": item.offload}
    return {}


def _own_route(route: OwnRoutePlan) -> dict[str, Any]:
    return {
        "destination": str(route.destination),
        "hops": [
            {"via": None if hop.via is None else str(hop.via), "interface": hop.interface}
            for hop in route.hops
        ],
        "metric": route.metric,
        "kind": route.kind,
        "table": route.table,
    }


def _rule(rule: OwnRulePlan) -> dict[str, Any]:
    return {
        "family": rule.family,
        "priority": rule.priority,
        "source": None if rule.source is None else str(rule.source),
        "destination": None if rule.destination is None else str(rule.destination),
        "interface": rule.interface,
        "mark": rule.mark,
        "table": rule.table,
    }


def _route(route: RoutePlan) -> dict[str, Any]:
    return {
        "destination": str(route.destination),
        "via": str(route.via) if route.via is not None else None,
        "interface": route.interface,
        "table": route.table,
    }
