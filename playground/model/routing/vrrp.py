"""Virtual routers as they are declared: routers that share an address, of which one has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, address_from
from playground.model.arguments import check_flag, is_number, is_whole, shown
from playground.model.parts import LinkBase, MachineBase, taken_or_undone
from playground.model.records import dataclass

# How often the master speaks; a backup takes over after three times that, and a bit.
_INTERVAL_MS = 200


@dataclass(frozen=True)
class VirtualRouter:
    """A router's part in a virtual router on one of its links; see `Router.vrrp`.

    ``track`` holds links with what the priority loses while one carries nothing, None where the
    router gives up then.

    """

    link: LinkBase
    address: Address
    group: int = 1
    priority: int = 100
    preempt: bool = True
    preempt_delay_s: float = 0
    interval_ms: int = _INTERVAL_MS
    track: tuple[tuple[LinkBase, int | None], ...] = ()


class SharingAddresses(MachineBase):
    """The part of a `Router` that shares an address; ``virtual_routers`` has what it was told."""

    virtual_routers: tuple[VirtualRouter, ...]

    def vrrp(
        self,
        link: LinkBase,
        *,
        address: str,
        group: int = 1,
        priority: int = 100,
        preempt: bool = True,
        preempt_delay_s: float = 0,
        track: Sequence[LinkBase] | Mapping[LinkBase, int] = (),
        interval_ms: int = _INTERVAL_MS,
    ) -> None:
        """Let this router share an address on one of its links with others that say the same.

        One of them, the master, has the address and answers for it; the others wait.  When the
        master is silent for three intervals, the backup of the highest priority takes the
        address and tells all switches and hosts (by ARP or neighbour discovery).  Hosts on the
        network have the address for a gateway, without being told.

        ``address`` is one of the link's network that nobody has, ``group`` the number of the
        virtual router, from 1 to 255, and ``priority`` this router's, from 1 to 254.  With
        ``preempt`` a router of a higher priority takes the address back when it returns,
        after ``preempt_delay_s`` seconds.  ``track`` names other links: while one of them
        carries nothing, this router gives the address up; a mapping, ``{uplink: 50}``, takes
        so much from its priority instead.  ``interval_ms`` is how often the master speaks.

        Saying it again for the same link and group replaces what was said; in a lab that runs it
        is done at once.  Raises `TopologyError` if a link is not one of this router's, a value
        cannot be, or the router runs and was started without any; nothing has changed then.
        Routers of one group that differ in their addresses are refused when the lab is planned.

        Sources: RFC 5798 (VRRP version 3), keepalived.conf(5).

        >>> r1.vrrp(lan, address="192.168.1.254", priority=150, track=[uplink])

        """
        self._check_own(link, "vrrp")
        here = f"router {self.name}: vrrp()"
        if not is_whole(group, 1, 255):
            raise TopologyError(f"{here}: group={shown(group)} is no number from 1 to 255")
        if not is_whole(priority, 1, 254):
            raise TopologyError(f"{here}: priority={shown(priority)} is no number from 1 to 254")
        check_flag(f"{here}: preempt", preempt, TopologyError)
        if not is_number(preempt_delay_s, 0, 1000):
            raise TopologyError(
                f"{here}: preempt_delay_s={shown(preempt_delay_s)} is no number of seconds from 0 "
                f"to 1000"
            )
        # RFC 5798 section 5.2.7 counts in hundredths of a second.
        if not is_whole(interval_ms, 10, 40_950) or interval_ms % 10:
            raise TopologyError(
                f"{here}: interval_ms={shown(interval_ms)} is no number of milliseconds from 10 to "
                f"40,950 that ends in 0"
            )
        said = VirtualRouter(
            link,
            _address(here, address),
            group,
            priority,
            preempt,
            preempt_delay_s,
            interval_ms,
            self._tracked(here, link, track),
        )
        before = self.virtual_routers
        others = tuple(
            one
            for one in before
            if (one.link, one.group, one.address.version) != (link, group, said.address.version)
        )

        def undo() -> None:
            self.virtual_routers = before

        with taken_or_undone(self.listener, undo):
            self.virtual_routers = (*others, said)

    def _tracked(
        self, here: str, link: LinkBase, track: Any
    ) -> tuple[tuple[LinkBase, int | None], ...]:
        if isinstance(track, LinkBase):
            track = [track]
        if not isinstance(track, (list, tuple, Mapping)):
            raise TopologyError(
                f"{here}: track={shown(track)} is no list of links; write for example "
                f"track=[uplink], or track={{uplink: 50}}"
            )
        found: list[tuple[LinkBase, int | None]] = []
        for item in track:
            self._check_own(item, "vrrp")
            if item is link:
                raise TopologyError(
                    f"{here}: track= names the link itself, without which nobody has the address "
                    f"anyway; name others"
                )
            less = track[item] if isinstance(track, Mapping) else None
            if less is not None and not is_whole(less, 1, 253):
                raise TopologyError(
                    f"{here}: track={{link: {shown(less)}}} takes no number from 1 to 253 from the "
                    f"priority"
                )
            found.append((item, less))
        return tuple(found)


def _address(here: str, address: object) -> Address:
    try:
        if not isinstance(address, str):
            raise ValueError
        return address_from(address)
    except ValueError:
        raise TopologyError(
            f'{here}: address={shown(address)} is no address; write one as in "192.168.1.254"'
        ) from None
