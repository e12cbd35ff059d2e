"""The state of a lab: what was declared, and what of it runs.

`LabState` is a part of `lab.lab.Lab`, and `LabObject` is all that the functions of
`lab.methods`, which become methods of `Lab`, know of it.

"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from playground.display.progress import make_progress
from playground.engines.choice import check_name, choose, has_machines
from playground.engines.images import Image
from playground.engines.seam import Engine, LabLabels
from playground.errors import (
    AgentError,
    AgentGone,
    LabWarning,
    NodeDied,
    NoSuchNode,
    NotRunning,
    TopologyError,
)
from playground.lab import lab_as_json
from playground.lab.apply import Plumbing
from playground.lab.credentials import Credentials
from playground.lab.provision import NodeProvision
from playground.lab.timetable import Timetable
from playground.model.arguments import check_flag, shown
from playground.model.notation import check_bool
from playground.operations.connection.client import Client
from playground.operations.connection.handles import LabHandle
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.operations.pictures.positions import check_positions
from playground.planning.placement.machines import (
    Spread,
    check_spread,
    spread_of_environment,
    spread_without,
)
from playground.planning.placement.shapes import Placement
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan
from playground.planning.planner import collect, make_plan

if TYPE_CHECKING:
    from playground.lab.outside.published_ports import PublishedPorts


class LabObject(LabHandle, Protocol):
    """A lab, as the functions take it that become its methods."""

    _state: LabState

    @property
    def keep(self) -> bool:
        """Whether it outlives the program that started it."""

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host, router and switch."""

    def __getitem__(self, name: str) -> Node:
        """Return the node with this full or short name; else `NoSuchNode`."""

    def plan(self) -> Plan:
        """Return what `start` will make, or has made."""

    def stop(self) -> None:
        """Take the lab down."""


