"""The lab: a table of what can be done with one.

`Lab` decides nothing.  What it was told and what runs of it is a part, `lab.state.LabState`;
what can be done are functions in `lab.methods`, which take the lab and become its methods here,
a line each.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from playground.display.how_to import help_page
from playground.display.tables import Table
from playground.engines.seam import Engine
from playground.lab.labs_of_this_process import take_nodes
from playground.lab.methods import (
    applying,
    asking,
    attaching,
    browsing,
    checking,
    exporting,
    live_changes,
    machine_links,
    node_power,
    publishing,
    saving,
    showing,
    snapshots,
    starting,
    stopping,
    watching,
)
from playground.lab.methods.binding import Told, name_methods
from playground.lab.state import LabState
from playground.lab.timetable import Planned, PlannedRow
from playground.model.arguments import tells_wrong_calls
from playground.model.uncopyable import Single
from playground.operations.network import Link, Node
from playground.planning.plan import Plan

if TYPE_CHECKING:
    from playground.operations.diagnosis.checks import Checks


@tells_wrong_calls
@name_methods
class Lab(Single):
    """A network of hosts, routers and switches that can be started and stopped.

    Takes the `nodes` given and every node linked to them.  ``name`` is what
    other programs find it by (`Lab.attach`) and what its MAC addresses are
    derived from; a second lab of the same name in the same process replaces
    the first when it starts.  ``users`` maps user names to passwords (by
    default one user, ``student``, with a password made for the lab).  With
    ``ipv6`` every segment gets a /64 too; with ``ipv6="slaac"`` routers advertise it, and hosts
    make their addresses of it (RFC 4862).  ``keep`` makes a lab that outlives
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

    On a swarm it is on as few machines as it needs.  ``spread=3`` spreads it evenly over three,
    ``spread=["m1", "m2"]`` over those; other engines have one machine, and pass over it.
    With ``reschedule`` another `start` brings back elsewhere what a lost machine had.

    ``positions`` puts nodes of its picture in places of their own, {"h1": (120, 40)}: the middle of
    each card in pixels.  Who drags a node on the live page says them, too.

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
        ipv6: bool | str = False,
        keep: bool = False,
        engine: Engine | str | None = None,
        quiet: bool = False,
        converge: bool = True,
        strict: bool = True,
        spread: int | Sequence[str] | None = None,
        reschedule: bool = False,
        positions: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self._state = LabState(
            nodes,
            name=name,
            users=users,
            ipv6=ipv6,
            keep=keep,
            engine=engine,
            quiet=quiet,
            converge=converge,
            strict=strict,
            spread=spread,
            reschedule=reschedule,
            positions=positions,
        )
        take_nodes(self)
        self._state.make_plan(None)

    # -- what it was told ---------------------------------------------------

    name = Told[str]()
    ipv6 = Told[bool | str]()
    keep = Told[bool]()
    converge = Told[bool]()
    strict = Told[bool]()
    positions = property(showing.positions, showing.put_cards)

    # -- what it is ---------------------------------------------------------

    @property
    def id(self) -> str:
        """Its name among all labs of its engine; "" until it was started."""
        return self._state.id

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host, router and switch, in the order found."""
        return self._state.nodes

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link between the nodes, once, in the order found."""
        return self._state.links

    @property
    def running(self) -> bool:
        """Whether the lab was started and not stopped since."""
        return self._state.running

    @property
    def users(self) -> dict[str, str]:
        """The ordinary users that exist on every host, and their passwords."""
        return dict(self._state.credentials.users)

    @property
    def root_password(self) -> str:
        """The password of root on every host."""
        return self._state.credentials.root_password

    @property
    def private_key(self) -> str:
        """The key that lets root and every user in over SSH, in OpenSSH's format."""
        return self._state.credentials.ssh_private_key

    @property
    def ca_certificate(self) -> str:
        """The certificate (PEM) of the authority that every host trusts."""
        return self._state.credentials.ca_certificate_pem

    @property
    def warnings(self) -> tuple[str, ...]:
        """The oddities that a lab with ``strict=False`` accepted, a sentence each; () without any.

        >>> Lab(home, strict=False).warnings
        ('home: address 192.168.1.11 is given to h1 and to h2; choose another for one of them',)

        """
        return self.plan().warnings

    def plan(self) -> Plan:
        """Return what `start` will make, or has made, as frozen data.

        Raises `TopologyError` if the declarations cannot become a network.
        Once the lab runs, addresses that were given stay as they are, and ``plan().diff()`` is
        what the next `start` would change.

        """
        state = self._state
        return state.planned().beside(state.plan) if state.plan is not None else state.planned()

    link = asking.link
    node = asking.node
    resolve_name = asking.resolve_name
    host_key = asking.host_key
    running_plan = asking.running_plan

    def __getitem__(self, name: str) -> Node:
        """Return the node with this full or short name, in any case (RFC 4343).

        Raises `NoSuchNode`, which is a `KeyError`, if there is none.

        """
        return self._state.find(name)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __contains__(self, item: object) -> bool:
        return self._state.has(item)

    # -- seeing it ----------------------------------------------------------

    picture = showing.picture
    live = showing.live
    web = browsing.web
    as_shell = showing.as_shell
    save = saving.save
    export = exporting.export
    __str__ = showing.as_text
    __repr__ = showing.in_a_line
    _repr_mimebundle_ = showing.as_mimebundle

    # -- starting, changing, stopping ---------------------------------------

    start = starting.start
    stop = stopping.stop
    detach = stopping.detach
    remove = live_changes.remove
    apply = applying.apply
    snapshot = snapshots.snapshot
    restore = snapshots.restore
    snapshots = property(snapshots.snapshots)

    changing = live_changes.changing
    change_rules = live_changes.change_rules
    catch_up = live_changes.catch_up
    change_wire = live_changes.change_wire
    change_switch = live_changes.change_switch
    stop_node = node_power.stop_node
    start_node = node_power.start_node

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

    @classmethod
    def attach(cls, name: str, *, engine: Engine | str | None = None, quiet: bool = False) -> Lab:
        """Return the lab of that name (or id) that another process started.

        Its nodes are found by name, ``lab["h1"]``.  Leaving a ``with`` block
        lets go of it and leaves it running; `stop` takes it down.

        Raises `LabNotFound` if no lab has that name, or more than one.

        >>> with Lab.attach("coffee-shop") as lab:
        ...     lab["h1"].run("ip route")

        """
        return attaching.attach(cls, name, engine=engine, quiet=quiet)

    # -- at set times -------------------------------------------------------

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
        return self._state.timetable.at(seconds, action, *args, **kwargs)

    @property
    def timetable(self) -> Table[PlannedRow]:
        """The events that `at` has planned, in the order of their times, and their outcomes."""
        return self._state.timetable.rows()

    # -- questions ----------------------------------------------------------

    explain = asking.explain
    check_file = checking.check_file
    ping_all = asking.ping_all
    rtt_under_load = asking.rtt_under_load
    state = asking.state
    events = watching.events
    capture = asking.capture
    wait_converged = asking.wait_converged
    # `lab.help("vlan")` is the page about it, `lab.help()` the list.
    help = staticmethod(help_page)

    @property
    def check(self) -> Checks:
        """Checks of what should be true of this network: for exercises, and for tests.

        ``reaches``, ``path``, ``serves``, ``has_route``, ``neighbours`` and others: each waits up
        to ``within_s`` seconds, and raises `CheckFailed`, an `AssertionError`, which explains
        what is wrong.

        >>> lab.check.reaches(h1, www, port=80)
        >>> lab.check.does_not_reach(h4, h1, port=22)
        >>> lab.check.path(h1, www, ["modem"])
        >>> lab.check.serves(www, "http", contains="Welcome", client=h1)
        >>> lab.check.resolves(h1, "www.example.com", "203.0.113.2")

        """
        from playground.operations.diagnosis.checks import Checks

        return Checks(self)

    # -- the machine itself -------------------------------------------------

    machine = machine_links.machine
    uplink = machine_links.uplink
    publish = publishing.publish
    published = property(publishing.published)
