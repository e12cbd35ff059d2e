"""OSPF as a router is told of it: settings of links and areas, and the methods that take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Network, network_from
from playground.model.arguments import check_flag, is_list, is_whole, shown
from playground.model.parts import LinkBase, MachineBase, taken_or_undone
from playground.model.records import dataclass
from playground.model.routing.policy import PrefixList, covers
from playground.model.routing.protocols import refuse_other_protocol
from playground.model.routing.sessions import check_bfd, check_password

# FRR's default: a link of 10 Gbit/s against the reference bandwidth of 100 Gbit/s.
OSPF_COST = 10
# A tunnel costs more than the way below it, which else would seem to lead through the tunnel.
TUNNEL_COST = 1000
BACKBONE = "0.0.0.0"

# RFC 2328 section 3.6, RFC 3101; "totally" as most books call an area that hears of no other
# area's networks either (`no-summary`).
AREA_KINDS = ("normal", "stub", "totally stubby", "nssa", "totally nssa")
NETWORK_TYPES = ("broadcast", "point-to-point", "point-to-multipoint", "non-broadcast")

# RFC 2328 appendix D.3: a key of MD5 has 16 octets.
_MOST_KEY = 16


@dataclass(frozen=True)
class OspfLink:
    """A router's settings of OSPF for one link; None where it sets none.

    ``area`` is a dotted number; the others are those of `Router.ospf`.

    """

    cost: int | None = None
    area: str | None = None
    priority: int | None = None
    network: str | None = None
    passive: bool | None = None
    password: str | None = None
    hello_s: int | None = None
    dead_s: int | None = None
    bfd_ms: int | None = None


@dataclass(frozen=True)
class OspfArea:
    """A router's word on an area: its ``kind``, and what passes this border of it.

    ``ranges`` are told to other areas in place of what lies in them; ``send`` chooses what they
    hear of, ``receive`` what the area hears of others.

    """

    kind: str | None = None
    ranges: tuple[Network, ...] = ()
    send: PrefixList | None = None
    receive: PrefixList | None = None
    default_cost: int | None = None


class SpeakingOspf(MachineBase):
    """The part of a `Router` that is told of OSPF.

    ``ospf_links`` and ``ospf_areas`` hold what `ospf` and `ospf_area` have said, the areas by
    their dotted numbers.

    """

    protocols: tuple[str, ...]
    vrfs: Mapping[str, Any]
    ospf_links: dict[LinkBase, OspfLink]
    ospf_areas: dict[str, OspfArea]

    def ospf(
        self,
        link: LinkBase,
        *,
        cost: int | None = None,
        area: int | str | None = None,
        priority: int | None = None,
        network: str | None = None,
        passive: bool | None = None,
        password: str | None = None,
        hello_s: int | None = None,
        dead_s: int | None = None,
        bfd_ms: int | None = None,
    ) -> None:
        """Say what one of this router's links is to OSPF.

        ``cost`` is what it costs to go out through the link, from 1 to 65535; 10
        where nothing is said.  ``area`` is the area that the link lies in, by
        default 0, the backbone; it is enough that one router of a network says it.
        ``priority``, from 0 to 255, says who shall be the network's designated router: the
        highest, by default 1, and never one of 0.  ``network`` is the network's type,
        "broadcast", "point-to-point", "point-to-multipoint" or "non-broadcast"; by default
        point-to-point where two are on it, else broadcast.  With ``passive`` others hear
        of the link's network, and nobody speaks OSPF on it.  ``password``, at most 16 letters,
        signs what is sent (MD5, RFC 2328 appendix D), and who does not know it is not heard.
        ``hello_s`` is how often the router greets, ``dead_s`` after how long without a greeting
        a neighbour is given up: four times ``hello_s`` where that alone is said, and by default
        a second (three with IPv6).  Neighbours must agree in both.  With ``bfd_ms`` the daemons
        of BFD (RFC 5880) watch the neighbours there, by a packet every so many milliseconds,
        and three lost ones in a row end it.

        Saying it again changes what is said anew.  In a lab that runs it is done at once, and
        this returns when all have converged again; for all but another cost the router's daemon
        starts anew.

        Raises `TopologyError` if the link is not one of this router's, the
        router does not speak OSPF, or a value cannot be; nothing has changed then.

        Sources: RFC 2328 appendices C.2 (an area's settings) and C.3 (a link's), RFC 5340 (IPv6).

        >>> r1.ospf(slow, cost=100)
        >>> r1.ospf(lan, area=1, priority=0, password="secret")

        """
        self._check_own(link, "ospf")
        refuse_other_protocol(self.name, self.protocols, "ospf", "OSPF", self.vrfs)
        here = f"router {self.name}"
        given = OspfLink(cost, area, priority, network, passive, password, hello_s, dead_s, bfd_ms)  # type: ignore[arg-type]
        said = check_ospf_link(here, given)
        known = dataclasses.asdict(self.ospf_links.get(link, OspfLink()))
        known |= {name: value for name, value in vars(said).items() if value is not None}
        whole = OspfLink(**known)
        _check_timers(here, whole)
        before = self.ospf_links

        def undo() -> None:
            self.ospf_links = before

        with taken_or_undone(self.listener, undo):
            self.ospf_links = before | {link: whole}

    def ospf_area(
        self,
        area: int | str,
        *,
        kind: str | None = None,
        ranges: object = (),
        send: PrefixList | None = None,
        receive: PrefixList | None = None,
        default_cost: int | None = None,
    ) -> None:
        """Say what an area of OSPF is, and what passes its border at this router.

        ``kind`` is "normal", "stub" (no routes from outside of OSPF: a default route instead),
        "totally stubby" (none of other areas either), "nssa" (as stub, and its own routers
        may tell of routes from outside) or "totally nssa".  All routers in an area must
        agree: it is enough that one of them says it here, and the lab tells all.

        The rest is for a router on the border of the area.  ``ranges`` are networks that
        others hear of in place of those in them (FRR tells a totally stubby area of them too,
        at the same border).  ``send`` is a `PrefixList` of what others hear
        of the area, ``receive`` of what the area hears of others.  ``default_cost`` is the cost
        of the default route that it tells a stub area or an NSSA of, by default 1.

        Saying it again for the same area replaces all that was said before.  In a lab that runs
        the daemons start anew.  Raises `TopologyError` for the backbone, which is no stub, or
        where a value cannot be; nothing has changed then.

        Sources: RFC 2328 section 3.6 (stub areas) and appendix C.2 (ranges), RFC 3101 (NSSA).

        >>> border.ospf_area(1, kind="totally stubby")
        >>> border.ospf_area(2, ranges=["10.2.0.0/16"])

        """
        refuse_other_protocol(self.name, self.protocols, "ospf", "OSPF", self.vrfs)
        here = f"router {self.name}: ospf_area()"
        number = check_area(f"router {self.name}", area)
        declared = _check_area_settings(here, number, kind, ranges, send, receive, default_cost)
        before = self.ospf_areas

        def undo() -> None:
            self.ospf_areas = before

        with taken_or_undone(self.listener, undo):
            self.ospf_areas = before | {number: declared}


def check_ospf_link(here: str, said: OspfLink) -> OspfLink:
    """Return what a router says of one of its links to OSPF, checked."""
    if said.cost is not None and not is_whole(said.cost, 1, 65535):
        raise TopologyError(
            f"{here}: cost={shown(said.cost)} is no OSPF cost, which is a whole number from 1 to "
            f"65535 (RFC 2328); {OSPF_COST} is what a link costs where nothing is said"
        )
    if said.priority is not None and not is_whole(said.priority, 0, 255):
        raise TopologyError(
            f"{here}: priority={shown(said.priority)} is no priority, a whole number from 0 "
            f"(never the designated router) to 255"
        )
    if said.network is not None and said.network not in NETWORK_TYPES:
        raise TopologyError(
            f"{here}: network={shown(said.network)} is no type of network; use one of "
            f"{', '.join(map(repr, NETWORK_TYPES))}"
        )
    if said.passive is not None:
        check_flag(f"{here}: passive", said.passive, TopologyError)
    check_password(here, said.password, _MOST_KEY)
    for name in ("hello_s", "dead_s"):
        value = getattr(said, name)
        if value is not None and not is_whole(value, 1, 65535):
            raise TopologyError(
                f"{here}: {name}={shown(value)} is no number of whole seconds from 1 to 65535"
            )
    check_bfd(here, said.bfd_ms)
    area = None if said.area is None else check_area(here, said.area)
    return dataclasses.replace(said, area=area)


def _check_timers(here: str, said: OspfLink) -> None:
    if said.hello_s and said.dead_s and said.dead_s <= said.hello_s:
        raise TopologyError(
            f"{here}: dead_s={said.dead_s} gives up a neighbour before its next greeting, which "
            f"comes after hello_s={said.hello_s}; four times that is usual"
        )
    if said.dead_s and not said.hello_s:
        raise TopologyError(f"{here}: dead_s={said.dead_s} goes with hello_s=, which is missing")


def check_area(here: str, area: object) -> str:
    """Return the number of an area of OSPF, dotted."""
    try:
        if isinstance(area, bool) or not isinstance(area, (int, str)):
            raise ValueError
        number = int(area) if isinstance(area, str) and area.isdecimal() else area
        return str(IPv4Address(number))
    except (AddressValueError, ValueError):
        raise TopologyError(
            f"{here}: area={shown(area)} is no OSPF area; write a number such as 1, or the "
            f'same with dots, "0.0.0.1"'
        ) from None


def _check_area_settings(
    here: str,
    number: str,
    kind: Any,
    ranges: Any,
    send: Any,
    receive: Any,
    default_cost: Any,
) -> OspfArea:
    if kind is not None and kind not in AREA_KINDS:
        raise TopologyError(
            f"{here}: kind={shown(kind)} is no kind of area; use one of "
            f"{', '.join(map(repr, AREA_KINDS))}"
        )
    if number == BACKBONE and kind not in (None, "normal"):
        raise TopologyError(
            f"{here}: area 0 is the backbone, through which all others hear of each other, and "
            f"can be no {kind} area (RFC 2328 section 3.6); say it of another area"
        )
    given = [ranges] if isinstance(ranges, str) or not is_list(ranges) else ranges
    networks = tuple(_range(here, item) for item in given)
    for one in networks:
        for other in networks:
            if one is not other and covers(one, other):
                raise TopologyError(f"{here}: the range {other} lies in {one}; leave one out")
    for name, value in (("send", send), ("receive", receive)):
        if value is not None and not isinstance(value, PrefixList):
            raise TopologyError(
                f"{here}: {name}={shown(value)} is no PrefixList, such as "
                f'PrefixList("some", "10.1.0.0/16 le 24")'
            )
    if default_cost is not None and not is_whole(default_cost, 0, 2**24 - 1):
        raise TopologyError(
            f"{here}: default_cost={shown(default_cost)} is no whole number from 0 to 16777215"
        )
    if default_cost is not None and kind in (None, "normal"):
        raise TopologyError(
            f"{here}: default_cost= is for an area that hears a default route: one with "
            f'kind="stub" or the like'
        )
    return OspfArea(kind, networks, send, receive, default_cost)


def _range(here: str, item: object) -> Network:
    try:
        if not isinstance(item, str):
            raise ValueError
        return network_from(item)
    except ValueError:
        raise TopologyError(
            f'{here}: {shown(item)} in ranges= is no network; write one as in "10.1.0.0/16"'
        ) from None
