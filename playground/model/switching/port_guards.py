"""Guards of a switch's ports, as data: how many addresses each may learn, and what it may flood.

A guard is a table of nftables of family "bridge" for one port, which the kernel asks before the
bridge looks at a frame: a refused frame is neither learned nor passed on.  What a bridge keeps
for itself, such as messages of its spanning tree (IEEE 802.1D table 7-10), passes unasked.

"""

# nft(8), "bridge address family", "set statement"; net/bridge/br_input.c, br_handle_frame.

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_whole
from playground.model.records import dataclass

MOST_MACS = 1024
MOST_FRAMES = 10_000_000

# A host that invents addresses fills this and no more; then they are counted together.
_REMEMBERED_REFUSALS, _REFUSAL_S = 64, 300
# Before what somebody else may hook in there; each asks what those before it let pass.
_SECURED, _LIMITED, _SLOWED = -300, -299, -298

# In a loop that nobody opens, frames a second at each port: enough to see a storm by, and little
# enough for the machine.  All frames, for what is for an unknown machine goes round as well.
LOOP_FLOOD, LOOP_FRAMES = 1_000, 10_000


def check_limits(max_macs: object, storm_limit: object) -> None:
    """Raise `TopologyError` for numbers that cannot be; None is what was not said."""
    if max_macs is not None and not is_whole(max_macs, 0, MOST_MACS):
        raise TopologyError(
            f"max_macs={max_macs!r} is no number of addresses from 1 to {MOST_MACS:,}; "
            f"write how many the port may learn, or 0 for any number"
        )
    if storm_limit is not None and not is_whole(storm_limit, 0, MOST_FRAMES):
        raise TopologyError(
            f"storm_limit={storm_limit!r} is no number of frames a second from 1 to "
            f"{MOST_FRAMES:,}; write how many broadcasts may come in, or 0 for any number"
        )


@dataclass(frozen=True)
class PortGuardPlan:
    """The guard of a port by its name.

    The port learns ``max_macs`` addresses, of which those of ``macs`` are known from the start;
    one that is not ``sticky`` is forgotten when it was silent for ``remembers_s``.  Of broadcasts
    and multicasts it lets ``storm_limit`` frames in each second, of all ``frame_limit``.  0 is any
    number.

    """

    port: str
    max_macs: int = 0
    macs: tuple[str, ...] = ()
    sticky: bool = False
    remembers_s: int = 0
    storm_limit: int = 0
    frame_limit: int = 0

    def __bool__(self) -> bool:
        """Tell whether it guards against anything."""
        return bool(self.max_macs or self.storm_limit)

    @property
    def table(self) -> str:
        """The name of its table of nftables."""
        return table_of(self.port)

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        return {"port": self.port, "table": self.table, "commands": list(self.commands())}

    def commands(self) -> Iterator[str]:
        """Yield the commands of nft(8) that make it, or make it anew."""
        table = f"bridge {self.table}"
        # To delete what is not there would be an error.
        yield f"add table {table}"
        yield f"delete table {table}"
        yield f"add table {table}"
        if self.max_macs:
            yield from self._securing(table)
        if self.storm_limit:
            yield from self._limiting(table)
        if self.frame_limit:
            yield from self._slowing(table)

    def _securing(self, table: str) -> Iterator[str]:
        free = self.max_macs - len(self.macs)
        yield f"add counter {table} refusals"
        yield (
            f"add set {table} refused {{ type ether_addr; size {_REMEMBERED_REFUSALS}; "
            f"flags dynamic,timeout; timeout {_REFUSAL_S}s; }}"
        )
        if free:
            flags = "dynamic" if self.sticky else "dynamic,timeout; gc-interval 1s"
            yield f"add set {table} learned {{ type ether_addr; size {free}; flags {flags}; }}"
        yield f"add chain {table} secured {{ type filter hook prerouting priority {_SECURED}; }}"
        rule = f"add rule {table} secured"
        yield f'{rule} iifname != "{self.port}" accept'
        if self.macs:
            yield f"{rule} ether saddr {{ {', '.join(self.macs)} }} accept"
        if free:
            # Where the set is full, what is new cannot be added, and the next rule is asked.
            timeout = "" if self.sticky else f" timeout {self.remembers_s}s"
            action = "add" if self.sticky else "update"
            yield f"{rule} {action} @learned {{ ether saddr{timeout} }} accept"
        yield f"{rule} update @refused {{ ether saddr counter }}"
        yield f"{rule} counter name refusals drop"

    def _limiting(self, table: str) -> Iterator[str]:
        yield f"add counter {table} flooded"
        yield f"add counter {table} suppressed"
        yield f"add chain {table} limited {{ type filter hook prerouting priority {_LIMITED}; }}"
        rule = f"add rule {table} limited"
        yield f'{rule} iifname != "{self.port}" accept'
        yield f"{rule} meta pkttype != {{ broadcast, multicast }} accept"
        yield (f"{rule} limit rate over {_rate(self.storm_limit)} counter name suppressed drop")
        yield f"{rule} counter name flooded"

    def _slowing(self, table: str) -> Iterator[str]:
        yield f"add chain {table} slowed {{ type filter hook prerouting priority {_SLOWED}; }}"
        rule = f"add rule {table} slowed"
        yield f'{rule} iifname != "{self.port}" accept'
        yield f"{rule} limit rate over {_rate(self.frame_limit)} counter name suppressed drop"

    def as_shell(self) -> Iterator[str]:
        """Yield the commands as they are typed into a shell.

        >>> list(PortGuardPlan("h1-eth0", max_macs=1, sticky=True).as_shell())[-1]
        'nft add rule bridge port-h1-eth0 secured counter name refusals drop'

        """
        for command in list(self.commands())[2:]:
            yield f"nft {command if _is_plain(command) else shlex.quote(command)}"


def in_a_loop(guard: PortGuardPlan) -> PortGuardPlan:
    """Return the guard of a port in a loop that nobody opens: a storm is slow there.

    >>> in_a_loop(PortGuardPlan("p1", storm_limit=50))
    PortGuardPlan(port='p1', ..., storm_limit=50, frame_limit=10000)

    """
    limit = guard.storm_limit or LOOP_FLOOD
    return dataclasses.replace(guard, storm_limit=limit, frame_limit=LOOP_FRAMES)


def _rate(frames_per_s: int) -> str:
    # A tenth of a second's may come at once.
    return f"{frames_per_s}/second burst {max(5, frames_per_s // 10)} packets"


def table_of(port: str) -> str:
    """Return what the table of a port is called.

    >>> table_of("h1-eth0")
    'port-h1-eth0'

    """
    return f"port-{port}"


def _is_plain(command: str) -> bool:
    return not set(command) & set("{};!\"'")
