"""The start of a lab, and of what was declared since: made, wired, furnished, waited for.

It decides nothing about networks: `planning.planner.make_plan` makes the plan,
`planning.difference.compare` says what is new in it, `lab.apply` sends that to the agent, and
this module walks those steps and keeps the way back in one `ExitStack`.

"""

from __future__ import annotations

import errno
import os
import re
import secrets
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from playground.engines import owners
from playground.engines.images import Image
from playground.engines.seam import (
    Engine,
    Guard,
    LabLabels,
    NodeContainer,
    OwnImage,
    WantedImage,
)
from playground.errors import AgentError, LabWarning, NotReady, PlaygroundError
from playground.lab import apply, convergence, frr_refusals, program_starts, spanning_tree
from playground.lab.autoconfigured import (
    follow_name_servers,
    wait_autoconfigured,
    wait_translating,
)
from playground.lab.declared_files import copy_warnings, refuse_other_sources
from playground.lab.labs_of_this_process import replace_older, runs, take_nodes
from playground.lab.links.bonds_ready import wait_for_bonds
from playground.lab.links.kernel_check import refuse_lacking
from playground.lab.links.wireguard_handshakes import wait_for_handshakes
from playground.lab.methods.publishing import publish_declared, refuse_taken
from playground.lab.methods.rescheduling import let_go_of_lost
from playground.lab.node_handles import attach_nodes, detach_nodes, restore
from playground.lab.provision import Check, NodeProvision, lab_accounts, provision
from playground.lab.routing import own_words
from playground.lab.routing.labels import wait_labels
from playground.lab.routing.overlays import wait_overlays
from playground.lab.routing.virtual_routers import wait_masters
from playground.lab.state import LabObject, LabState, callers_level, raise_with_names
from playground.model.notation import check_bool
from playground.operations.connection.client import Client
from playground.operations.connection.threads import Beside, each
from playground.operations.programs.own_service import OwnService
from playground.operations.programs.ready_timeout import READY_TIMEOUT_S
from playground.operations.programs.script_failures import failed_scripts
from playground.planning.difference import Changes
from playground.planning.links.kernel_needs import kernel_needs, new_needs
from playground.planning.placement.shapes import Placement
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_steps import PlanStep, plan_step

L = TypeVar("L", bound=LabObject)


def start(lab: L, *, converge: bool | None = None) -> L:
    """Bring up all that is declared and not yet running; return the lab.

    When it returns, every link carries traffic, every name resolves and
    every service answers.  On a running lab it brings up the nodes and
    links that were declared since and leaves the rest alone.  Of a lab on a swarm that has lost
    a machine it brings back elsewhere what ran there, with ``Lab(reschedule=True)``; without, it
    names the machine and refuses.

    Where routers speak OSPF, RIP or BGP it waits until they have found all ways,
    as `wait_converged`.  With ``converge=False`` it does not: for a network that is
    broken on purpose, or one to be watched while it converges.  By default
    it does what ``Lab(converge=...)`` says.

    Raises `TopologyError` before anything is made, `EngineError` if the
    engine cannot do it, `NotReady` if a service does not answer, or routing
    finds no way where there should be one.  After
    any failure, and after an interrupt, nothing is left of what this call
    made.

    >>> lab.start(converge=False)

    """
    state = lab._state
    if converge is not None:
        check_bool(f"lab {lab.name}", "converge", converge)
    with state.lock:
        take_nodes(lab)
        let_go_of_lost(lab)
        plan = state.planned()
        if state.converge if converge is None else converge:
            convergence.refuse_split(plan)
        state.engine.refuse(plan)
        program_starts.waves(plan.nodes, {})  # refused before anything is made
        refuse_taken(state, plan)
        _warn_of_copies(state, plan)
        images = state.images(plan)
        if state.running:
            extend(lab, plan_step(state.plan, plan), images, converge)
        else:
            _begin(lab, plan, images, converge)
    return lab


def _warn_of_copies(state: LabState, plan: Plan) -> None:
    """Say which volumes of new nodes are copied, for the engine is elsewhere."""
    if not any(node.container.volumes for node in plan.nodes) or state.engine.has_our_files:
        return
    there = {node.name for node in state.plan.nodes} if state.plan else set()
    for sentence in copy_warnings(node for node in plan.nodes if node.name not in there):
        warnings.warn(sentence, LabWarning, stacklevel=callers_level())


