"""Frames as they were captured, where, and which machine has which address: shapes.

Nothing is decoded here: a `Frame` is bytes with a time.  A `Directory` tells the
machines of a lab by their addresses, for those who draw or list frames.

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import NamedTuple

from playground.model.records import dataclass
from playground.planning.plan import Plan

# www.tcpdump.org/linktypes.html
ETHERNET = 1
RAW_IP = 101

_NO_MAC = "00:00:00:00:00:00"


@dataclass(frozen=True)
class CapturePoint:
    """Where frames were seen: an interface of a machine; ``segment`` is its network."""

    node: str
    interface: str
    segment: str = ""
    link_type: int = ETHERNET

    def __str__(self) -> str:
        return f"{self.node}/{self.interface}"


class Frame(NamedTuple):
    """One frame, seen at one place.

    ``time_ns`` is that of the kernel, since 1970; ``place`` a number of the capture's
    places; ``outgoing`` whether the machine there has sent it.  ``length_bytes`` is what
    was on the wire, of which ``data`` holds the first part if the capture cut it.

    """

    time_ns: int
    place: int
    outgoing: bool
    length_bytes: int
    data: bytes


@dataclass(frozen=True)
class Owner:
    """The interface that has a MAC address, and the IP addresses that it was given.

    ``parent`` is the interface by which its frames leave, if that is another (VLANs).

    """

    node: str
    interface: str
    segment: str
    mac: str
    addresses: tuple[str, ...]
    parent: str | None = None


@dataclass(frozen=True)
class Directory:
    """Which machine has which address.

    Two homes may have the same addresses behind their modems, so a name depends on
    where it is asked for: an address of the segment goes before one of elsewhere.

    """

    owners: tuple[Owner, ...] = ()
    routers: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, plan: Plan) -> Directory:
        """Return the directory of a lab."""
        return cls(
            tuple(
                Owner(
                    node.name,
                    interface.name,
                    interface.segment,
                    interface.mac.lower(),
                    tuple(str(address.ip) for address in interface.addresses),
                    interface.parent,
                )
                for node in plan.nodes
                for interface in node.interfaces
            ),
            frozenset(node.name for node in plan.nodes if node.kind == "router"),
        )

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The machines, in the order declared."""
        return tuple(dict.fromkeys(owner.node for owner in self.owners))

    @cached_property
    def _macs(self) -> Mapping[str, Owner]:
        # All loopback interfaces have the same, which means nothing.
        return {owner.mac: owner for owner in self.owners if owner.mac != _NO_MAC}

    @cached_property
    def _here(self) -> Mapping[tuple[str, str], str]:
        return {
            (owner.segment, address): owner.node
            for owner in self.owners
            for address in owner.addresses
        }

    @cached_property
    def _anywhere(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = {}
        for owner in self.owners:
            for address in owner.addresses:
                found.setdefault(address, {})[owner.node] = None
        return {address: tuple(nodes) for address, nodes in found.items()}

    def owner(self, mac: str) -> Owner | None:
        """Return the interface with this MAC address, as in ``02:00:00:00:00:01``."""
        return self._macs.get(mac)

    def node(self, address: str, segment: str = "", mac: str = "") -> str | None:
        """Return the machine with this IP address, as seen on a segment; None for a stranger.

        ``mac`` tells who sent it there, if it is known: a host that got its address
        by DHCP or by hand is found by that.

        """
        nodes = self._anywhere.get(address, ())
        owner = self._macs.get(mac)
        if owner is not None and address.startswith("fe80:"):
            return owner.node  # link-local, RFC 4291 section 2.5.6: of who has the MAC
        here = self._here.get((segment, address))
        if here is not None:
            return here
        if len(nodes) == 1:
            return nodes[0]
        if owner is not None and (owner.node in nodes or owner.node not in self.routers):
            return owner.node
        return None

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IP addresses of the machine with this full or short name."""
        return tuple(
            dict.fromkeys(
                address
                for owner in self.owners
                if name in (owner.node, owner.node.split(".")[0])
                for address in owner.addresses
            )
        )
