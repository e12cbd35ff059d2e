"""Handles of running nodes: the seams between a node's operations and its lab.

`lab.lab.Lab` attaches a `LiveNode` to every host and router it has
started and takes it away again when it stops; every operation goes through
it.  Only shapes live here.

"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from playground.model.records import dataclass
from playground.operations.connection.client import Client

if TYPE_CHECKING:
    from playground.model.impairment import Impairment
    from playground.model.queues.link_queue import LinkQueue
    from playground.model.services.settings import ServiceRow
    from playground.planning.plan import NodePlan, Plan
    from playground.planning.plan_parts import SwitchPlan, WirePlan
    from playground.planning.program_plans import ProgramPlan


# Of what was started on a node, so much is kept in mind.
_JOBS_KNOWN = 8


@runtime_checkable
class Node(Protocol):
    """A host or router, as far as its operations need to know it."""

    @property
    def name(self) -> str:
        """The full name."""

    @property
    def short(self) -> str:
        """The first label of the name."""

    def running(self) -> LiveNode:
        """Return the live handle; raises `NotRunning` when there is none."""


class LabHandle(Protocol):
    """A lab, as the operations on a node need it."""

    @property
    def name(self) -> str:
        """The lab's name."""

    @property
    def id(self) -> str:
        """The lab's name among all labs of its engine."""

    @property
    def strict(self) -> bool:
        """Whether it refuses what may be a mistake."""

    @property
    def users(self) -> Mapping[str, str]:
        """The ordinary users and their passwords."""

    @property
    def root_password(self) -> str:
        """The password of root, on every node."""

    @property
    def ca_certificate(self) -> str:
        """The certificate (PEM) of the authority that every host trusts."""

    @property
    def private_key(self) -> str:
        """The lab's own ssh key that opens every node, as OpenSSH PEM text."""

    @property
    def nodes(self) -> Sequence[Any]:
        """Every host, router and switch that is declared."""

    def __contains__(self, item: object) -> bool:
        """Tell whether a node is of this lab, or a name that of one."""

    def resolve_name(self, target: Node | str) -> str:
        """Return the name or address by which a node is to be reached.

        A node gives its full name, text is returned as it is.

        """

    def node(self, name: str) -> Node:
        """Return the node with this full or short name; else `LookupError`."""

    def host_key(self, name: str) -> str:
        """Return the ssh host key of a node: ``"ssh-ed25519 AAAA..."``."""

    def change_rules(self, name: str) -> None:
        """Replace the ruleset of a running node by what it is told now."""

    def changing(self) -> AbstractContextManager[None]:
        """Keep what is declared in this block from all others' eyes until it ends."""

    def catch_up(self) -> None:
        """Do what nodes were told about NAT or routes, unless more waits for `Lab.start`."""

    def stop_node(self, name: str, grace_s: float) -> None:
        """Take the power from a running node."""

    def start_node(self, name: str) -> None:
        """Give a node power again; what it ran runs when this returns."""

    def running_plan(self) -> Plan:
        """Return the plan of what runs; raises `NotRunning` when nothing does."""

    def change_wire(
        self,
        live: LiveWire,
        *,
        up: bool | None = None,
        toward: tuple[Impairment | None, Impairment | None] | None = None,
        queues: tuple[LinkQueue | None, LinkQueue | None] | None = None,
        replace_queues: bool = False,
    ) -> None:
        """Plug a link in or out, impair its directions, give them queues: first end, second."""

    def change_switch(self, live: LiveSwitch, **said: Any) -> None:
        """Change what a `SwitchPlan` says of a running switch."""


@dataclass
class LiveNode:
    """The handle by which a running node is reached.

    Without ``own_programs`` it has those of the machine, and no image.  One that is
    ``strange`` has an image of the user's, which may have no programs at all.

    One that is ``stopped`` is there, and nothing runs on it.

    ``pid`` is that of the container's init, as the agent sees it.  ``env`` is
    added to the environment of every command.

    """

    pid: int
    agent: Client
    lab: LabHandle
    services: Mapping[str, ServiceRow] = field(default_factory=dict)
    programs: Mapping[str, ProgramPlan] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    plan: NodePlan | None = None
    stopped: bool = False
    own_programs: bool = True
    strange: bool = False
    # Held while a file is read, changed and written, so that no edit is lost.
    editing: threading.RLock = field(default_factory=threading.RLock)
    # The jobs started there last, for the errors of those who miss one.
    jobs: deque[Any] = field(default_factory=lambda: deque(maxlen=_JOBS_KNOWN))


class LinkRequests(Protocol):
    """The wires of one running lab, in the words of the agent's requests."""

    @property
    def switches(self) -> Collection[str]:
        """The names of all switches."""

    def ends(self, wire: WirePlan) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return both ends of a wire."""


@dataclass
class LiveWire:
    """The handle by which a link that is up is reached; ``wire`` is what the lab's plan has."""

    agent: Client
    lab: LabHandle
    wire: WirePlan
    plumbing: LinkRequests

    @property
    def ends(self) -> list[Mapping[str, Any]]:
        """Both ends, as the agent takes them."""
        return list(self.plumbing.ends(self.wire))


@dataclass
class LiveSwitch:
    """The handle by which a running switch is reached; ``plan`` is what the lab's plan has."""

    agent: Client
    lab: LabHandle
    plan: SwitchPlan