def _begin(
    lab: LabObject, plan: Plan, images: Mapping[str, Image | None], converge: bool | None
) -> None:
    state = lab._state
    replace_older(lab)
    if state.named or state.keep:
        _refuse_kept(lab)
    state.engine.ensure_images(_distinct(images), state.progress)
    own = _own_images(state, plan.nodes)
    state.id = f"{_slug(lab.name)}-{secrets.token_hex(3)}"
    machines = tuple(dict.fromkeys(plan.placement.machines.values())) if plan.placement else ()
    own_name, mark = owners.own_name(), owners.own_mark()
    state.labels = LabLabels(state.id, lab.name, own_name, state.keep, mark, machines)
    step = state.progress.step(f"starting lab {lab.name}")
    with step, ExitStack() as lasting, ExitStack() as undo:
        if state.own_engine:
            lasting.callback(state.engine.close)
        guard = state.engine.guard(state.labels, lab_accounts(state.credentials))
        lasting.callback(_take_down, state.engine, state.id, guard)
        undo.callback(_let_go, lab)
        containers = _containers(plan.nodes, images, own, plan.placement)
        if needs := kernel_needs(plan):
            state.client = _start_agent(state, lasting)
            refuse_lacking(state.client, needs)
            pids = state.engine.start_nodes(state.labels, containers, state.progress)
        else:
            # The agent's interpreter starts while the hosts do.
            with Beside(_start_agent, state, lasting) as helper:
                pids = state.engine.start_nodes(state.labels, containers, state.progress)
                state.client = helper.result()
        with _blaming(lab, containers, pids):
            _bring_up(lab, undo, plan_step(None, plan), pids, converge, own)
        if state.keep:
            guard.release()
        has_started(lab, lasting.pop_all())
        if not state.keep:
            # Neither end refers to this object, or it would never be dropped.
            end = (state.client.close, guard.abandon)
            state.forget = weakref.finalize(lab, _abandoned, repr(lab), os.getpid(), *end)
            # At the end of the program the line closes by itself.
            state.forget.atexit = False
        undo.pop_all()


def has_started(lab: LabObject, lasting: ExitStack) -> None:
    """Note that a lab runs, and what takes it down."""
    state = lab._state
    state.process_id = os.getpid()
    state.lasting = lasting
    state.timetable.begin()
    runs(lab)


def _start_agent(state: LabState, lasting: ExitStack) -> Client:
    client = Client(state.engine.start_helper(state.labels))
    lasting.callback(client.close)
    client.hello(READY_TIMEOUT_S)
    hash_passwords(state, client)
    return client


def hash_passwords(state: LabState, client: Client) -> None:
    """Let the agent hash the passwords that accounts are made with."""
    credentials = state.credentials
    passwords = [credentials.root_password, *credentials.users.values()]
    state.hashes = apply.hash_passwords(client, passwords)


def _refuse_kept(lab: LabObject) -> None:
    """Refuse a name that a lab has which was meant to stay."""
    for record in lab._state.engine.labs():
        if record.keep and record.name == lab.name and not record.is_strange:
            raise PlaygroundError(
                f"a lab named {lab.name!r} is kept running already: enter it with "
                f"Lab.attach({lab.name!r}), or take it down first with "
                f"`playground down {lab.name}`"
            )


@contextmanager
def _blaming(
    lab: LabObject, containers: Sequence[NodeContainer], pids: Mapping[str, int]
) -> Iterator[None]:
    """Name the node that the agent's error is of; raise `NodeDied` where it has ended."""
    state = lab._state
    try:
        yield
    except AgentError as error:
        if error.errno == errno.ESRCH:
            state.engine.refuse_dead(state.labels, containers)
        raise_with_names(error, pids)


def extend(
    lab: LabObject, step: PlanStep, images: Mapping[str, Image | None], converge: bool | None = None
) -> None:
    """Turn what runs into what a plan says; where that fails, all is as it was."""
    state = lab._state
    state.refuse_dead()
    refuse_lacking(state.agent(), new_needs(step.before, step.after))
    state.engine.ensure_images(_distinct(images), state.progress)
    own = _own_images(state, step.change.nodes)
    containers = _containers(step.change.nodes, images, own, step.after.placement)
    new = [container.name for container in containers]
    with state.progress.step(f"adding to lab {lab.name}"), ExitStack() as undo:
        pids = dict(state.pids)
        if new:
            undo.callback(state.engine.stop, state.id, new)
            pids |= state.engine.start_nodes(state.labels, containers, state.progress)
        with _blaming(lab, containers, pids):
            _bring_up(lab, undo, step, pids, converge, own)
        undo.pop_all()


