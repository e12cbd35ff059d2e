"""Multicast across routers as it is declared: PIM sparse mode, and IGMP towards hosts."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import shown
from playground.model.parts import MachineBase, taken_or_undone
from playground.model.records import dataclass


@dataclass(frozen=True)
class Multicast:
    """A router's part in multicast; ``rendezvous_point`` is a router, an address, or None."""

    rendezvous_point: MachineBase | IPv4Address | None = None


class ForwardingGroups(MachineBase):
    """The part of a `Router` that forwards multicast; ``groups`` is None where it does not."""

    groups: Multicast | None

    def multicast(self, *, rendezvous_point: MachineBase | str | None = None) -> None:
        """Let this router forward multicast of IPv4, by PIM sparse mode and IGMP on all its links.

        Hosts join groups by IGMP (RFC 3376); routers build a tree by PIM (RFC 7761) from
        whoever sends to whoever has joined, along the routes that they have anyway.
        ``rendezvous_point`` is the router at which senders and members of a group (224.0.0.0/4)
        find each other, or its address; all routers must name the same.  Without one only groups
        of a known source are forwarded (232.0.0.0/8, RFC 4607).

        Say it of each router on the way.  Saying it again changes it, in a lab that runs at once.
        Raises `TopologyError` for what is no router and no address, or for a router that runs
        and was started without FRR; nothing has changed then.

        >>> for router in (r1, r2):
        ...     router.multicast(rendezvous_point=r1)

        """
        here = f"router {self.name}: multicast()"
        said = Multicast(_point(here, rendezvous_point))
        before = self.groups

        def undo() -> None:
            self.groups = before

        with taken_or_undone(self.listener, undo):
            self.groups = said


def _point(here: str, given: Any) -> MachineBase | IPv4Address | None:
    if given is None:
        return None
    if isinstance(given, ForwardingGroups):
        return given
    try:
        if not isinstance(given, str):
            raise ValueError
        return IPv4Address(given)
    except ValueError:
        raise TopologyError(
            f"{here}: rendezvous_point={shown(given)} is neither a router nor an address of IPv4; "
            f"name the router at which senders and members shall find each other"
        ) from None
