"""Everything that can be done to a link, before its lab runs and while it does.

`LinkOperations` is what `operations.network.Link` inherits.  Each change is a
declaration; where the link is up in a running lab the lab makes it there first, in one
request of the agent, and it stands as declared only if that has succeeded.

"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Unpack

from playground.display.tables import Table
from playground.errors import NotRunning, TopologyError
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.model.records import dataclass
from playground.model.topology import Link
from playground.operations.captures.capture_points import CaptureOptions, at_ends
from playground.operations.connection.handles import LiveNode, LiveSwitch, LiveWire
from playground.operations.links import queueing

if TYPE_CHECKING:
    from playground.operations.captures.capture import Capture
    from playground.operations.captures.samples import LinkSamples


@dataclass(frozen=True)
class InterfaceStatistics:
    """State and counters of one end of a link, as the kernel has them.

    ``up`` is whether it was set up, ``carrier`` whether the other end is up too.
    Counters are since it was made: bytes with Ethernet headers; ``dropped`` is what
    the interface itself could not take.  What `LinkOperations.impair` loses on the way
    out was never sent, and is in none of them (netem's own are shown by ``tc -s qdisc``).

    """

    node: str
    interface: str
    up: bool
    carrier: bool
    mtu_bytes: int
    mac: str
    rx_packets: int
    rx_bytes: int
    rx_errors: int
    rx_dropped: int
    tx_packets: int
    tx_bytes: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True)
class ImpairedDirection:
    """The impairment of frames on their way to a node, and the part of the kernel that does it.

    ``impairment`` is what was declared, and in a running lab what the kernel tells (but for
    the distribution of jitter, which netem does not tell).
    ``by`` holds "netem", or on a kernel without it any of "tbf" (the rate), "filter"
    (loss alone) and "relay" (a process that keeps frames; see `LinkOperations.impair`).
    It is empty as long as the link does not run.

    """

    toward: str
    impairment: Impairment
    by: tuple[str, ...]


class LinkOperations(Link):
    """The operations on a link.  Many threads may use one link at once."""

    _live: LiveWire | None = None

    queue = queueing.queue
    classes = queueing.classes
    queues = property(queueing.queues)
    watch_queues = queueing.watch_queues

    @property
    def impairments(self) -> Table[ImpairedDirection]:
        """The impairments of each direction: one row for each that is impaired.

        >>> link.impair(delay_ms=20, toward=h1)
        >>> link.impairments
        toward  impairment               by
        h1      Impairment(delay_ms=20)  netem

        """
        live = self._live
        if live is None:
            return Table(
                ImpairedDirection(name, impairment, ())
                for name, impairment in zip(self.names, self._toward, strict=True)
                if impairment
            )
        # Frames toward an end are impaired where they leave the other.
        answers = live.agent.call("impaired", ends=live.ends[::-1])
        return Table(
            ImpairedDirection(name, declared.as_read(answer["settings"]), tuple(answer["by"]))
            for name, declared, answer in zip(self.names, self._toward, answers, strict=True)
            if answer["by"]
        )

    def down(self) -> None:
        """Pull the cable: nothing passes until `up`.

        At a switch it is pulled out there: the other end has no carrier, and keeps its
        addresses and routes.  Between two nodes both ends are set down, and the
        kernel forgets routes by them until `up` brings back those of the lab.
        Before the lab starts it is noted down, and so the link starts.

        Raises `AgentError` if the kernel refuses; the link is then as it was.

        >>> link.down()         # ip link set dev eth0 down, on both

        """
        self._set(up=False)

    def up(self) -> None:
        """Plug it in again: see `down`."""
        self._set(up=True)

    def impair(
        self,
        *,
        delay_ms: float = 0,
        jitter_ms: float = 0,
        distribution: str = "uniform",
        loss_percent: float = 0,
        loss_correlation: float = 0,
        duplicate_percent: float = 0,
        corrupt_percent: float = 0,
        reorder_percent: float = 0,
        rate_mbit: float | None = None,
        queue_packets: int | None = None,
        toward: Any = None,
        replace: bool = False,
    ) -> None:
        """Make the link slow or lossy, in both directions or ``toward`` one node.

        What the arguments mean stands in `model.impairment.Impairment`.  They
        replace what an earlier call has set; with none, as `restore`.

        The kernel's netem does it all, where there is one.  Elsewhere tbf keeps the rate,
        a filter loses frames, and all else is done by a relay: a process of the lab
        that takes frames from an interface called relay* beside the sending one.
        Measured on 2 busy processors it makes a delay longer by 0.25 to 0.45 ms (a tenth of the
        frames by more than 3 ms), and passes 20,000 to 40,000 frames a second, which
        is 200 to 500 Mbit/s of TCP; what comes faster is lost.  A delay holds back at
        most ``queue_packets``, so that at 50 ms 1000 of them are 20,000 a second.
        `impairments` shows which of them are in use.

        Frames wait that no socket waits for: a sender next to a slow link is not held back,
        and loses what finds the queue full, as on the way.  (Without netem that takes a
        program of the kernel's, eBPF, or in a lab of an ordinary user an interface of kind ifb,
        queue* beside the sending one; there a link with a rate and losses holds a sender back.)

        Raises `TopologyError` for what cannot be, `AgentError` if the kernel refuses, or
        somebody has set a queue there by hand (tc-qdisc), unless ``replace`` says that it may
        go; both directions are then as they were.  Source: tc-netem(8), tc-tbf(8).

        >>> link.impair(delay_ms=50, jitter_ms=5, loss_percent=1)
        >>> link.impair(rate_mbit=2, toward=h1)     # a slow download

        """
        wanted = Impairment(
            delay_ms=delay_ms,
            jitter_ms=jitter_ms,
            distribution=distribution,
            loss_percent=loss_percent,
            loss_correlation=loss_correlation,
            duplicate_percent=duplicate_percent,
            corrupt_percent=corrupt_percent,
            reorder_percent=reorder_percent,
            rate_mbit=rate_mbit,
            queue_packets=queue_packets,
        )
        self._impair(wanted, toward, replace)

    def restore(self, toward: Any = None) -> None:
        """Take away what `impair` has set, in both directions or ``toward`` one node."""
        self._impair(NO_IMPAIRMENT, toward)

    def statistics(self) -> Table[InterfaceStatistics]:
        """Return the state and counters of both ends, in the order of the link's ends.

        Raises `NotRunning` if the link is not up in a running lab.  Source:
        rtnetlink(7).

        >>> link.statistics()[0].tx_packets
        12

        """
        live = self._running()
        answers = live.agent.call("interfaces", ends=live.ends)
        return Table(
            InterfaceStatistics(
                node=end.node,
                interface=end.interface,
                up=answer["up"],
                carrier=answer["carrier"],
                mtu_bytes=answer["mtu_bytes"],
                mac=answer["mac"],
                **answer["statistics"],
            )
            for end, answer in zip((live.wire.a, live.wire.b), answers, strict=True)
        )

    def capture(
        self,
        *,
        at: Any = None,
        **options: Unpack[CaptureOptions],
    ) -> Capture:
        """Return a `Capture` of what passes the link, in both directions, to be used by ``with``.

        Packets are seen at the first of its ends that is a host or router, or ``at`` one of
        its nodes: as they leave there, and as they come.  The options are those of
        `Host.capture`, "filter", "snaplen_bytes" and the limits, and so is what is raised.

        >>> with link.capture(filter="tcp port 80") as packets:
        ...     h1.run("curl -s http://www.example.com/")
        >>> packets.table()

        """
        live = self._running()
        planned = (live.wire.a, live.wire.b)
        if at is not None:
            (side,) = self._sides(at, "at")
        else:
            switches = live.plumbing.switches
            side = next((n for n, end in enumerate(planned) if end.node not in switches), 0)
        end = {"node": planned[side].node, "interface": planned[side].interface}
        end["pid"] = live.ends[side]["pid"]
        return at_ends(live.agent, live.lab, [end], **options)

    def watch(self, interval_s: float = 0.1) -> LinkSamples:
        """Sample what passes the link while a block runs: throughput, queues, losses.

        A row for each direction every ``interval_s`` seconds, and a plot of them::

            with link.watch() as samples:
                h1.run("iperf3 -c www -t 3")
            samples.rows[-1]["mbit_per_s"]
            samples.plot()                  # throughput over time
            samples.plot("queue")           # the queue's length

        Raises `NotRunning` as `statistics`, `BadArgument` for an interval of less than 5 ms.

        """
        from playground.operations.captures.samples import watch_link

        live = self._running()
        names = (live.wire.a.node, live.wire.b.node)
        return watch_link(live.agent, live.ends, names, interval_s)

    def as_shell(self) -> list[str]:
        """Return the commands that do to the kernel what was said of this link.

        What `down` and `impair` have done, the VLANs of its ports, the interfaces that
        stand upon a trunk, and the ends of a tunnel.  Each begins with where it is to be run.
        Those of `impair` are what was done here: by netem, or where the kernel has none by tbf
        and filters; what a relay does is a comment.  Raises `NotRunning` as `statistics`.

        >>> link.as_shell()
        ['h1: ip link set dev eth0 down', 'h2: ip link set dev eth0 down']
        >>> trunk.as_shell()[-1]
        'gateway: ip link add link eth0 name eth0.20 type vlan id 20'

        """
        running = self._running()
        wire = running.wire
        by: list[Sequence[str]] = [(), ()]
        if any(self._toward):
            answers = running.agent.call("impaired", ends=running.ends[::-1])
            by = [answer["by"] for answer in answers]
        lines = list(wire.as_shell(running.plumbing.switches, by))
        for end, planned in zip(self.ends, (wire.a, wire.b), strict=True):
            live = getattr(end.node, "_live", None)
            if isinstance(live, LiveSwitch):
                found = (port for port in live.plan.ports if port.port == planned.interface)
                lines += [f"{planned.node}: {line}" for port in found for line in port.as_shell()]
            elif isinstance(live, LiveNode) and live.plan is not None:
                made = (
                    one
                    for one in live.plan.interfaces
                    if planned.interface in (one.parent, one.name)
                )
                lines += [f"{planned.node}: {line}" for one in made for line in one.as_shell()]
        return lines

    # -- how ----------------------------------------------------------------

    def _running(self) -> LiveWire:
        if self._live is None:
            raise NotRunning(f"{self!r} is not up in a running lab: start its lab first")
        return self._live

    @contextmanager
    def _changing(self) -> Iterator[LiveWire | None]:
        """Let nobody else change what runs, and what is declared of it, in this block."""
        live = self._live
        with nullcontext() if live is None else live.lab.changing():
            # A lab that has grown meanwhile has given it another handle.
            yield self._live

    def _set(self, up: bool) -> None:
        with self._changing() as live:
            if live is not None:
                live.lab.change_wire(live, up=up)
            self._down = not up

    def _impair(self, wanted: Impairment, toward: Any, replace: bool = False) -> None:
        sides = self._sides(toward)
        with self._changing() as live:
            for side in sides:
                if (queue := self.declared_queues[side]) is not None:
                    from playground.model.queues.direction import refuse_together

                    refuse_together(repr(self), wanted, queue)
            first, second = (
                wanted if side in sides else now for side, now in enumerate(self._toward)
            )
            if live is not None:
                both = (first or None, second or None)
                live.lab.change_wire(live, toward=both, replace_queues=replace)
            self._toward = (first, second)

    def _sides(self, toward: Any, argument: str = "toward") -> tuple[int, ...]:
        if toward is None:
            return (0, 1)
        names = self.names
        name = toward if isinstance(toward, str) else getattr(toward, "name", None)
        if name not in names:
            raise TopologyError(
                f"{self!r}: {argument}={toward!r} is at neither end; give {names[0]} or "
                f"{names[1]}, or leave it out"
            )
        return (names.index(name),)
