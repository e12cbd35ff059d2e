"""IS-IS as a router is told of it: areas, levels and links, and the methods that take them."""

from __future__ import annotations

import dataclasses
import re

from playground.errors import TopologyError
from playground.model.arguments import check_flag, is_whole, shown
from playground.model.parts import LinkBase, MachineBase, taken_or_undone
from playground.model.records import dataclass
from playground.model.routing.protocols import refuse_other_protocol
from playground.model.routing.sessions import check_bfd, check_password, check_whole

# ISO 10589 section 8.2.2: what a link costs where nothing is said; RFC 5305 section 3.7 the most.
ISIS_METRIC = 10
_MOST_METRIC = 2**24 - 2
# Of AFI 49, which is for private use as RFC 1918 is (RFC 1195 section 3.3).
ISIS_AREA = "49.0001"

LEVELS = ("1", "2", "1-2")
NETWORK_TYPES = ("broadcast", "point-to-point")

# ISO 10589 section 7.1: 1 to 13 octets before the system's own six, and the selector.
_AREA = re.compile(r"[0-9a-f]{2}(\.[0-9a-f]{4}){0,6}")
# TLV 10 (RFC 5304) has 254 octets at most.
_MOST_KEY = 254


@dataclass(frozen=True)
class IsisLink:
    """A router's settings of IS-IS for one link; None where it sets none; see `Router.isis`."""

    metric: int | None = None
    level: str | None = None
    priority: int | None = None
    network: str | None = None
    passive: bool | None = None
    password: str | None = None
    hello_s: int | None = None
    hello_multiplier: int | None = None
    bfd_ms: int | None = None


@dataclass(frozen=True)
class IsisOptions:
    """A router's settings of IS-IS for all its links; see `Router.isis_options`."""

    area: str = ISIS_AREA
    level: str = "2"
    password: str | None = None
    overload: bool = False


