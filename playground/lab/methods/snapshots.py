"""`Lab.snapshot` and `Lab.restore`: what hosts have written, and what was changed live."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import (
    AgentError,
    BadArgument,
    EngineError,
    LabWarning,
    PlaygroundError,
)
from playground.lab import lab_as_json, program_starts
from playground.lab.life import snapshot_store
from playground.lab.methods.applying import apply, take_away
from playground.lab.methods.live_changes import take
from playground.lab.methods.starting import extend
from playground.lab.node_handles import attach_nodes
from playground.lab.node_handles import restore as restore_handles
from playground.lab.state import LabObject, LabState, callers_level
from playground.model.arguments import is_number, shown
from playground.operations.connection.client import Client
from playground.operations.connection.threads import each
from playground.operations.network import Link
from playground.planning.interface_names import match
from playground.planning.lost_machines import without_nodes
from playground.planning.plan import Plan
from playground.planning.plan_parts import StoppedNode, WirePlan
from playground.planning.plan_steps import plan_step, start_step, stop_step

if TYPE_CHECKING:
    from playground.operations.diagnosis.evidence.network_state import State

# Of one host's files, unless somebody says otherwise.
LIMIT_MB = 256.0
# Routes that somebody has typed, by who made them (ip-route(8)).
_TYPED = ("boot", "static")
# All hosts together may have so many times what one may.
_IN_ALL = 16
# So many commands that were refused are told in full.
_TOLD = 5


def snapshot(lab: LabObject, name: str, *, limit_mb: float = LIMIT_MB) -> None:
    """Keep how this running lab is now, under a name, for `restore`.

    That is what its hosts have written since they were made, below /etc, /home, /opt, /root, /srv,
    /tmp, /usr/local and /var; and what was changed live: links that are down or impaired, rules,
    NAT, routes, nodes and services that are stopped, addresses and routes that were typed.  An
    older one of that name is replaced.  Programs that run are no part of it, nor are volumes, which
    are shared with this machine, and rules that were typed in nft.

    Snapshots are kept in the user's own XDG_STATE_HOME, and go with the lab.  Raises
    `NotRunning`, `BadArgument` for a name that is none, and `EngineError` for a host that has
    written more than ``limit_mb`` megabytes, or where all together have written more than 16 times
    that; nothing is kept then.

    >>> lab.snapshot("before")
    >>> h1.run("rm -rf /etc")
    >>> lab.restore("before")

    """
    from playground.operations.diagnosis.evidence.network_state import read_states
    from playground.operations.life import written_files

    snapshot_store.check_snapshot_name(name)
    if not is_number(limit_mb, 0, 1 << 20) or not limit_mb:
        raise BadArgument(
            f"limit_mb={shown(limit_mb)} is no number of megabytes above zero; write limit_mb=500"
        )
    state = lab._state
    with state.lock:
        agent, plan, pids = state.agent(), state.running_plan(), dict(state.pids)
        state.refuse_dead()
        with (
            state.progress.step(f"keeping lab {lab.name} as {name}"),
            snapshot_store.making(state.id, name) as (folder, said),
        ):
            said["lab"] = state.saved(plan)
            said["typed"] = _typed(read_states(agent, pids))
            said["stopped_services"] = _stopped_services(state, plan)
            limit_bytes = int(limit_mb * 1e6)
            room = written_files.LabRoom(_IN_ALL * limit_bytes)
            each(
                lambda item: written_files.keep(agent, item[1], item[0], folder, limit_bytes, room),
                list(pids.items()),
            )


def snapshots(lab: LabObject) -> tuple[str, ...]:
    """The names of the snapshots of this running lab, the oldest first."""
    return tuple(snapshot_store.names(lab._state.id)) if lab._state.id else ()


def restore(lab: LabObject, name: str) -> None:
    """Bring this running lab back to what `snapshot` has kept under a name.

    Each host is made anew, as it was declared then, and gets the files that it had; its programs
    start again, as after a reboot.  Links are down, up or impaired as they were, and so on.  Where
    other nodes, links, rules or routes were declared since, the declarations of then take the
    place of the present ones, and nodes are found anew, as in ``lab["h1"]``; else all objects
    stay what they are.

    A host that does not take its files back, or cannot start with them, keeps no other one from
    its own: `EngineError` names it when all else is as it was.  What cannot be typed again is a
    `LabWarning`.  Raises `NotRunning`, `UnknownName` where there is no such snapshot, and what
    `start` raises; hosts may then be without their files, and another `restore` begins anew.

    >>> lab.restore("before")

    """
    state = lab._state
    with state.lock:
        state.agent()
        folder, said = snapshot_store.find(state.id, name)
        saved = lab_as_json.load(said["lab"])
        with state.progress.step(f"bringing lab {lab.name} back to {name}"):
            _start_all(lab)
            if _same_declarations(state.running_plan(), saved.plan):
                _set_links(state, saved.plan)
            else:
                apply(lab, _declared(lab, saved))
            _make_anew(lab)
            _give_back(lab, folder, said, saved.plan.stopped)


def _declared(lab: LabObject, saved: lab_as_json.SavedLab) -> LabObject:
    """Return what was declared then as a lab that is not started."""
    # The one class of labs, which stands upon this.
    declare: Callable[..., LabObject] = type(lab)
    settings: Mapping[str, Any] = saved.settings
    ours = {key: settings[key] for key in ("converge", "spread", "reschedule") if key in settings}
    return declare(
        *saved.nodes,
        name=lab.name,
        ipv6=saved.ipv6,
        strict=saved.plan.strict,
        quiet=True,
        **ours,
    )


def _same_declarations(now: Plan, then: Plan) -> bool:
    """Tell whether two plans differ in nothing but how links and nodes fare."""
    return _without_state(now) == _without_state(then)


def _without_state(plan: Plan) -> Plan:
    wires = tuple(
        dataclasses.replace(wire, up=True, toward_a=None, toward_b=None) for wire in plan.wires
    )
    return dataclasses.replace(plan, wires=wires, stopped=(), warnings=(), placement=None)


def _set_links(state: LabState, then: Plan) -> None:
    """Have links down, up and impaired as they were."""
    wires = {wire.pair: wire for wire in then.wires}
    for link, wire in match(state.links, state.running_plan()).items():
        assert isinstance(link, Link)
        _set_link(link, wire, wires[wire.pair])


def _set_link(link: Link, now: WirePlan, then: WirePlan) -> None:
    for end, old, new in (
        (link.ends[0].node, now.toward_a, then.toward_a),
        (link.ends[1].node, now.toward_b, then.toward_b),
    ):
        if old != new and new is None:
            link.restore(toward=end)
        elif old != new and new is not None:
            link.impair(**new.settings(), toward=end)
    if now.up != then.up:
        (link.up if then.up else link.down)()


def _start_all(lab: LabObject) -> None:
    """Give power to what is stopped: it is made anew, and stopped again where it was so then."""
    state = lab._state
    plan = state.running_plan()
    if plan.stopped:
        extend(lab, start_step(plan, plan.stopped_names), state.images(plan))


def _make_anew(lab: LabObject) -> None:
    """Let all hosts and routers be new ones, with nothing of what was written there."""
    state = lab._state
    plan = state.running_plan()
    names = [node.name for node in plan.nodes]
    rest, cut = without_nodes(plan, names)
    restore_handles(lab, rest, *take_away(state, rest, cut, names))
    extend(lab, plan_step(rest, plan), state.images(plan))


def _give_back(
    lab: LabObject, folder: Path, said: Mapping[str, Any], stopped: Sequence[StoppedNode]
) -> None:
    """Give hosts their files while nothing runs there, and what else was changed by hand."""
    state = lab._state
    agent, plan, pids = state.agent(), state.running_plan(), dict(state.pids)
    from playground.operations.life import written_files

    halted = [
        StoppedNode(node.name, program_starts.halt(agent, pids, node, 0)) for node in plan.nodes
    ]
    take(lab, stop_step(plan, halted, 0))
    attach_nodes(lab, state.running_plan(), state.pids)

    def put_back(item: tuple[str, int]) -> str:
        try:
            written_files.put_back(agent, item[1], item[0], folder)
        except (PlaygroundError, OSError) as error:
            return str(error)
        return ""

    files = each(put_back, list(pids.items()))
    dark = [node.name for node in state.running_plan().nodes]
    failed = {name: why for name, why in zip(pids, files, strict=True) if why}
    # Others have their power whatever one of them has done to its own files.
    failed = _give_power(lab, dark) | failed
    typed = {name: rows for name, rows in said["typed"].items() if name not in failed}
    try:
        _type_again(lab, typed)
    except PlaygroundError as error:
        failed["addresses and routes"] = str(error)
    for node, service in said["stopped_services"]:
        with suppress(PlaygroundError):  # one that is not declared any more
            state.node(node).services[service].stop()
    for item in stopped:
        if item.name in state.pids and item.name not in failed:
            state.node(item.name).stop(grace_s=0)
    if failed:
        names = ", ".join(failed)
        raise EngineError(
            f"{names}: not brought back, and all else is: {'; '.join(failed.values())}; look at "
            f"the files there, or restore again"
        )


def _give_power(lab: LabObject, names: Sequence[str]) -> dict[str, str]:
    """Start nodes, each on its own where all at once cannot; return which cannot, and why."""
    state = lab._state
    failed: dict[str, str] = {}
    for some in (names, *([name] for name in names)):
        plan = state.running_plan()
        wanted = [name for name in some if name in plan.stopped_names]
        if not wanted:
            continue
        try:
            extend(lab, start_step(plan, wanted), state.images(plan))
        except PlaygroundError as error:
            failed |= dict.fromkeys(wanted, str(error))
    dark = state.running_plan().stopped_names
    return {name: why for name, why in failed.items() if name in dark}


def _stopped_services(state: LabState, plan: Plan) -> list[tuple[str, str]]:
    found = []
    for planned in plan.nodes:
        if planned.name in plan.stopped_names:
            continue
        node = state.node(planned.name)
        for settings in planned.services:
            with suppress(PlaygroundError, KeyError):
                if node.services[settings.service].status() == "stopped":
                    found.append((planned.name, settings.service))
    return found


# Of each node the addresses of its interfaces, and routes in ip(8)'s words.
Typed = dict[str, dict[str, list[list[str]]]]


def _typed(states: State) -> Typed:
    return {
        state.node: {
            "addresses": [
                [interface.name, address.address]
                for interface in state.interfaces
                for address in interface.addresses
                if not address.address.startswith("fe80:")
            ],
            "routes": [
                route.as_shell().split() for route in state.routes if route.protocol in _TYPED
            ],
        }
        for state in states.nodes.values()
    }


def _type_again(lab: LabObject, then: Mapping[str, Any]) -> None:
    """Give addresses and routes again that were typed then, and take those away that were not."""
    from playground.operations.diagnosis.evidence.network_state import read_states

    state = lab._state
    agent = state.agent()
    now = _typed(
        read_states(agent, {name: state.pids[name] for name in then if name in state.pids})
    )
    leased = _leased(state.running_plan())
    refused = []
    for name, typed in then.items():
        if name not in now:
            continue
        for kind in ("addresses", "routes"):
            was, there = typed[kind], now[name][kind]
            if kind == "addresses":
                was, there = _without_leased(was, there, leased.get(name, set()))
            words = [_words(kind, item, "del") for item in there if item not in was]
            words += [_words(kind, item, "add") for item in was if item not in there]
            for argv in words:
                said = _run(agent, state.pids[name], argv)
                # What was to go may have gone with an address, or with an interface of now.
                if said and "del" not in argv:
                    refused.append(f"{name}: {' '.join(argv)}: {said}")
    if refused:
        more = f", and {len(refused) - _TOLD} more" if len(refused) > _TOLD else ""
        warnings.warn(
            f"not typed again, as it was refused: {'; '.join(refused[:_TOLD])}{more}",
            LabWarning,
            stacklevel=callers_level(),
        )


def _leased(plan: Plan) -> dict[str, set[tuple[str, bool]]]:
    """Return by node the interfaces and families that others give their addresses (IPv6: true)."""
    return {
        node.name: {
            (interface.name, is_ipv6)
            for interface in node.interfaces
            for is_ipv6, given in ((False, interface.dhcp), (True, interface.of_others))
            if given
        }
        for node in plan.nodes
    }


def _without_leased(
    was: Sequence[list[str]], there: Sequence[list[str]], leased: Collection[tuple[str, bool]]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return addresses of then and of now without those that others have given, then and now.

    A node that has just been made has no other ones there, and that of then is of their network.

    """
    given = [item for item in there if (item[0], ":" in item[1]) in leased]
    networks = {(name, ip_interface(address).network) for name, address in given}
    typed = [item for item in was if (item[0], ip_interface(item[1]).network) not in networks]
    return typed, [item for item in there if item not in given]


def _run(agent: Client, pid: int, argv: Sequence[str]) -> str:
    """Run a command of a node's, and return why it failed."""
    try:
        process = agent.spawn(pid, argv, user="0", merge_stderr=True)
        said, _ = process.communicate(None, 10, 1 << 16)
        return (
            "" if not process.wait(1) else said.decode(errors="replace").strip()[:200] or "failed"
        )
    except (AgentError, TimeoutError, BufferError) as error:
        return str(error) or "no answer"


def _words(kind: str, item: Sequence[str], what: str) -> list[str]:
    if kind == "addresses":
        return ["ip", "address", what, item[1], "dev", item[0]]
    words = list(item)
    words[words.index("add")] = what
    return words
