"""The lab: starts what is declared, owns all that was made, and takes it down.

`Lab` decides nothing about networks: `planning.planner.make_plan` makes the plan,
`planning.difference.compare` says what is new in it, `lab.apply` sends that to the agent, and
this module walks those steps and keeps the way back in one `ExitStack`.

"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import secrets
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Interface
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from playground.display.how_to import help_page
from playground.display.progress import make_progress
from playground.display.tables import Table
from playground.engines import owners
from playground.engines.choice import RunningLabs, check_name, choose
from playground.engines.images import Image
from playground.engines.seam import Engine, Guard, LabLabels, NodeContainer
from playground.errors import (
    AgentError,
    AgentGone,
    BadArgument,
    LabNotFound,
    LabWarning,
    NodeDied,
    NoSuchNode,
    NotReady,
    NotRunning,
    PlaygroundError,
    TopologyError,
)
from playground.lab import apply, convergence, frr_texts, saving, spanning_tree
from playground.lab.credentials import Credentials
from playground.lab.outside import returning
from playground.lab.provision import Check, NodeProvision, provision
from playground.lab.timetable import Planned, PlannedRow, Timetable
from playground.model.arguments import check_flag, shown
from playground.model.link_removal import taken_out
from playground.model.notation import check_bool
from playground.model.parts import NodeBase
from playground.model.services import SERVICES
from playground.model.single import Single
from playground.model.topology import refuse_in_use
from playground.operations.connection.client import Client
from playground.operations.connection.handles import LiveNode, LiveSwitch, LiveWire
from playground.operations.connection.threads import Beside
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.difference import Changes, compare
from playground.planning.firewall import with_node_rules
from playground.planning.interface_names import match
from playground.planning.nft import loadable
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan
from playground.planning.planner import collect, make_plan
from playground.planning.segments import linked, links_of

if TYPE_CHECKING:
    from playground.lab.outside.uplink import MachineLink
    from playground.operations.captures.capture import Capture
    from playground.operations.diagnosis.all_pairs import PingAll
    from playground.operations.diagnosis.checks import Checks
    from playground.operations.diagnosis.explanation import Explanation
    from playground.operations.diagnosis.state import State
    from playground.operations.pictures.picture import Picture

# A service that has not answered by then never will: the slowest, a mail
# server, takes under a second on an idle machine of 2 cores.
READY_TIMEOUT_S = 60.0

# Of what was changed in a running lab, until it is written down for `Lab.attach`.
SAVE_AFTER_S = 0.2

# The labs of this process that run, by the names their users gave them, so
# that a notebook cell run twice replaces its lab instead of adding another.
_running: weakref.WeakValueDictionary[str, Lab] = weakref.WeakValueDictionary()


class Lab(Single):
    """A network of hosts, routers and switches that can be started and stopped.

    Takes the `nodes` given and every node linked to them.  ``name`` is what
    other programs find it by (`Lab.attach`) and what its MAC addresses are
    derived from; a second lab of the same name in the same process replaces
    the first when it starts.  ``users`` maps user names to passwords (by
    default one user, ``student``, with a password made for the lab).  With
    ``ipv6`` every segment gets a /64 too.  ``keep`` makes a lab that outlives
    this program, until it is stopped.  ``engine`` is what runs the hosts:
    "docker", "namespaces" (this machine's kernel alone), or an engine; by default
    what PLAYGROUND_ENGINE says, else the Docker engine that DOCKER_HOST or the
    usual socket leads to where it answers, else "namespaces".
    With ``quiet`` nothing is printed while it starts.  With ``converge=False`` no start
    waits until routing protocols have found all ways (`start` says more).

    With ``strict=False`` it takes what is refused otherwise because it is likely to be a
    mistake, for those who are to find it: masks that differ, an address or a subnet in two
    places, switches in a loop without a spanning tree.  A `LabWarning` tells of each, and
    `warnings` keeps them.

    Building a `Lab` plans it and touches nothing on the machine; raises
    `TopologyError` if it cannot become a network.

    >>> with Lab(home, name="coffee-shop") as lab:
    ...     h1.ping("www")

    """

    def __init__(
        self,
        *nodes: Node,
        name: str | None = None,
        users: Mapping[str, str] | None = None,
        ipv6: bool = False,
        keep: bool = False,
        engine: Engine | str | None = None,
        quiet: bool = False,
        converge: bool = True,
        strict: bool = True,
    ) -> None:
        self.name = _check_name(name)
        self.ipv6 = ipv6
        self.converge = check_bool(f"lab {self.name}", "converge", converge)
        self.strict = check_bool(f"lab {self.name}", "strict", strict)
        self._warned: set[str] = set()
        self.keep = keep
        self.id = ""
        self._named = name is not None
        self._given = nodes
        self._by_name: dict[str, Node] = {}
        check_name(engine)
        self._asked_engine = engine
        self._found_engine: Engine | None = None
        self._own_engine = engine is None or isinstance(engine, str)
        self._progress = make_progress(check_flag(f"lab {self.name}: quiet", quiet))
        self._lock = threading.RLock()
        # Held while a plan is made of what is declared, and while a running lab's
        # declarations are changed; taken after the other.
        self._declaring = threading.RLock()
        self._saving: threading.Timer | None = None
        self._timetable = Timetable()
        self._lasting: ExitStack | None = None
        self._client: Client | None = None
        self._plan: Plan | None = None
        self._provisions: dict[str, NodeProvision] = {}
        self._pids: dict[str, int] = {}
        # Of interfaces that others gave an address than was planned.
        self._leased: dict[tuple[str, str], IPv4Interface] = {}
        self._hashes: dict[str, str] = {}
        self._labels = LabLabels("", self.name, "")
        self._credentials = Credentials.make(users)
        self._forget: weakref.finalize[..., Lab] | None = None
        self._process_id = os.getpid()
        self._take_nodes()
        self.plan()

    # -- what it is ---------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host, router and switch, in the order found."""
        # Only these are made by whoever uses the library: see `operations.network`.
        return cast(tuple[Node, ...], collect(self._given))

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link between the nodes, once, in the order found."""
        return tuple(dict.fromkeys(link for node in self.nodes for link in node.links))

    def link(self, a: Node | str, b: Node | str, *, interface: str | None = None) -> Link:
        """Return the link between two nodes; of several, that at an ``interface`` of the first.

        Raises `NoSuchNode` for a name that no node has, and `BadArgument` where there is
        no such link, or more than one.

        >>> lab.link("h1", "home").down()

        """
        for item in (a, b):
            if not isinstance(item, (str, NodeBase)):
                raise BadArgument(f"{shown(item)} is no node, and no name of one")
        first, second = (self[item] if isinstance(item, str) else item for item in (a, b))
        found = [link for link in self.links if {end.node for end in link.ends} == {first, second}]
        if interface is not None:
            wires = match(self.links, self.plan())
            found = [link for link in found if wires[link].end_at(first.name, interface)]
        if len(found) == 1:
            return found[0]
        if not found:
            where = f" at its interface {interface}" if interface is not None else ""
            near = ", ".join(link.peer(first).node.name for link in first.links) or "nobody"
            raise BadArgument(
                f"{first.name} has no link to {second.name}{where}; it is linked to {near}"
            )
        raise BadArgument(
            f"there are {len(found)} links between {first.name} and {second.name}: give "
            f"interface=, the name of {first.name}'s interface"
        )

    @property
    def running(self) -> bool:
        """Whether the lab was started and not stopped since."""
        return self._lasting is not None

    @property
    def users(self) -> dict[str, str]:
        """The ordinary users that exist on every host, and their passwords."""
        return dict(self._credentials.users)

    @property
    def root_password(self) -> str:
        """The password of root on every host."""
        return self._credentials.root_password

    @property
    def private_key(self) -> str:
        """The key that lets root and every user in over SSH, in OpenSSH's format."""
        return self._credentials.ssh_private_key

    @property
    def ca_certificate(self) -> str:
        """The certificate (PEM) of the authority that every host trusts."""
        return self._credentials.ca_certificate_pem

    def host_key(self, node: str) -> str:
        """Return the public SSH host key of the node with this full name."""
        return self._credentials.host_key(self[node].name)[1]

    def node(self, name: str) -> Host | Router:
        """Return the host or router with this full or short name; else `NoSuchNode`."""
        node = self[name]
        if isinstance(node, Switch):
            raise NoSuchNode(f"{name} is a switch, and nothing runs on a switch")
        return node

    def resolve_name(self, target: object) -> str:
        """Return the name or address that the machines of the lab know `target` by.

        Raises `NoSuchNode` for a node of another lab, whose name may mean a node here, and for
        one that nothing links to this lab.

        """
        if isinstance(target, Node):
            _refuse_stranger(self, target)
        return target if isinstance(target, str) else str(getattr(target, "name", target))

    def plan(self) -> Plan:
        """Return what `start` will make, or has made, as frozen data.

        Raises `TopologyError` if the declarations cannot become a network.
        Once the lab runs, addresses that were given stay as they are.

        """
        return self._make_plan(self._plan)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a lab with ``strict=False`` has taken, a sentence each; () if nothing is odd.

        >>> Lab(home, strict=False).warnings
        ('home: address 192.168.1.11 is given to h1 and to h2; choose another for one of them',)

        """
        return self.plan().warnings

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep what is declared in this block from other threads' eyes until it ends."""
        with self._lock, self._declaring:
            yield

    def _make_plan(self, previous: Plan | None) -> Plan:
        with self._declaring:
            plan = make_plan(
                self._given, lab=self.name, ipv6=self.ipv6, previous=previous, strict=self.strict
            )
        for sentence in plan.warnings:
            if sentence not in self._warned:
                self._warned.add(sentence)
                warnings.warn(sentence, LabWarning, stacklevel=_callers_level())
        return plan

    def as_shell(self) -> str:
        """Return the commands that make this lab's network by hand: those of `Plan.as_shell`.

        >>> Path("network.sh").write_text(lab.as_shell())  # then: sudo sh network.sh

        """
        return self.plan().as_shell()

    def __getitem__(self, name: str) -> Node:
        """Return the node with this full or short name, in any case (RFC 4343).

        Raises `NoSuchNode`, which is a `KeyError`, if there is none.

        """
        if not isinstance(name, str):
            raise NoSuchNode(f"{shown(name)} is no name of a machine: write for example lab['h1']")
        # What is linked stays linked: only a name that is new needs another look.
        key = name.lower() if isinstance(name, str) else name
        if key not in self._by_name:
            for node in self.nodes:
                self._by_name[node.name.lower()] = self._by_name[node.short.lower()] = node
        if key in self._by_name:
            return self._by_name[key]
        there = ", ".join(node.name for node in self.nodes)
        raise NoSuchNode(f"there is no machine {shown(name)} in lab {self.name}: it has {there}")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return any(item.lower() in node.calls for node in self.nodes)
        return any(item is node for node in self.nodes)

    def __repr__(self) -> str:
        nodes = self.nodes
        counts = [
            _count(sum(isinstance(node, kind) for node in nodes), word)
            for kind, word in ((Host, "host"), (Router, "router"), (Switch, "switch"))
        ]
        state = "running" if self.running else "not running"
        return f"<Lab {self.name}: {', '.join(filter(None, counts))}; {state}>"

    # -- seeing it ----------------------------------------------------------

    def picture(
        self, path: str | os.PathLike[str] | None = None, *, theme: str = "auto"
    ) -> Picture:
        """Return a picture of the network, and write it to a file if one is named.

        A notebook shows it (and shows it for the lab itself too), ``print`` writes it as
        text.  A file's name ends in .svg, .png or .pdf; ``theme`` is "light", "dark" or
        "auto", which follows the reader.  In a running lab, links are drawn as the
        kernel says that they are: down, impaired, blocked by a spanning tree.

        Raises `PlaygroundError` where a package is missing that a file needs
        (it says which), `BadArgument` for another kind of file.

        >>> lab.picture("net.svg")

        """
        from playground.operations.pictures.picture import picture_of

        plan, nodes = self.plan(), self.nodes
        picture = picture_of(plan, nodes, self._client if self.running else None, self.running)
        if path is not None:
            picture.save(path, theme)
        return picture

    def __str__(self) -> str:
        from playground.operations.pictures.tree import draw

        return draw(self.plan())

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        from playground.operations.pictures.picture import picture_of

        try:
            picture = self.picture()
        except AgentError:  # how its links are nobody can tell; what there is, all the same
            picture = picture_of(self.plan(), self.nodes, None, self.running)
        return picture._repr_mimebundle_(include, exclude)

    # -- starting -----------------------------------------------------------

    def start(self, *, converge: bool | None = None) -> Self:
        """Bring up all that is declared and not yet running; return the lab.

        When it returns, every link carries traffic, every name resolves and
        every service answers.  On a running lab it brings up the nodes and
        links that were declared since and leaves the rest alone.

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
        if converge is not None:
            check_bool(f"lab {self.name}", "converge", converge)
        with self._lock:
            self._take_nodes()
            plan = self.plan()
            if self.converge if converge is None else converge:
                convergence.refuse_split(plan)
            self._engine.refuse(plan)
            images = self._images(plan)
            if self.running:
                self._extend(plan, images, converge)
            else:
                self._begin(plan, images, converge)
        return self

    @property
    def _engine(self) -> Engine:
        # Looked for when it is needed: building a lab touches nothing.
        if self._found_engine is None:
            self._found_engine = choose(self._asked_engine)
        return self._found_engine

    def _images(self, plan: Plan) -> dict[str, Image | None]:
        services = {
            node.name: frozenset(settings.service for settings in node.services)
            for node in plan.nodes
        }
        images = {wanted: self._engine.image_for(wanted) for wanted in set(services.values())}
        return {name: images[wanted] for name, wanted in services.items()}

    def _begin(self, plan: Plan, images: Mapping[str, Image | None], converge: bool | None) -> None:
        self._replace_older()
        if self._named or self.keep:
            self._refuse_kept()
        self._engine.ensure_images(_distinct(images), self._progress)
        self.id = f"{_slug(self.name)}-{secrets.token_hex(3)}"
        self._labels = LabLabels(
            self.id, self.name, owners.own_name(), self.keep, owners.own_mark()
        )
        step = self._progress.step(f"starting lab {self.name}")
        with step, ExitStack() as lasting, ExitStack() as undo:
            if self._own_engine:
                lasting.callback(self._engine.close)
            guard = self._engine.guard(self._labels)
            lasting.callback(_take_down, self._engine, self.id, guard)
            undo.callback(self._let_go)
            containers = _containers(plan.nodes, images)
            # The agent's interpreter starts while the hosts do.
            with Beside(self._start_agent, lasting) as helper:
                pids = self._engine.start_nodes(self._labels, containers, self._progress)
                self._client = helper.result()
            with self._blaming(containers, pids):
                self._bring_up(undo, plan, compare(None, plan), pids, converge)
            if self.keep:
                guard.release()
            self._runs(lasting.pop_all())
            if not self.keep:
                # Neither end refers to this object, or it would never be dropped.
                end = (self._client.close, guard.abandon)
                self._forget = weakref.finalize(self, _abandoned, repr(self), os.getpid(), *end)
                # At the end of the program the line closes by itself.
                self._forget.atexit = False
            undo.pop_all()

    def _runs(self, lasting: ExitStack) -> None:
        self._process_id = os.getpid()
        self._lasting = lasting
        self._timetable.begin()
        if self._named:
            _running[self.name] = self

    def _start_agent(self, lasting: ExitStack) -> Client:
        client = Client(self._engine.start_helper(self._labels))
        lasting.callback(client.close)
        client.hello(READY_TIMEOUT_S)
        self._hash_passwords(client)
        return client

    def _hash_passwords(self, client: Client) -> None:
        passwords = [self.root_password, *self.users.values()]
        self._hashes = apply.hash_passwords(client, passwords)

    @contextmanager
    def _blaming(
        self, containers: Sequence[NodeContainer], pids: Mapping[str, int]
    ) -> Iterator[None]:
        """Name the node that the agent's error is of; raise `NodeDied` where it has ended."""
        try:
            yield
        except AgentError as error:
            if error.errno == errno.ESRCH:
                self._engine.refuse_dead(self._labels, containers)
            message = _with_names(str(error), pids)
            if isinstance(error, AgentGone) or message == str(error):
                raise
            raise AgentError(message, error.op, error.errno, error.remote_traceback) from error

    def _extend(
        self, plan: Plan, images: Mapping[str, Image | None], converge: bool | None = None
    ) -> None:
        change = compare(self._plan, plan)
        self._refuse_dead()
        self._engine.ensure_images(_distinct(images), self._progress)
        containers = _containers(change.nodes, images)
        new = [container.name for container in containers]
        with self._progress.step(f"adding to lab {self.name}"), ExitStack() as undo:
            pids = dict(self._pids)
            if new:
                undo.callback(self._engine.stop, self.id, new)
                pids |= self._engine.start_nodes(self._labels, containers, self._progress)
            with self._blaming(containers, pids):
                self._bring_up(undo, plan, change, pids, converge)
            undo.pop_all()

    def _refuse_dead(self) -> None:
        """Refuse to add to a lab of which a machine has died."""
        running = self._engine.pids(self.id)
        for name in self._pids:
            if name not in running:
                raise NodeDied(
                    f"{name} has died since lab {self.name} was started: stop the lab and start "
                    "it again"
                )

    def _bring_up(
        self,
        undo: ExitStack,
        plan: Plan,
        change: Changes,
        pids: dict[str, int],
        converge: bool | None,
    ) -> None:
        """Wire, configure and furnish what `change` adds; `undo` gets the way back."""
        client = self._agent()
        old_plan, old_provisions, old_pids = self._plan, self._provisions, self._pids
        provisions = provision(plan, self._credentials)
        # Both plans know the ends of wires that stay; only one, those that come or go.
        plumbing = apply.Plumbing(lambda: plan, pids)
        gone = apply.Plumbing(lambda: old_plan or plan, pids)
        if not self.keep:
            client.call("own", pids=[pids[node.name] for node in change.nodes])
        if old_plan is not None:
            back = compare(plan, old_plan)
            undo.callback(apply.lease, client, old_pids, old_plan, back.inside)
            undo.callback(apply.start_programs, client, old_pids, old_provisions, provisions)
            undo.callback(apply.furnish, client, old_pids, old_provisions, provisions, {})
            undo.callback(apply.switch, client, back.switches_change)
            undo.callback(apply.rewire, client, gone, back.wires_change)
            undo.callback(apply.configure, client, old_pids, back.inside)
            undo.callback(apply.plug_in, client, gone, back.wires_change)
            undo.callback(apply.unwire, client, old_pids, plan, change)
        with Beside(
            apply.furnish, client, pids, provisions, old_provisions, self._hashes
        ) as furnishing:
            apply.wire(client, pids, plan, change)
            apply.plug_in(client, plumbing, change.wires_change)
            apply.remove(client, gone, change.wires_remove)
            if change.wires_remove and old_plan is not None:
                undo.callback(apply.wire, client, old_pids, old_plan, back)
                apply.forget(client, pids, old_plan, change.wires_remove)
            apply.configure(client, pids, change.inside)
            apply.rewire(client, plumbing, change.wires_change)
            apply.switch(client, change.switches_change)
            furnishing.result()
        texts = frr_texts.new_texts(provisions, old_provisions)
        frr_texts.check_texts(client, pids, texts)
        checks = apply.start_programs(client, pids, provisions, old_provisions)
        undo.callback(self._restore, old_plan, old_provisions, old_pids)
        self._plan, self._provisions, self._pids = plan, provisions, pids
        self._attach_nodes(plan, pids)
        spanning_tree.wait_settled(client, plan, READY_TIMEOUT_S)
        unplanned = apply.lease(client, pids, plan, change.inside)
        self._wait_ready(checks)
        frr_texts.wait_told(client, pids, texts, provisions, READY_TIMEOUT_S)
        self._accept(unplanned)
        waits = self.converge if converge is None else converge
        if waits and _concerns_routing(plan, change, checks):
            convergence.wait_converged(client, plan, pids, READY_TIMEOUT_S)
        client.call("state_save", data=self._saved(plan))

    def _accept(self, unplanned: Iterable[apply.UnplannedLease]) -> None:
        """Show the addresses that others gave than was planned, and ask their name servers."""
        for found in unplanned:
            planned = self.node(found.node)
            self._leased[found.node, found.interface] = found.address
            live = planned.running()
            if live.plan is not None:
                live.plan = self._as_leased(live.plan)
            said = f"{found.node} was given {found.address} by DHCP from {found.server}, unplanned"
            with self._progress.step(said):
                pass
            if found.nameservers:
                planned.nameservers = list(found.nameservers)

    def _as_leased(self, node: NodePlan) -> NodePlan:
        """Return what is planned of a node, with the addresses that it was given instead."""

        def actual(item: InterfacePlan) -> InterfacePlan:
            address = self._leased.get((node.name, item.name))
            if address is None:
                return item
            others = tuple(one for one in item.addresses if one.version == 6)
            return dataclasses.replace(item, addresses=(address, *others))

        return dataclasses.replace(node, interfaces=tuple(map(actual, node.interfaces)))

    # -- changing what runs ---------------------------------------------------

    def change_rules(self, name: str) -> None:
        """Replace the ruleset of a running node by what its firewall is told now.

        What it has counted is kept.  After an error all is as it was.

        """
        with self._lock:
            client, plan = self._agent(), self._plan
            assert plan is not None
            node = self.node(name)
            changed = with_node_rules(plan, node)
            others = (changed if one.name == changed.name else one for one in plan.nodes)
            new = dataclasses.replace(plan, nodes=tuple(others))
            if not plan.node(name).rules:  # else this machine can do it
                self._engine.refuse(new)
            request = {"pid": self._pids[changed.name], "ruleset": loadable(changed.rules)}
            # nft takes longer for a thousand rules than writing down what they are.
            loaded = client.begin("firewall", nodes=[request])
            saved = self._saved(new)
            loaded()
            self._plan = new
            node.running().plan = changed
            client.call("state_save", data=saved)

    def catch_up(self) -> None:
        """Do at once what nodes were told since, unless more waits for `start`."""
        with self._lock:
            plan = self.plan()
            change = compare(self._plan, plan)
            if not (change.nodes or change.bridges or change.wires):
                self._engine.refuse(plan)
                self._extend(plan, self._images(plan))

    def wait_converged(self, timeout_s: float = 60) -> float:
        """Wait until the routers' protocols have found all ways; return the seconds it took.

        They are done when each of them sends to every network that the links which
        are up lead to, by the cheapest way that its protocol knows, and has
        forgotten the others.  Before that the switches with ``stp`` agree on their tree.
        A link that is up and loses every packet is no failure
        that this can see before the protocols do.  Without STP, OSPF, RIP or BGP it
        returns 0.0 at once.

        Raises `NotReady`, which says what is missing, after ``timeout_s`` seconds.

        >>> link.down()
        >>> lab.wait_converged()
        0.31

        """
        client = self._agent()
        with self._lock:
            plan, pids = self._plan, dict(self._pids)
        assert plan is not None  # there is an agent
        trees_s = spanning_tree.wait_settled(client, plan, timeout_s)
        return trees_s + convergence.wait_converged(client, plan, pids, timeout_s)

    def _wait_ready(self, checks: Sequence[Check]) -> None:
        """Wait until every service has given a real answer."""
        failures = apply.wait_ready(self._agent(), self._pids, checks, READY_TIMEOUT_S)
        if not failures:
            return
        first = failures[0]
        sentences = [
            f"{failure['service']} on {failure['node']} did not answer on port "
            f"{failure['port']} within {READY_TIMEOUT_S:g} s: {failure['message']}"
            for failure in failures
        ]
        row = SERVICES[first["service"]]
        # What a program says that ends at once is in its supervisor's log.
        logs = (*row.logs, "/run/playground/boot.log")
        log = apply.read_log(self._agent(), self._pids[first["node"]], logs)
        raise NotReady("\n".join(sentences) + (f"\nits log ends:\n{log}" if log else ""))

    def _attach_nodes(self, plan: Plan, pids: Mapping[str, int]) -> None:
        plain_have_image = self._engine.image_for(frozenset()) is not None
        for node in self.nodes:
            # A node that was declared since, and is not started, is in no plan.
            if isinstance(node, Switch) or node.name not in pids:
                continue
            offered = plan.node(node.name).services
            node._live = LiveNode(
                pid=pids[node.name],
                agent=self._agent(),
                lab=self,
                services={
                    item.service: SERVICES[item.service] for item in plan.node(node.name).services
                },
                plan=self._as_leased(plan.node(node.name)),
                own_programs=plain_have_image or bool(offered),
            )

        plumbing = apply.Plumbing(lambda: self._plan or plan, pids)
        for link, wire in match(self.links, plan).items():
            assert isinstance(link, Link)
            link._live = LiveWire(self._agent(), self, wire, plumbing)
        switches = {switch.name: switch for switch in plan.switches}
        for node in self.nodes:
            if isinstance(node, Switch) and node.name in switches:
                live = LiveSwitch(self._agent(), self, switches[node.name], apply.switch_request)
                node._live = live

    def running_plan(self) -> Plan:
        """Return the plan of what runs; raises `NotRunning` when nothing does."""
        if self._plan is None:
            raise NotRunning(f"lab {self.name} is not running: start it first")
        return self._plan

    def capture(
        self,
        *,
        filter: str = "",  # noqa: A002 - as tcpdump's users call it
        snaplen_bytes: int = 1 << 18,
        limit_packets: int | None = None,
        limit_bytes: int | None = None,
        limit_s: float | None = None,
    ) -> Capture:
        """Return a `Capture` at every interface of every host and router, to be used by ``with``.

        Each packet says where it was seen; on its way through the lab one packet is seen
        many times, and ``packets.ladder()`` puts that together again.  The arguments are
        those of `NodeOperations.capture`.

        >>> with lab.capture(filter="icmp or arp") as packets:
        ...     h1.ping(www)
        >>> packets.ladder()

        """
        from playground.operations.captures.capture import at_ends, is_upon_another

        plan = self.running_plan()
        ends = [
            {"node": node.name, "interface": interface.name, "pid": self._pids[node.name]}
            for node in plan.nodes
            if node.name in self._pids
            for interface in node.interfaces
            if not is_upon_another(interface)
        ]
        return at_ends(
            self._agent(),
            self,
            ends,
            filter=filter,
            snaplen_bytes=snaplen_bytes,
            limit_packets=limit_packets,
            limit_bytes=limit_bytes,
            limit_s=limit_s,
        )

    def amend(self, change: Callable[[Plan], Plan]) -> None:
        """Take into the plan what was changed in the kernel, and save it a little later."""
        with self._lock:
            if self._plan is not None:
                self._plan = change(self._plan)
                self._save_soon()

    def _saved(self, plan: Plan) -> str:
        return saving.save(self.nodes, plan, self._credentials, self.converge)

    def _save_soon(self) -> None:
        # Writing it takes longer than most changes do, and one may follow another.
        if self._saving is None:
            self._saving = threading.Timer(SAVE_AFTER_S, self._save_if_there)
            self._saving.daemon = True
            self._saving.start()

    def _save_if_there(self) -> None:
        with suppress(AgentGone):  # the lab has ended meanwhile, and nothing is to be saved
            self._save_state()

    def _save_state(self) -> None:
        with self._lock:
            self._saving = None
            if self._client is not None and self._plan is not None:
                data = self._saved(self._plan)
                self._client.call("state_save", data=data)

    def _let_go(self) -> None:
        self._client = None
        self._detach_nodes()

    def _detach_nodes(self) -> None:
        self._leased.clear()
        # What was declared since may be wrong, and must not keep the lab from its end.
        nodes = cast(tuple[Node, ...], linked(self._given))
        for link in cast(tuple[Link, ...], links_of(nodes)):
            link._live = None
        for node in nodes:
            node._live = None

    def _restore(
        self,
        plan: Plan | None,
        provisions: dict[str, NodeProvision],
        pids: dict[str, int],
    ) -> None:
        self._plan, self._provisions, self._pids = plan, provisions, pids
        self._detach_nodes()
        if plan is not None:
            self._attach_nodes(plan, pids)

    def _take_nodes(self) -> None:
        """Make the nodes this lab's own; refuse those of another lab.

        A lab of the same name that was declared before is about to be replaced,
        and may lose its nodes.

        """
        for node in self.nodes:
            other = _lab_of.get(node, _no_lab)()
            if other is None or other is self:
                continue
            if other.name == self.name and (self._named or not other.running):
                continue
            state = "running lab" if other.running else "lab"
            raise TopologyError(
                f"{node.name} is part of the {state} {other.name!r} already, and a machine can be "
                f"in one lab at a time: stop that lab and drop it, or declare a new machine"
            )
        for node in self.nodes:
            _lab_of[node] = weakref.ref(self)

    def _replace_older(self) -> None:
        older = _running.get(self.name) if self._named else None
        # A kept lab was meant to stay, and gives way only to another kept one.
        if older is not None and older is not self and (self.keep or not older.keep):
            older.stop()

    def _refuse_kept(self) -> None:
        """Refuse a name that a lab has which was meant to stay."""
        for record in self._engine.labs():
            if record.keep and record.name == self.name and not record.is_strange:
                raise PlaygroundError(
                    f"a lab named {self.name!r} is kept running already: enter it with "
                    f"Lab.attach({self.name!r}), or take it down first with "
                    f"`playground down {self.name}`"
                )

    def _agent(self) -> Client:
        if self._client is None:
            raise NotRunning(f"lab {self.name} is not running: call its start() first")
        return self._client

    # -- changing what runs ---------------------------------------------------

    def remove(self, link: Link) -> None:
        """Take a link out of the lab: its interfaces, and the ways that led over it.

        In a running lab it is gone at once, and routes lead where others lead; nodes that
        hang on nothing else stay, and run on, but one that was never started goes with it.
        As `start` it brings up what was declared since.  The `Link` is of no more use: make
        another to link the nodes anew.

        Raises `TopologyError` if it is none of this lab's, or rules or NAT speak of it,
        and as `start`; it is then where it was.

        >>> lab.remove(uplink)

        """
        with self._lock:
            # Two nodes of one name, say: removing the second one's link is how to mend that.
            if link not in links_of(linked(self._given)):
                raise _no_link(link, self)
            for part in (link, *link.attachments):
                refuse_in_use(part)
            given, live = self._given, link._live
            # Its nodes stay, whatever they hang on then.
            ends = [end.node for end in link.ends if not self.running or end.node._live is not None]
            self._given = tuple(dict.fromkeys((*given, *ends)))
            try:
                with taken_out(link):
                    if live is None or self._plan is None:
                        self.plan()
                    else:
                        base = self._plan.without_wire(live.wire)
                        plan = self._make_plan(base)
                        self._engine.refuse(plan)
                        self._extend(plan, self._images(plan))
            except BaseException:
                self._given = given
                raise
            link._live = None

    def at(
        self, seconds: float, action: Callable[..., object], *args: Any, **kwargs: Any
    ) -> Planned:
        """Plan something: ``lab.at(5, link.down)``; returns its `Planned`.

        It is done so many seconds after `start` has returned, or from now on if the lab
        runs, as ``action(*args, **kwargs)``, in a thread.  `Planned.wait` waits for it and
        raises what went wrong.  What was not done when the lab stops is not done.

        Raises `BadArgument` for no number of seconds, or nothing to call.

        >>> lab.at(5, link.impair, loss_percent=10)
        >>> lab.at(15, link.restore)
        >>> with lab:
        ...     h1.ping(www, count=20)

        """
        return self._timetable.at(seconds, action, *args, **kwargs)

    @property
    def timetable(self) -> Table[PlannedRow]:
        """What `at` has planned, in the order of their times, and what became of it."""
        return self._timetable.rows()

    # -- looking --------------------------------------------------------------

    def explain(
        self,
        source: Host | Router | str,
        target: Host | Router | str,
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
    ) -> Explanation:
        """Send one packet, watch it on its way, and explain what became of it.

        Of TCP with a ``port`` (a connection is opened, and reset at once), of
        ``protocol="udp"``, or an echo request ("icmp", without a port).  It is followed
        from node to node by what every kernel says: the name, routes, neighbours,
        rules that it met, translations, the server's socket, and the way of the answer.
        Where a link on the way takes less than its ends, large packets are sent too.
        The `Explanation` is true if all is well, and names the ``node`` and the
        ``cause`` otherwise, with a ``sentence`` and an ``advice``; ``steps`` is a table.

        A name means what it means on the source; with ``version`` 4 or 6 its first
        address of that family.  A packet counts as lost 0.3 s after anything was last seen
        of it (longer where links delay).  Rules are watched by a table
        ``playground_trace_...`` in nodes that have any, for as long as that takes.

        Raises `NotRunning`, `NoSuchNode`, `NodeDied`, and `BadArgument` for what is no question.

        >>> lab.explain(h1, www, port=80)
        h1 to www, tcp port 80: no, no route back at www
        The packet came to www, and its answer goes nowhere: ...

        """
        from playground.operations.diagnosis.explain import explain

        client = self._agent()
        with self._lock:
            plan, pids = self._plan, dict(self._pids)
        assert plan is not None  # there is an agent
        with self._naming_the_dead():
            return explain(
                self,
                client,
                plan,
                pids,
                source,
                target,
                port=port,
                protocol=protocol,
                version=version,
            )

    def ping_all(
        self,
        *nodes: Host | Router | str,
        count: int = 1,
        interval_s: float = 0.2,
        timeout_s: float = 1,
        version: int | None = None,
    ) -> PingAll:
        """Let every host send echo requests to every other, and return who was reached.

        Of the ``nodes`` given, or of all hosts.  Each is asked by the address that the sender
        has for its name, or by its first one; with ``version`` 4 or 6 by one of that family.
        ``count`` requests go out every ``interval_s`` seconds, and the last reply is waited for
        ``timeout_s`` seconds.  All pairs are asked beside each other, by one process, so that
        sixty hosts (3,540 pairs) take seconds.  `PingAll` is true when all were reached; it
        shows as a matrix, and gives a row for each pair.  What is not reached raises nothing.

        Raises `NotRunning`, `NoSuchNode`, `NodeDied`, and `BadArgument` for what is no number.

        >>> sys.exit(not lab.ping_all().all_reached)

        """
        from playground.operations.diagnosis.all_pairs import ping_all

        client = self._agent()
        asked = nodes or tuple(node for node in self.nodes if isinstance(node, Host))
        names = dict.fromkeys(self.node(self.resolve_name(item)).name for item in asked)
        with self._lock:
            plan, pids = self.running_plan(), dict(self._pids)
        with self._naming_the_dead():
            return ping_all(
                client,
                plan,
                pids,
                [name for name in names if name in pids],
                count=count,
                interval_s=interval_s,
                timeout_s=timeout_s,
                version=version,
            )

    # `lab.help("vlan")` is the page about it, `lab.help()` the list.
    help = staticmethod(help_page)

    @property
    def check(self) -> Checks:
        """What should be true of this network, checked: for exercises, and for tests.

        ``reaches``, ``does_not_reach``, ``path``, ``serves``, ``resolves``: each waits up to
        ``within_s`` seconds, and raises `CheckFailed`, an `AssertionError`, which explains
        what is wrong.

        >>> lab.check.reaches(h1, www, port=80)
        >>> lab.check.does_not_reach(h4, h1, port=22)
        >>> lab.check.path(h1, www, ["modem"])
        >>> lab.check.serves(www, "http", contains="Welcome", client=h1)
        >>> lab.check.resolves(h1, "www.example.com", "10.130.1.4")

        """
        from playground.operations.diagnosis.checks import Checks

        return Checks(self)

    def state(self) -> State:
        """Return what the kernel knows of every node's network now, as frozen data.

        Links, addresses, routes, policy rules, neighbours, listening sockets,
        connections and NAT, firewall rules and some sysctls; counters and ages are left
        out.  It shows as a table, ``state["h1"]`` is one node's, and ``diff`` says what came
        and went since another:

        >>> before = lab.state()
        >>> h1.run("ip route del default")
        >>> lab.state().diff(before)
        change  node  kind   entry
        -       h1    route  default via 192.168.1.1 dev eth1 proto static

        """
        from playground.operations.diagnosis.state import read_states

        client = self._agent()
        with self._lock:
            pids = dict(self._pids)
        with self._naming_the_dead():
            return read_states(client, pids)

    @contextmanager
    def _naming_the_dead(self) -> Iterator[None]:
        """Raise `NodeDied` where the agent says that a node of a running lab is gone."""
        try:
            yield
        except AgentError as error:
            if error.errno == errno.ESRCH:
                self._refuse_dead()
            raise

    # -- the machine itself ---------------------------------------------------

    def machine(
        self, node: Host | Router, *, subnet: str | None = None, trust_hosts: bool = False
    ) -> MachineLink:
        """Link a host or router with this machine, and with nothing else, at once.

        A host-only network of two: the node gets an interface ``machine``, the
        machine one of its own, and each an address of ``subnet`` (by default a /30
        of 198.18.0.0/15 that neither uses).  Programs of the machine reach the node
        by `MachineLink.address`, programs on it the machine by
        `MachineLink.machine_address`.  Nobody forwards for it.

        On Docker whoever is root on a host of the lab could change the machine's own
        network over such a link: it is refused unless ``trust_hosts`` says that all
        that runs on the lab's hosts is trusted.  On bare namespaces no host can.

        This is one of two features that touch the machine's own network: it adds an
        interface, which goes with the lab, the node, or `MachineLink.remove`.  It is
        no part of the plan.  Needs root, or a Docker engine, where a container in the
        network of the engine's machine does it.  Raises `NotRunning`, `BadArgument`,
        `AgentError` with the kernel's reason.

        >>> link = lab.machine(www)
        >>> urllib.request.urlopen(f"http://{link.address.ip}/")

        """
        from playground.lab.outside import uplink

        return self._reach(uplink.check_host(node), subnet, None, trust_hosts)

    def uplink(
        self,
        router: Router,
        *,
        through: Sequence[str] = (),
        subnet: str | None = None,
        trust_hosts: bool = False,
    ) -> MachineLink:
        """Give the lab a way out through this machine, by one of its routers, at once.

        Off unless asked for.  The router gets an interface ``uplink`` and a default
        route; so does every host and router that has none and knows a way to it.
        Packets leave the machine by the devices of ``through`` (by default those of
        its own default routes) under the machine's own address.  Nothing begins
        outside, and of the machine itself the lab can reach a ping only.  IPv4 only;
        names of the Internet are not resolved.

        This is one of two features that touch the machine's own network.  While it
        is there the machine has one more interface and one more nftables table (both
        called pg_...), forwards from and to these devices, and where it drops what
        it forwards, as Docker makes it do, has two rules more in that chain.  A
        process watches the interface and puts all of it back when it goes: by
        `MachineLink.remove`, with the router, or with the lab, also when its owner is
        killed.  Firewalls in tables of their own are not asked to let it pass.

        Needs root, or a Docker engine, and there ``trust_hosts``, as `machine` does.
        Raises the same.

        >>> with lab.uplink(isp):
        ...     h1.run("apt-get update")

        See RFC 3022, ip-sysctl (conf/*/forwarding), nft(8).

        """
        from playground.lab.outside import uplink

        return self._reach(uplink.check_router(router), subnet, through, trust_hosts)

    def _reach(
        self,
        node: Host | Router,
        subnet: str | None,
        through: Sequence[str] | None,
        trust_hosts: bool,
    ) -> MachineLink:
        from playground.lab.outside.uplink import MachineLink

        with self._lock:
            self._agent()
            link = MachineLink(self, node, subnet, through, trust_hosts)
            assert self._lasting is not None
            self._lasting.callback(link.remove)
            return link

    # -- stopping -----------------------------------------------------------

    def stop(self) -> None:
        """Take the lab down: hosts, links, files, all that was made.

        Stopping a lab that does not run does nothing, and so does a fork of the
        program that started it, whose lab it is not.  Every step is tried, and the
        first error raised at the end.

        """
        if os.getpid() != self._process_id:
            return
        with self._lock:
            moved = returning.held(self._pids.values())
            lasting = self._ended()
            if lasting is not None:
                with self._progress.step(f"stopping lab {self.name}"), ExitStack() as way_down:
                    way_down.callback(returning.wait_returned, moved)
                    way_down.push(lasting)

    def detach(self) -> None:
        """Let go of a lab that is to go on: one with ``keep``, or attached.

        Raises `PlaygroundError` for a lab that lives only as long as its owner.

        """
        with self._lock:
            if self.running and not self.keep:
                raise PlaygroundError(
                    f"lab {self.name} would not outlive this program: "
                    "declare it with Lab(..., keep=True), or stop() it"
                )
            client = self._client
            if self._saving is not None:
                self._save_state()
            lasting = self._ended()
            if lasting is not None and client is not None:
                lasting.pop_all()
                client.close()
                if self._own_engine:
                    self._engine.close()

    def _ended(self) -> ExitStack | None:
        """Let go of all that runs; return the way down, None if nothing runs."""
        lasting, self._lasting = self._lasting, None
        try:
            if lasting is not None:
                self._timetable.end()
            if self._saving is not None:
                self._saving.cancel()
                self._saving = None
            if self._forget is not None:
                self._forget.detach()
            if _running.get(self.name) is self:
                del _running[self.name]
            if lasting is not None:
                self._client = None
                self._restore(None, {}, {})
        except Exception as error:
            if lasting is None:
                raise
            # Nothing of what was declared keeps a lab from its end.
            lasting.callback(_raise, error)
        return lasting

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.keep and self.running:
            self.detach()
        else:
            self.stop()

    # -- from another process -----------------------------------------------

    @classmethod
    def attach(cls, name: str, *, engine: Engine | str | None = None, quiet: bool = False) -> Lab:
        """Return the lab of that name (or id) that another process started.

        Its nodes are found by name, ``lab["h1"]``.  Leaving a ``with`` block
        lets go of it and leaves it running; `stop` takes it down.

        Raises `LabNotFound` if no lab has that name, or more than one.

        >>> with Lab.attach("coffee-shop") as lab:
        ...     lab["h1"].run("ip route")

        """
        found, record = RunningLabs(engine).find(name)
        with ExitStack() as line:
            client = Client(found.connect(record.id))
            line.callback(client.close)
            client.hello(READY_TIMEOUT_S)
            state = client.call("state_load")
            if state is None:
                raise LabNotFound(f"lab {name!r} is still starting: try again when it is up")
            saved = saving.load(state)
            lab = cls(
                *saved.nodes,
                name=record.name,
                ipv6=saved.ipv6,
                keep=True,
                engine=found,
                quiet=quiet,
                converge=saved.converge,
                strict=saved.plan.strict,
            )
            lab.id = record.id
            lab._labels = LabLabels(record.id, record.name, record.owner, record.keep, record.mark)
            lab._client = client
            lab._credentials = saved.credentials
            lab._hash_passwords(client)
            lab._plan = saved.plan
            lab._pids = found.pids(record.id)
            lab._provisions = provision(saved.plan, saved.credentials)
            lab._attach_nodes(saved.plan, lab._pids)
            lab._own_engine = engine is None or isinstance(engine, str)
            lasting = ExitStack()
            if lab._own_engine:
                lasting.callback(found.close)
            lasting.callback(found.stop, record.id)
            lasting.push(line.pop_all())
            lab._runs(lasting)
        return lab


# Which lab a node was last declared in; neither keeps the other alive.
_lab_of: weakref.WeakKeyDictionary[Node, Callable[[], Lab | None]] = weakref.WeakKeyDictionary()


def _no_lab() -> None:
    return None


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


def _containers(
    nodes: Iterable[NodePlan], images: Mapping[str, Image | None]
) -> list[NodeContainer]:
    tags = {name: image.tag if image else None for name, image in images.items()}
    return [
        NodeContainer(
            node.name,
            node.hostname,
            tags[node.name],
            limits=node.limits,
            settings=node.container,
        )
        for node in nodes
    ]


def _distinct(images: Mapping[str, Image | None]) -> list[Image]:
    return [image for image in dict.fromkeys(images.values()) if image is not None]


_NAME = re.compile(r"\w[\w .-]{0,62}")


def _callers_level() -> int:
    """Return how far up, from its caller, the first frame is that is none of ours."""
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("playground"):
        frame = frame.f_back
        level += 1
    return level


def _raise(error: Exception) -> None:
    raise error


def _check_name(name: str | None) -> str:
    if name is None:
        return "lab"
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise TopologyError(f'{name!r} is no name for a lab: use a word, such as "coffee-shop"')
    return name


def _take_down(engine: Engine, lab_id: str, guard: Guard) -> None:
    """Remove all of a lab; where that fails, its guard goes on trying."""
    try:
        engine.stop(lab_id)
    except BaseException:
        guard.abandon()
        raise
    guard.release()


def _with_names(message: str, pids: Mapping[str, int]) -> str:
    """Put nodes' names where the agent has but the numbers of their first processes."""
    names = {pid: name for name, pid in pids.items()}
    return re.sub(
        r"the node of pid (\d+)", lambda found: names.get(int(found[1]), found[0]), message
    )


def _slug(name: str) -> str:
    """Return the name as a container's name may begin: [a-zA-Z0-9][a-zA-Z0-9_.-]*."""
    return re.sub(r"[^a-zA-Z0-9_]+", "-", name).strip("-_").lower()[:30] or "lab"


def _refuse_stranger(lab: Lab, node: Node) -> None:
    """Raise `NoSuchNode` for a node that this lab cannot reach by its name."""
    other = _lab_of.get(node, _no_lab)()
    if other is not None and other.name != lab.name:
        raise NoSuchNode(
            f"{node!r} is in lab {other.name}, and lab {lab.name} does not reach it: "
            f"name a machine of this one: {', '.join(node.name for node in lab.nodes)}"
        )
    if other is None and node.name not in lab:
        raise NoSuchNode(
            f"{node!r} is not in lab {lab.name}: link it to one of its machines, and call "
            "lab.start()"
        )


def _no_link(thing: object, lab: Lab) -> TopologyError:
    instead = ""
    if isinstance(thing, Node) and thing.links:
        instead = f"; a machine leaves when its links do, such as lab.remove({thing.links[0]!r})"
    return TopologyError(f"{thing!r} is no link of lab {lab.name}{instead}")


def _count(number: int, word: str) -> str:
    if not number:
        return ""
    plural = "es" if word.endswith("ch") else "s"
    return f"{number} {word}{plural if number != 1 else ''}"