class SpeakingIsis(MachineBase):
    """The part of a `Router` that is told of IS-IS.

    ``isis_links`` and ``isis_router`` hold what `isis` and `isis_options` have said.

    """

    protocols: tuple[str, ...]
    isis_links: dict[LinkBase, IsisLink]
    isis_router: IsisOptions

    def isis(
        self,
        link: LinkBase,
        *,
        metric: int | None = None,
        level: int | str | None = None,
        priority: int | None = None,
        network: str | None = None,
        passive: bool | None = None,
        password: str | None = None,
        hello_s: int | None = None,
        hello_multiplier: int | None = None,
        bfd_ms: int | None = None,
    ) -> None:
        """Say what one of this router's links is to IS-IS.

        ``metric`` is what it costs to go out through the link, from 1 to 16777214; 10 where
        nothing is said.  ``level``, 1, 2 or "1-2", is at which levels the router speaks there,
        by default its own.  ``priority``, from 0 to 127, says who shall be the network's
        designated system: the highest, by default 64.  ``network`` is "broadcast" or
        "point-to-point"; by default point-to-point where two are on it, else broadcast.  With
        ``passive`` others hear of the link's network, and nobody speaks IS-IS on it.
        ``password`` signs greetings (HMAC-MD5, RFC 5304); it is enough that one router of a
        network says it.  ``hello_s`` is how often the router greets, by default each second, and
        after ``hello_multiplier`` times that without a greeting, by default 3, its neighbours
        give it up.  With ``bfd_ms`` the daemons of BFD (RFC 5880) watch the neighbours there.

        Saying it again changes what is said anew; in a lab that runs it is done at once, and the
        router's daemon starts anew.  Raises `TopologyError` if the link is not one of this
        router's, the router does not speak IS-IS, or a value cannot be; nothing has changed then.

        >>> r1.isis(slow, metric=100)
        >>> r1.isis(lan, level=1, password="secret")

        """
        # ISO 10589; RFC 1195 (IP), 5303 (point-to-point), 5305 (metrics), 5308 (IPv6).
        self._check_own(link, "isis")
        refuse_other_protocol(self.name, self.protocols, "isis", "IS-IS")
        level = None if level is None else str(level)
        given = IsisLink(
            metric, level, priority, network, passive, password, hello_s, hello_multiplier, bfd_ms
        )
        _check_link(f"router {self.name}: isis()", given)
        known = dataclasses.asdict(self.isis_links.get(link, IsisLink()))
        known |= {name: value for name, value in vars(given).items() if value is not None}
        before = self.isis_links

        def undo() -> None:
            self.isis_links = before

        with taken_or_undone(self.listener, undo):
            self.isis_links = before | {link: IsisLink(**known)}

    def isis_options(
        self,
        *,
        area: str = ISIS_AREA,
        level: int | str = 2,
        password: str | None = None,
        overload: bool = False,
    ) -> None:
        """Say how this router's IS-IS works on all of its links.

        ``area`` is the area that the router lies in, in the private AFI 49 as a rule; its NET
        is made of that and of its router id: area 49.0001 and router 10.0.1.1 make
        49.0001.0100.0000.1001.00.  At ``level`` 2, the default, a router knows all others of
        level 2, in whichever area; at level 1 it knows its area, and has a default route to the
        nearest router there of level "1-2", which does both.  FRR hands no network on from
        level 1 to level 2: what only routers of level 1 have is not heard of outside of their
        area, and nobody waits for it.  At both levels FRR 10.3 may keep a route to the network of
        a link that has failed.

        ``password`` signs what routers tell of (RFC 5304), in the whole network; it is enough that
        one router says it.  With ``overload`` others send nothing through this router,
        only to it.

        Saying it again replaces all that was said before.  In a lab that runs it is done at
        once; the router's daemon starts anew.  Raises `TopologyError` where the router does
        not speak IS-IS, or a value cannot be; nothing has changed then.

        >>> border.isis_options(area="49.0002", level="1-2")
        >>> inside.isis_options(area="49.0002", level=1)

        """
        # ISO 10589: section 7.1 has addresses, 7.2.9.2 the way to the nearest of level 2.
        here = f"router {self.name}: isis_options()"
        refuse_other_protocol(self.name, self.protocols, "isis", "IS-IS")
        if not isinstance(area, str) or not _AREA.fullmatch(area.lower()):
            raise TopologyError(
                f"{here}: area={shown(area)} is no area of IS-IS; write two hexadecimal digits "
                f'and then groups of four, as in "49.0001"'
            )
        _check_level(here, str(level))
        check_password(here, password, _MOST_KEY)
        check_flag(f"{here}: overload", overload, TopologyError)
        before = self.isis_router

        def undo() -> None:
            self.isis_router = before

        with taken_or_undone(self.listener, undo):
            self.isis_router = IsisOptions(area.lower(), str(level), password, overload)


def _check_link(here: str, said: IsisLink) -> None:
    if said.metric is not None and not is_whole(said.metric, 1, _MOST_METRIC):
        raise TopologyError(
            f"{here}: metric={shown(said.metric)} is no metric, which is a whole number from 1 to "
            f"{_MOST_METRIC} (RFC 5305); {ISIS_METRIC} is what a link costs where nothing is said"
        )
    if said.level is not None:
        _check_level(here, said.level)
    if said.network is not None and said.network not in NETWORK_TYPES:
        raise TopologyError(
            f"{here}: network={shown(said.network)} is no type of network; use one of "
            f"{', '.join(map(repr, NETWORK_TYPES))}"
        )
    if said.passive is not None:
        check_flag(f"{here}: passive", said.passive, TopologyError)
    check_password(here, said.password, _MOST_KEY)
    # https://docs.frrouting.org/en/stable-10.3/isisd.html
    check_whole(here, "priority", said.priority, 0, 127)
    check_whole(here, "hello_s", said.hello_s, 1, 600)
    check_whole(here, "hello_multiplier", said.hello_multiplier, 2, 100)
    check_bfd(here, said.bfd_ms)


def _check_level(here: str, level: str) -> None:
    if level not in LEVELS:
        raise TopologyError(
            f'{here}: level={shown(level)} is no level of IS-IS; use 1, 2, or "1-2" for both'
        )
