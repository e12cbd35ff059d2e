"""Settings of a switch, as data: learning, spanning tree, mirroring.

Settings are checked when they are built; each can be had as the request that the
agent sends to the kernel, and as the commands that do the same.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_number, shown
from playground.model.records import dataclass

# IEEE 802.1D-1998 table 8-3: hello time 1 to 10 s, maximum age 6 to 40 s, forward delay
# 4 to 30 s; the kernel takes a forward delay of 2 s too (net/bridge/br_private.h).
HELLO_S = 1
MAX_AGE_S = 6
FORWARD_DELAY_S = 2
# Table 7-5 of the same.
AGEING_S = 300


@dataclass(frozen=True)
class SwitchSettings:
    """How a switch learns, and whether it keeps loops open.

    ``ageing_s`` is how long it remembers behind which port a MAC address is, from
    1 to 86,400 seconds; by default 300, and with ``stp`` twice the ``forward_delay_s``, so
    that hosts are found again as soon after the tree has changed.  A ``hub``
    remembers nothing and sends every frame to all other ports.  With ``stp`` it speaks
    the spanning tree protocol (IEEE 802.1D), so that switches may be linked in loops;
    the one with the lowest ``priority`` (0 to 61440, in steps of 4096) is the root, and
    among equal ones the lowest MAC address decides.  A port waits twice
    ``forward_delay_s`` (2 to 30 seconds) before it passes
    frames.  With ``igmp_snooping`` it listens to who joins which group (IGMP, MLD; RFC 4541),
    asks for that itself, and sends what is for a group to its members alone, where others send
    it to all.  Raises `TopologyError` for anything else.

    >>> SwitchSettings(stp=True, priority=4096)
    SwitchSettings(stp=True, priority=4096)

    """

    ageing_s: float | None = None
    stp: bool = False
    priority: int = 32768
    forward_delay_s: float = FORWARD_DELAY_S
    hub: bool = False
    igmp_snooping: bool = False

    def __post_init__(self) -> None:
        for name in ("stp", "hub", "igmp_snooping"):
            if not isinstance(getattr(self, name), bool):
                raise TopologyError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if self.ageing_s is not None:
            _check_number("ageing_s", self.ageing_s, 1, 86_400, "seconds")
        _check_number("forward_delay_s", self.forward_delay_s, 2, 30, "seconds")
        _check_number("priority", self.priority, 0, 61_440, "steps of 4096")
        if self.priority % 4096:
            # IEEE 802.1t: the lower twelve bits number the VLAN.
            near = round(self.priority / 4096) * 4096
            raise TopologyError(
                f"priority={self.priority} is no step of 4096; write {min(near, 61_440)}, "
                f"or another from 0, 4096, 8192 and so on to 61440"
            )
        if self.hub and self.stp:
            raise TopologyError("a hub knows of no spanning tree: leave out hub=True or stp=True")
        if self.hub and self.igmp_snooping:
            raise TopologyError(
                "a hub sends every frame everywhere: leave out hub=True or igmp_snooping=True"
            )

    @property
    def remembers_s(self) -> float:
        """How long it remembers an address, 0 for a hub."""
        if self.hub:
            return 0
        if self.ageing_s is not None:
            return self.ageing_s
        # While a tree changes, section 8.3.5 shortens the time; Linux does too, but its
        # br_fdb_cleanup comes by only once in the usual one.
        return 2 * self.forward_delay_s if self.stp else AGEING_S

    def given(self) -> dict[str, Any]:
        """Return what differs from a plain switch."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def request(self) -> dict[str, Any]:
        """Return the settings as the agent takes them: times in hundredths of a second."""
        return {
            "stp": self.stp,
            # With an ageing time of 0 a Linux bridge learns nothing (br_fdb_update).
            "ageing": round(self.remembers_s * 100),
            "priority": int(self.priority),
            "forward_delay": round(self.forward_delay_s * 100) if self.stp else 0,
            "hello_time": HELLO_S * 100,
            "max_age": MAX_AGE_S * 100,
            "igmp_snooping": self.igmp_snooping,
        }

    def as_shell(self, device: str) -> str:
        """Return the command that gives a bridge these settings (ip-link(8)).

        >>> SwitchSettings(hub=True).as_shell("home")
        'ip link set dev home type bridge stp_state 0 ageing_time 0'

        """
        wanted = self.request()
        words = f"stp_state {int(self.stp)} ageing_time {wanted['ageing']}"
        if self.stp:
            words += "".join(
                f" {name} {wanted[name]}"
                for name in ("priority", "forward_delay", "hello_time", "max_age")
            )
        if self.igmp_snooping:
            words += " mcast_snooping 1 mcast_querier 1"
        return f"ip link set dev {device} type bridge {words}"

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.given().items())
        return f"SwitchSettings({given})"


@dataclass(frozen=True)
class MirrorPlan:
    """Copies of frames that go out of the port ``to``.

    ``entering`` and ``leaving`` are the ports whose frames are copied as they enter
    the switch, and as they leave it.

    """

    to: str
    entering: tuple[str, ...]
    leaving: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        return {"to": self.to, "entering": list(self.entering), "leaving": list(self.leaving)}

    def as_shell(self) -> Iterator[str]:
        """Yield the commands that do the same (tc-matchall(8), tc-mirred(8))."""
        for port in dict.fromkeys((*self.entering, *self.leaving)):
            yield f"tc qdisc add dev {port} clsact"
        for hook, ports in (("ingress", self.entering), ("egress", self.leaving)):
            for port in ports:
                yield (
                    f"tc filter add dev {port} {hook} matchall "
                    f"action mirred egress mirror dev {self.to}"
                )


def _check_number(name: str, value: object, least: int, most: int, unit: str) -> None:
    if not is_number(value, least, most):
        raise TopologyError(
            f"{name}={shown(value)} cannot be; write a number from {least} to {most:,} ({unit})"
        )


PLAIN = SwitchSettings()


@dataclass(frozen=True)
class Mirror:
    """The mirror of a switch: frames that pass ``links``, or enter any link, go ``to`` one too."""

    links: tuple[Any, ...]
    to: Any

    def plan(self, ports: dict[Any, str]) -> MirrorPlan | None:
        """Return it in names of ports; None if the one that copies go to is not there."""
        if self.to not in ports:
            return None
        if not self.links:
            others = (port for link, port in ports.items() if link is not self.to)
            return MirrorPlan(ports[self.to], tuple(others))
        named = tuple(ports[link] for link in self.links if link in ports)
        return MirrorPlan(ports[self.to], named, named)