def _bring_up(
    lab: LabObject,
    undo: ExitStack,
    step: PlanStep,
    pids: dict[str, int],
    converge: bool | None,
    own_images: Mapping[str, OwnImage],
) -> None:
    """Carry out a step, and furnish nodes; `undo` gets the way back."""
    state = lab._state
    client, plan, change = state.agent(), step.after, step.change
    old_plan, old_provisions, old_pids = state.plan, state.provisions, state.pids
    engine = state.engine
    provisions = provision(
        plan, state.credentials, not engine.has_our_files, engine.has_common_files
    )
    plumbing = apply.Plumbing(plan, pids)
    before = apply.Plumbing(old_plan or plan, old_pids)
    if not state.keep:
        client.call("own", pids=[pids[node.name] for node in change.nodes])
    refuse_other_sources(client, pids, change.nodes, state.engine.has_our_files)
    if state.engine.nodes_are_plain:
        for op in ("bare", "open_sysctls"):
            client.call(op, pids=[pids[node.name] for node in change.nodes])
    if old_plan is not None:
        undo.callback(lambda: apply.lease(client, old_pids, old_plan, step.back.inside))
        undo.callback(
            apply.start_programs,
            client,
            old_pids,
            _with_power(old_plan, old_provisions),
            _with_power(plan, provisions),
        )
        undo.callback(apply.furnish, client, old_pids, old_provisions, provisions, {})
    # What attaching will need is put together while the agent works: 0.14 s for 1,000 hosts.
    with (
        Beside(state.saved, plan) as saving,
        Beside(apply.furnish, client, pids, provisions, old_provisions, state.hashes) as furnishing,
    ):
        apply.carry_out(client, step, plumbing, before, undo)
        furnishing.result()
    lit_now = step.lit
    if lit_now:
        apply.forget_nodes(client, pids, plan, [name for name, _ in lit_now])
    lit, lit_before = _with_power(plan, provisions), _with_power(old_plan, old_provisions)
    texts = frr_refusals.new_texts(lit, lit_before)
    frr_refusals.check_texts(client, pids, texts, state.strict)
    checks = apply.start_programs(client, pids, lit, lit_before)
    undo.callback(restore, lab, old_plan, old_provisions, old_pids)
    state.plan, state.provisions, state.pids = plan, provisions, pids
    attach_nodes(lab, plan, pids)
    wait_for_bonds(client, pids, plan, change.wires, READY_TIMEOUT_S)
    spanning_tree.wait_settled(client, plan, READY_TIMEOUT_S)
    unplanned = apply.lease(client, pids, plan, change.inside)
    wait_autoconfigured(client, pids, plan, change.inside)
    follow_name_servers(client, pids, old_plan, plan)
    wait_translating(client, pids, plan, change.inside)
    program_starts.protect(client, pids, change.nodes)
    configs = {name: image.config for name, image in own_images.items()}
    own = program_starts.programs_of(change.nodes, configs)
    first, *later = program_starts.waves(plan.nodes, own) or [{}]
    program_starts.start(client, pids, first)
    if first:
        attach_nodes(lab, plan, pids)
    for name, programs in lit_now:
        program_starts.go_on(client, pids[name], programs)
    _wait_ready(lab, checks)
    wait_for_handshakes(client, pids, plan, change.inside, READY_TIMEOUT_S)
    program_starts.wait_ready(client, pids, state.node, plan, first, state.progress)
    for wave in later:
        program_starts.start(client, pids, wave)
        attach_nodes(lab, plan, pids)
        program_starts.wait_ready(client, pids, state.node, plan, wave, state.progress)
    new_nodes = [(node, state.node(node.name)) for node in change.nodes if node.name in own]
    if failed := [*failed_scripts(new_nodes, own)]:
        warnings.warn("\n".join(failed), LabWarning, stacklevel=callers_level())
    frr_refusals.wait_told(client, pids, texts, provisions, READY_TIMEOUT_S, state.strict)
    _accept(lab, unplanned)
    changed = {check.node for check in checks} | {item.node for item in change.inside}
    wait_masters(client, plan, pids, changed, READY_TIMEOUT_S)
    waits = state.converge if converge is None else converge
    if waits:
        new = [node.name for node in change.nodes if node.name in texts]
        own_words.wait_settled(client, plan, pids, new, READY_TIMEOUT_S)
    if waits and _concerns_routing(plan, change, checks):
        convergence.wait_converged(client, plan, pids, READY_TIMEOUT_S)
        wait_overlays(client, plan, pids, READY_TIMEOUT_S)
        wait_labels(client, plan, pids, READY_TIMEOUT_S)
    publish_declared(lab, change.nodes, undo)
    # What others gave has changed what is declared.
    client.call("state_save", data=state.saved(plan) if unplanned else saving.result())


