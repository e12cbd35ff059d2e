"""Ports of hosts at ports of the user's own machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from playground.errors import NotRunning
from playground.lab.state import LabObject, LabState
from playground.model.containers.container import PublishedPort
from playground.model.containers.ports_to_publish import port_to_publish, service_scheme
from playground.model.topology import Machine
from playground.operations.network import Host, Router
from playground.planning.plan import NodePlan, Plan

if TYPE_CHECKING:
    from playground.lab.outside.port_holder import PortHolders
    from playground.lab.outside.published_ports import PublishedAddress, PublishedPorts


def publish(
    lab: LabObject,
    node: Host | Router | str,
    port: int | str,
    *,
    local_port: int | None = None,
    listen: str | None = None,
    scheme: str | None = None,
) -> PublishedAddress:
    """Offer a port of a host at a port of this machine, at once; return its address.

    ``port`` is the host's, 80 or "53/udp".  ``local_port`` is this machine's, by default one
    that is free.  It is offered to programs of this machine alone, unless ``listen`` is
    another of its addresses: "0.0.0.0" or "::" means all, and then everybody who reaches
    this machine reaches the host.  The address is a URL, and a link in a notebook;
    ``scheme`` is how it begins, by default what a `Service` of the host's says of the port,
    "http", "https" or "ssh" for ports that are known for it, and else "tcp" or "udp".  Its
    ``close()`` ends it, and so does the end of the lab.

    Connections are made inside the host, to the host itself: a server at its loopback
    address is reached too, and takes whoever calls for a program of the host's.  Nothing
    is changed of the machine's network, and no root is needed.

    Raises `BadArgument`, `EngineError` where the port cannot be had, `NotRunning`.

    >>> lab.publish(www, 80)
    'http://127.0.0.1:49153/'

    """
    wanted = port_to_publish(port, local_port, listen)
    name = lab.node(lab.resolve_name(node)).name
    if scheme is None:
        scheme = _scheme(lab, name, wanted)
    state = lab._state
    with state.lock:
        state.agent()
        if name not in state.pids:
            raise NotRunning(f"{name} is not running yet: call lab.start() first")
        return _ports(state).publish(name, state.pids[name], wanted, scheme)


def published(lab: LabObject) -> list[PublishedAddress]:
    """The addresses of all ports that are published of this lab, whoever did that."""
    return _ports(lab._state).all()


def refuse_taken(state: LabState, plan: Plan) -> None:
    """Raise `EngineError` where new nodes want a port of this machine that cannot be had."""
    there = {node.name for node in state.plan.nodes} if state.plan else set()
    new = [node for node in plan.nodes if node.name not in there]
    wanted = [(node.name, port) for node in new for port in node.container.publish]
    if wanted:
        from playground.lab.outside import published_ports

        published_ports.refuse_taken(wanted)


def publish_declared(lab: LabObject, nodes: Iterable[NodePlan], undo: ExitStack) -> None:
    """Offer what new nodes were declared with: ``Host(publish=80)``."""
    state = lab._state
    for node in nodes:
        for wanted in node.container.publish:
            scheme = _scheme(lab, node.name, wanted)
            address = _ports(state).publish(node.name, state.pids[node.name], wanted, scheme)
            undo.callback(address.close)
            with state.progress.step(f"{address} is {address.words}"):
                pass


def _scheme(lab: LabObject, name: str, wanted: PublishedPort) -> str | None:
    node = lab.node(name)
    return service_scheme(node.declared_services, wanted) if isinstance(node, Machine) else None


def _ports(state: LabState) -> PublishedPorts:
    if state.ports is None:
        from playground.lab.outside.published_ports import PublishedPorts

        state.ports = PublishedPorts(
            state.agent, lambda: state.engine.connect(state.id), _holders(state)
        )
    return state.ports


def _holders(state: LabState) -> PortHolders | None:
    """Return what holds ports of a lab that goes on, where the agent cannot be handed any."""
    if not state.keep or state.agent().ready_sockets() is None:
        return None
    from playground.lab.outside.port_holder import PortHolders

    found = PortHolders(state.id, state.engine)
    return found if found.possible else None