class LabState:
    """A lab's settings, and all that it has while it runs.

    ``plan``, ``pids`` and ``provisions`` are those of what runs, ``client`` is the line to its
    agent and ``lasting`` the way down; while nothing runs they are None or empty.

    """

    def __init__(
        self,
        given: Collection[Node],
        *,
        name: str | None,
        users: Mapping[str, str] | None,
        ipv6: bool | str,
        keep: bool,
        engine: Engine | str | None,
        quiet: bool,
        converge: bool,
        strict: bool,
        spread: object = None,
        reschedule: bool = False,
        positions: object = None,
    ) -> None:
        self.take_name(name)
        self.ipv6 = _check_ipv6(self.name, ipv6)
        self.converge = check_bool(f"lab {self.name}", "converge", converge)
        self.strict = check_bool(f"lab {self.name}", "strict", strict)
        self.spread = check_spread(f"lab {self.name}", spread)
        self.reschedule = check_bool(f"lab {self.name}", "reschedule", reschedule)
        self.positions = check_positions(f"lab {self.name}", positions)
        # Machines of a swarm that have gone while it ran: none of it is put there again.
        self.lost_machines: set[str] = set()
        self.keep = keep
        self.given = tuple(given)
        check_name(engine)
        self.asked_engine = engine
        self.own_engine = engine is None or isinstance(engine, str)
        self.progress = make_progress(check_flag(f"lab {self.name}: quiet", quiet))
        self.credentials = Credentials.make(users)  # which refuses what are none
        self.asked_users = None if users is None else dict(self.credentials.users)
        self.timetable = Timetable()
        self.lock = threading.RLock()
        # Held while a plan is made of what is declared, and while a running lab's
        # declarations are changed; taken after the other.
        self.declaring = threading.RLock()
        self._found_engine: Engine | None = None
        self._by_name: dict[str, Node] = {}
        self._warned: set[str] = set()

        self.id = ""
        self.process_id = os.getpid()
        self.labels = LabLabels("", self.name, "")
        self.lasting: ExitStack | None = None
        self.client: Client | None = None
        self.plan: Plan | None = None
        self.plumbing: Plumbing | None = None
        self.provisions: dict[str, NodeProvision] = {}
        self.pids: dict[str, int] = {}
        # Of interfaces that others gave an address than was planned.
        self.leased: dict[tuple[str, str], IPv4Interface] = {}
        self.hashes: dict[str, str] = {}
        self.saving: threading.Timer | None = None
        self.ports: PublishedPorts | None = None
        self.forget: weakref.finalize[..., Any] | None = None

    def take_name(self, name: str | None) -> None:
        """Call the lab so; None is "lab", of which there may be several."""
        self.name = _check_name(name)
        self.named = name is not None

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self.lasting is not None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host, router and switch, in the order found."""
        # Only these are made by whoever uses the library: see `operations.network`.
        return cast(tuple[Node, ...], collect(self.given))

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link between the nodes, once, in the order found."""
        return tuple(dict.fromkeys(link for node in self.nodes for link in node.links))

    def node(self, name: str) -> Host | Router:
        """Return the host or router with this full or short name; else `NoSuchNode`."""
        node = self.find(name)
        if isinstance(node, Switch):
            raise NoSuchNode(f"{name} is a switch, and nothing runs on a switch")
        return node

    def planned(self) -> Plan:
        """Return what `start` will make, or has made, as frozen data.

        Raises `TopologyError` if the declarations cannot become a network.
        Once the lab runs, addresses that were given stay as they are.

        """
        return self.placed(self.make_plan(self.plan))

    def placed(self, plan: Plan, asked: Spread = None) -> Plan:
        """Return a plan with the machine of each node, where the engine has several.

        Nodes that run stay where they are; others go where ``asked`` says, or the lab.

        """
        running = self.plan.placement if self.plan else None
        if running is not None and {*running.machines} >= {*_placed_names(plan)}:
            names = [*_placed_names(plan)]
            places = tuple((name, running[name]) for name in names)
            cut = tuple(
                (wire.a.node, wire.b.node)
                for wire in plan.wires
                if running[wire.a.node] != running[wire.b.node]
            )
            return dataclasses.replace(plan, placement=Placement(places, cut))
        if running is None and not has_machines(self.asked_engine):
            return plan
        spread = asked if asked is not None else self.spread
        if spread is None:
            spread = spread_of_environment()
        lost = self.lost_machines if running else set()
        found = self.engine.place(  # type: ignore[attr-defined]
            plan, spread_without(spread, lost), running, lost
        )
        return dataclasses.replace(plan, placement=found)

    def make_plan(self, previous: Plan | None) -> Plan:
        """Return a plan of what is declared, which keeps what another has given."""
        with self.declaring:
            plan = make_plan(
                self.given, lab=self.name, ipv6=self.ipv6, previous=previous, strict=self.strict
            )
        if previous is not None and previous.stopped:
            plan = plan.with_stopped(previous.stopped)
        for sentence in plan.warnings:
            if sentence not in self._warned:
                self._warned.add(sentence)
                warnings.warn(sentence, LabWarning, stacklevel=callers_level())
        return plan

    def find(self, name: str) -> Node:
        """Return the node with this full or short name or alias, in any case (RFC 4343).

        Raises `NoSuchNode`, which is a `KeyError`, if there is none.

        """
        if not isinstance(name, str):
            raise NoSuchNode(f"{shown(name)} is no name of a machine: write for example lab['h1']")
        # Linked nodes stay linked: only a name that is new needs another look.
        key = name.lower() if isinstance(name, str) else name
        if key not in self._by_name:
            for node in self.nodes:
                aliases = () if isinstance(node, Switch) else node.container.aliases
                for called in (node.name, node.short, *aliases):
                    self._by_name[called.lower()] = node
        if key in self._by_name:
            return self._by_name[key]
        there = ", ".join(node.name for node in self.nodes)
        raise NoSuchNode(f"there is no machine {shown(name)} in lab {self.name}: it has {there}")

    def has(self, item: object) -> bool:
        """Tell whether a node is of this lab, or a name that of one."""
        if isinstance(item, str):
            return any(item.lower() in node.calls for node in self.nodes)
        return any(item is node for node in self.nodes)

    @property
    def engine(self) -> Engine:
        """The engine that runs the nodes."""
        # Looked for when it is needed: building a lab touches nothing.
        if self._found_engine is None:
            self._found_engine = choose(self.asked_engine)
        return self._found_engine

    def images(self, plan: Plan) -> dict[str, Image | None]:
        """Return the image of each node, None where it has the machine's own programs."""
        needs = {
            node.name: (node.daemons, node.packages)
            for node in plan.nodes
            if node.container.source is None
        }
        images = {wanted: self.engine.image_for(*wanted) for wanted in set(needs.values())}
        return {name: images[wanted] for name, wanted in needs.items()}

    def refuse_dead(self) -> None:
        """Refuse to add to a lab of which a machine has died."""
        running = self.engine.pids(self.id)
        for name in self.pids:
            if name not in running:
                raise NodeDied(
                    f"{name} has died since lab {self.name} was started: stop the lab and start "
                    "it again"
                )

    def as_leased(self, node: NodePlan) -> NodePlan:
        """Return what is planned of a node, with the addresses that it was given instead."""

        def actual(item: InterfacePlan) -> InterfacePlan:
            address = self.leased.get((node.name, item.name))
            if address is None:
                return item
            others = tuple(one for one in item.addresses if one.version == 6)
            return dataclasses.replace(item, addresses=(address, *others))

        return dataclasses.replace(node, interfaces=tuple(map(actual, node.interfaces)))

    @contextmanager
    def naming_the_dead(self) -> Iterator[None]:
        """Raise `NodeDied` where the agent says that a node of a running lab is gone."""
        try:
            yield
        except AgentError as error:
            if error.errno == errno.ESRCH:
                self.refuse_dead()
            raise

    @contextmanager
    def naming_nodes(self) -> Iterator[None]:
        """Name the node that the agent's error is of; raise `NodeDied` where it is gone."""
        try:
            with self.naming_the_dead():
                yield
        except AgentError as error:
            raise_with_names(error, self.pids)

    def agent(self) -> Client:
        """Return the line to the agent; raises `NotRunning` when there is none."""
        if self.client is None:
            raise NotRunning(f"lab {self.name} is not running: call its start() first")
        return self.client

    def running_plan(self) -> Plan:
        """Return the plan of what runs; raises `NotRunning` when nothing does."""
        if self.plan is None:
            raise NotRunning(f"lab {self.name} is not running: start it first")
        return self.plan

    def saved(self, plan: Plan) -> str:
        """Return all that `Lab.attach` needs to know, with this plan."""
        return lab_as_json.save(self.nodes, plan, self.credentials, self.settings())

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `Lab` that differ from its defaults."""
        engine = self.asked_engine
        said: dict[str, Any] = {
            "name": self.name if self.named else None,
            "users": self.asked_users,
            "ipv6": self.ipv6 or None,
            "keep": self.keep or None,
            "engine": engine if isinstance(engine, str) else None,
            "converge": None if self.converge else False,
            "strict": None if self.strict else False,
            "spread": list(self.spread) if isinstance(self.spread, tuple) else self.spread,
            "reschedule": self.reschedule or None,
            "positions": {name: list(one) for name, one in self.positions.items()} or None,
        }
        return {name: value for name, value in said.items() if value is not None}


def callers_level() -> int:
    """Return how far up, from its caller, the first frame is that is none of ours."""
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("playground"):
        frame = frame.f_back
        level += 1
    return level


def raise_with_names(error: AgentError, pids: Mapping[str, int]) -> NoReturn:
    """Raise an error of the agent, with names of nodes for the numbers of their processes."""
    names = {pid: name for name, pid in pids.items()}
    message = re.sub(
        r"the node of pid (\d+)", lambda found: names.get(int(found[1]), found[0]), str(error)
    )
    if isinstance(error, AgentGone) or message == str(error):
        raise error
    raise AgentError(message, error.op, error.errno, error.remote_traceback) from error


def _check_ipv6(name: str, ipv6: object) -> bool | str:
    if ipv6 == "slaac":
        return "slaac"
    if isinstance(ipv6, bool):
        return ipv6
    raise TopologyError(
        f'lab {name}: ipv6={shown(ipv6)} is none of True, False and "slaac"; write one'
    )


def _placed_names(plan: Plan) -> Iterator[str]:
    """Yield the names of all that is placed."""
    yield from (node.name for node in plan.nodes)
    yield from (one.name for one in plan.switches)


def _check_name(name: str | None) -> str:
    if name is None:
        return "lab"
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise TopologyError(f'{name!r} is no name for a lab: use a word, such as "coffee-shop"')
    return name