def _with_power(
    plan: Plan | None, provisions: Mapping[str, NodeProvision]
) -> Mapping[str, NodeProvision]:
    """Return the provisions of the nodes that have power."""
    if plan is None or not plan.stopped:
        return provisions
    return {name: one for name, one in provisions.items() if name not in plan.stopped_names}


def _accept(lab: LabObject, unplanned: Iterable[apply.UnplannedLease]) -> None:
    """Show the addresses that others gave than was planned, and ask their name servers."""
    state = lab._state
    for found in unplanned:
        planned = state.node(found.node)
        state.leased[found.node, found.interface] = found.address
        live = planned.running()
        if live.plan is not None:
            live.plan = state.as_leased(live.plan)
        said = f"{found.node} was given {found.address} by DHCP from {found.server}, unplanned"
        with state.progress.step(said):
            pass
        if found.nameservers:
            planned.nameservers = list(found.nameservers)


def _wait_ready(lab: LabObject, checks: Sequence[Check]) -> None:
    """Wait until every service has given a real answer."""
    state = lab._state
    failures = apply.wait_ready(state.agent(), state.pids, checks, READY_TIMEOUT_S)
    if not failures:
        own = [check for check in checks if check.probe is None]
        each(lambda one: _wait_own(lab, one), own)
        return
    first = failures[0]
    sentences = [
        f"{failure['service']} on {failure['node']} did not answer on port "
        f"{failure['port']} within {READY_TIMEOUT_S:g} s: {failure['message']}"
        for failure in failures
    ]
    row = lab.node(first["node"]).running().services[first["service"]]
    # The last words of a program that ends at once are in its supervisor's log.
    logs = (*row.logs, "/run/playground/boot.log")
    log = apply.read_log(state.agent(), state.pids[first["node"]], logs)
    raise NotReady("\n".join(sentences) + (f"\nits log ends:\n{log}" if log else ""))


def _wait_own(lab: LabObject, check: Check) -> None:
    live = lab.node(check.node).running()
    row, program = live.services[check.service], live.programs[check.service]
    OwnService(lab.node(check.node), program, row).wait_ready(READY_TIMEOUT_S)


def _let_go(lab: LabObject) -> None:
    lab._state.client = None
    detach_nodes(lab)


def _abandoned(name: str, process_id: int, *ends: Callable[[], None]) -> None:
    if os.getpid() != process_id:
        return  # a fork of the program that the lab belongs to
    warnings.warn(
        f"{name} was dropped without stop(): use `with lab:`, or stop it",
        ResourceWarning,
        stacklevel=2,
    )
    for end in ends:
        end()


def _concerns_routing(plan: Plan, change: Changes, checks: Sequence[Check]) -> bool:
    """Tell whether routers that speak a protocol have something new to find."""
    changed = {item.node for item in change.inside} | {check.node for check in checks}
    return any(node.name in changed for node in convergence.speakers(plan))


def _own_images(state: LabState, nodes: Iterable[NodePlan]) -> dict[str, OwnImage]:
    """Get the images that the user named for nodes, each once, and return them by node."""
    found: dict[WantedImage, OwnImage] = {}
    by_node = {}
    for node in nodes:
        if node.container.source is None:
            continue
        wanted = WantedImage(node.container.source, node.daemons, node.packages)
        if wanted not in found:
            found[wanted] = state.engine.own_image(node.name, wanted, state.progress)
        by_node[node.name] = found[wanted]
    return by_node


def _containers(
    nodes: Iterable[NodePlan],
    images: Mapping[str, Image | None],
    own: Mapping[str, OwnImage],
    placement: Placement | None,
) -> list[NodeContainer]:
    tags = {name: image.tag if image else None for name, image in images.items()}
    return [
        NodeContainer(
            node.name,
            node.hostname,
            tags.get(node.name),
            limits=node.limits,
            settings=node.container,
            own_image=own.get(node.name),
            machine=placement[node.name] if placement else None,
        )
        for node in nodes
    ]


def _distinct(images: Mapping[str, Image | None]) -> list[Image]:
    return [image for image in dict.fromkeys(images.values()) if image is not None]


def _take_down(engine: Engine, lab_id: str, guard: Guard) -> None:
    """Remove all of a lab; where that fails, its guard goes on trying."""
    try:
        engine.stop(lab_id)
    except BaseException:
        guard.abandon()
        raise
    guard.release()


def _slug(name: str) -> str:
    """Return the name as a container's name may begin: [a-zA-Z0-9][a-zA-Z0-9_.-]*."""
    return re.sub(r"[^a-zA-Z0-9_]+", "-", name).strip("-_").lower()[:30] or "lab"
