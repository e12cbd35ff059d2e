"""Everything that can be done to a switch, before its lab runs and while it does.

`SwitchOperations` is what `operations.network.Switch` inherits.  As with links, a
change is made in the kernel first where the lab runs, and stands as declared only
if that has succeeded.

"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from playground.display.tables import Table
from playground.errors import NotRunning, TopologyError
from playground.model.records import dataclass
from playground.model.switch_ports import (
    PortSettings,
    PortSettingsPlan,
    port_settings_and_guards,
)
from playground.model.switches import Mirror, SwitchSettings
from playground.model.switching.port_guards import PortGuardPlan
from playground.model.topology import Switch

if TYPE_CHECKING:
    from playground.operations.connection.handles import LiveSwitch


@dataclass(frozen=True)
class LearnedAddress:
    """A MAC address, the port that it was last seen at, and how long ago.

    ``node`` is who hangs on that port: a host, a router or another switch.  ``vlan`` is
    where it was seen, for the VLANs of a switch have a table each; None without any.

    """

    mac: str
    port: str
    node: str
    vlan: int | None
    age_s: float


@dataclass(frozen=True)
class SwitchPort:
    """One port of a switch: ``state`` is what the spanning tree lets it do.

    "forwarding" and "blocking" last; "listening" and "learning" are on the way; a port
    that is down, or whose other end is, is "disabled".  ``cost`` is that of the way
    through it.  Without the protocol a port is "forwarding" or "disabled".  Where the
    switch has VLANs, ``vlan`` is that of an access port, and ``trunk`` holds those that
    the port carries with tags.

    """

    port: str
    node: str
    vlan: int | None
    trunk: tuple[int, ...]
    state: str
    carrier: bool
    cost: int


@dataclass(frozen=True)
class SecuredPort:
    """A port that takes ``max_macs`` MAC addresses, and drops what comes from others.

    ``macs`` are those that it takes now: named at first, then those that it has learned.
    ``refused`` holds for each address that it refused in the last five minutes the number of
    frames, of 64 addresses at most; ``refused_frames`` counts those of all.

    """

    port: str
    node: str
    max_macs: int
    sticky: bool
    macs: tuple[str, ...]
    refused: Mapping[str, int]
    refused_frames: int


@dataclass(frozen=True)
class PortStorm:
    """A port that lets ``storm_limit`` broadcasts and multicasts in each second.

    ``passed`` counts the frames of these kinds that it has let in, ``suppressed`` those that it
    has held back, since the limit was set; ``looped`` is whether it is in a loop that no spanning
    tree opens.  There it holds back frames of all kinds, and they are counted too.

    """

    port: str
    node: str
    storm_limit: int
    passed: int
    suppressed: int
    looped: bool


class SwitchOperations(Switch):
    """The operations on a switch."""

    _live: LiveSwitch | None = None

    def change(
        self,
        *,
        ageing_s: float | None = None,
        stp: bool | None = None,
        priority: int | None = None,
        forward_delay_s: float | None = None,
        hub: bool | None = None,
        igmp_snooping: bool | None = None,
    ) -> None:
        """Change what a `Switch` was declared with; what is left out stays as it is.

        Raises `TopologyError` for what cannot be, also if without ``stp`` there would
        be a loop, and `AgentError` if the kernel refuses; all is then as it was.

        >>> home.change(ageing_s=10)
        >>> home.change(hub=True)       # every frame goes everywhere

        """
        given: dict[str, Any] = {
            "ageing_s": ageing_s,
            "stp": stp,
            "priority": priority,
            "forward_delay_s": forward_delay_s,
            "hub": hub,
            "igmp_snooping": igmp_snooping,
        }
        wanted = dataclasses.replace(
            self._settings, **{name: value for name, value in given.items() if value is not None}
        )
        with self._changing() as live:
            if live is not None:
                if live.lab.strict:
                    self.refuse_loop(wanted)
                guards = self._planned_ports(self._port_settings, wanted)[1]
                live.lab.change_switch(live, settings=wanted, guards=guards)
            self._settings = wanted

    def set_port(
        self,
        link: Any,
        *,
        cost: int | None = None,
        priority: int | None = None,
        isolated: bool | None = None,
        max_macs: int | None = None,
        macs: Sequence[str] | None = None,
        sticky: bool | None = None,
        storm_limit: int | None = None,
        passes_lacp: bool | None = None,
    ) -> None:
        """Say what the port is at which one of its links is plugged in.

        The arguments are those of `model.switch_ports.PortSettings`: ``cost`` and ``priority``
        in the spanning tree, whether the port is ``isolated`` from others that are, how many MAC
        addresses it learns (``max_macs``, ``macs``, ``sticky``), and how many broadcasts and
        multicasts it lets in each second (``storm_limit``), and whether it ``passes_lacp`` on.
        What is left out stays as it was said.  In a running lab it is done at once; the port then
        learns and counts anew.

        Raises `TopologyError` for a link that is not this switch's, or a number that cannot be,
        `AgentError` if the kernel refuses; all is then as it was.

        >>> home.set_port(home.links[0], cost=100)
        >>> for link in home.links[1:]:
        ...     home.set_port(link, isolated=True)      # they see the way out, and nobody else
        >>> home.set_port(home.links[1], max_macs=1, sticky=True)      # who comes first stays

        """
        if link not in self.links:
            raise TopologyError(f"{self.name}: {link!r} is no link of this switch")
        if not link.is_port(self):
            raise TopologyError(
                f"{self.name}: {link!r} is no port by itself; say it of the bond: {link.bond!r}"
            )
        given = {
            "cost": cost,
            "priority": priority,
            "isolated": isolated,
            "max_macs": max_macs,
            "macs": macs,
            "sticky": sticky,
            "storm_limit": storm_limit,
            "passes_lacp": passes_lacp,
        }
        with self._changing() as live:
            said = self._port_settings.get(link, PortSettings()).with_said(given)
            wanted = {**self._port_settings, link: said}
            if live is not None:
                settings, guards = self._planned_ports(wanted, self._settings)
                live.lab.change_switch(live, port_settings=settings, guards=guards)
            self._port_settings = wanted

    def mirror(self, *links: Any, to: Any) -> None:
        """Copy frames to the port of a link, for whoever listens there.

        With ``links`` copied is all that enters or leaves the switch by them; what goes
        from one of them to another is then seen twice.  With none, what enters by any
        other port is copied, and everything is seen once.  The listener's card must
        be in promiscuous mode, as a capture's is.  It replaces what an earlier call has
        said; links that come later are taken in by `Lab.start`.

        Raises `TopologyError` for links that are not this switch's, `AgentError` if the
        kernel refuses; all is then as it was.  Source: tc-mirred(8).

        >>> home.mirror(to=sniffer_link)

        """
        for link in (*links, to):
            if link not in self.links:
                raise TopologyError(f"{self.name}: {link!r} is no link of this switch")
        if to in links:
            raise TopologyError(
                f"{self.name}: {to!r} cannot be mirrored to itself; leave it out of the links"
            )
        self._set_mirror(Mirror(tuple(dict.fromkeys(links)), to))

    def stop_mirroring(self) -> None:
        """Take away what `mirror` has said."""
        self._set_mirror(None)

    def table(self) -> Table[LearnedAddress]:
        """Return what the switch has learned, from the kernel: a row for each MAC address.

        Raises `NotRunning` if its lab does not run.  Source: bridge(8), "bridge fdb".

        >>> home.table()
        mac                port     node  vlan  age_s
        02:64:50:06:7b:40  h1-eth0  h1      10    1.2

        """
        live = self._running()
        nodes = self._nodes()
        rows = live.agent.call("learned", device=live.plan.device)
        return Table(LearnedAddress(node=nodes.get(row["port"], ""), **row) for row in rows)

    def ports(self) -> Table[SwitchPort]:
        """Return the state and VLANs of each port, from the kernel, in the order of the links.

        After them come those of what `plug` has joined, by the names of the containers.
        Raises `NotRunning` if its lab does not run.

        >>> [row.node for row in s3.ports() if row.state == "blocking"]
        ['s2']

        """
        live = self._running()
        nodes = self._nodes()
        rows: dict[str, dict[str, Any]] = {}
        for bridge in live.agent.call("switches", devices=[live.plan.device]):
            for row in bridge["ports"]:
                rows[row["port"]] = _both(rows.get(row["port"], row), row)
        aliases = {port: row.pop("alias", "") for port, row in rows.items()}
        nodes |= {port: _container(alias) for port, alias in aliases.items() if port not in nodes}
        return Table(
            SwitchPort(node=node, **rows[port] | {"trunk": tuple(rows[port]["trunk"])})
            for port, node in nodes.items()
            if port in rows
        )

    def security(self) -> Table[SecuredPort]:
        """Return who may speak at each port that learns no more than was said, and who was refused.

        Raises `NotRunning` if its lab does not run.

        >>> home.set_port(link, max_macs=1)
        >>> home.security()[0].refused
        {'02:00:00:00:00:99': 3}

        """
        return Table(
            SecuredPort(
                guard.port,
                node,
                guard.max_macs,
                guard.sticky,
                (*guard.macs, *row["learned"]),
                dict(row["refused"]),
                row["refusals"],
            )
            for guard, node, row in self._guarded()
            if guard.max_macs
        )

    def storms(self) -> Table[PortStorm]:
        """Return the broadcasts and multicasts that came in at each port with a limit for them.

        Such a limit is said by `set_port`; ports of a loop that no spanning tree opens, which
        ``Lab(strict=False)`` takes, have one of 1,000 in any case.

        Raises `NotRunning` if its lab does not run.

        >>> home.set_port(link, storm_limit=100)
        >>> home.storms()
        port     node  storm_limit  passed  suppressed  looped
        h1-eth0  h1            100     214        1386  no

        """
        return Table(
            PortStorm(
                guard.port,
                node,
                guard.storm_limit,
                row["flooded"],
                row["suppressed"],
                bool(guard.frame_limit),
            )
            for guard, node, row in self._guarded()
            if guard.storm_limit
        )

    def _guarded(self) -> Iterator[tuple[PortGuardPlan, str, dict[str, Any]]]:
        """Yield each guard, who hangs on its port, and what the kernel says of it."""
        live, nodes = self._running(), self._nodes()
        tables = [guard.table for guard in live.plan.guards]
        found = live.agent.call("port_guards", device=live.plan.device, tables=tables)
        rows = {row["table"]: row for row in found}
        for guard in live.plan.guards:
            if guard.table in rows:
                yield guard, nodes.get(guard.port, ""), rows[guard.table]

    def as_shell(self) -> list[str]:
        """Return the commands that make this switch of a plain bridge.

        Raises `NotRunning` if its lab does not run.

        """
        return list(self._running().plan.as_shell())

    # -- how ----------------------------------------------------------------

    def _planned_ports(
        self, wanted: Mapping[Any, PortSettings], settings: SwitchSettings
    ) -> tuple[tuple[PortSettingsPlan, ...], tuple[PortGuardPlan, ...]]:
        """Return settings and guards by the names that ports have in the running lab."""
        names = {link: port for link, port, _ in self._plugged()}
        return port_settings_and_guards(names, wanted, settings, self.looped(settings))

    def _running(self) -> LiveSwitch:
        if self._live is None:
            raise NotRunning(f"switch {self.name} is in no running lab: start its lab first")
        return self._live

    def _nodes(self) -> dict[str, str]:
        """Return who hangs on each port of the running switch."""
        return {port: node for _, port, node in self._plugged()}

    def _plugged(self) -> Iterator[tuple[Any, str, str]]:
        for link in self.links:
            if link._live is not None:
                ends = (link._live.wire.a, link._live.wire.b)
                here, there = ends if ends[0].node == self.name else ends[::-1]
                yield link, here.interface, there.node

    @contextmanager
    def _changing(self) -> Iterator[LiveSwitch | None]:
        """Let nobody else change what runs, and what is declared of it, in this block."""
        live = self._live
        with nullcontext() if live is None else live.lab.changing():
            # A lab that has grown meanwhile has given it another handle.
            yield self._live

    def _set_mirror(self, mirror: Mirror | None) -> None:
        with self._changing() as live:
            if live is not None:
                ports = {link: port for link, port, _ in self._plugged()}
                live.lab.change_switch(live, mirror=mirror.plan(ports) if mirror else None)
            self._mirror = mirror


# The state of a port where each VLAN has a bridge, and they differ, is the first of these.
_STATES = ("disabled", "blocking", "listening", "learning", "forwarding")


def _container(alias: str) -> str:
    """Return what `plug` has joined here, as it stands in the port's alias; "" if unknown."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(alias)["plugged"])
    return ""


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of one port in two VLANs."""
    state = min(one["state"], other["state"], key=_STATES.index)
    return {**one, "state": state, "trunk": sorted({*one["trunk"], *other["trunk"]})}
