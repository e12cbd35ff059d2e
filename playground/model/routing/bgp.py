"""BGP as a router is told of it: peers, what passes to and from each, and the methods for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Network, network_from
from playground.model.arguments import check_flag, is_list, is_whole, shown
from playground.model.notation import check_bool
from playground.model.parts import LinkBase, MachineBase, taken_or_undone
from playground.model.records import dataclass
from playground.model.routing.policy import RouteMap, RoutePolicy, check_policy
from playground.model.routing.protocols import refuse_other_protocol
from playground.model.routing.sessions import check_bfd, check_password, check_whole

# TCP_MD5SIG_MAXKEYLEN of linux/tcp.h (RFC 2385).
_MOST_KEY = 80


@dataclass(frozen=True)
class PeerSettings:
    """A router's settings for its sessions with one other router; see `Router.bgp_peer`."""

    receive: RoutePolicy | None = None
    send: RoutePolicy | None = None
    password: str | None = None
    keepalive_s: int | None = None
    hold_s: int | None = None
    client: bool = False
    default: bool | RouteMap = False
    next_hop_self: bool | None = None
    allow_own_as: int = 0
    remove_private_as: bool = False
    max_prefixes: int | None = None
    bfd_ms: int | None = None


@dataclass(frozen=True)
class BgpOptions:
    """A router's settings of BGP for all peers; see `Router.bgp_options`."""

    aggregates: tuple[Network, ...] = ()
    summary_only: bool = True
    paths: int | None = None
    graceful_restart: bool = False
    compare_med: bool = False


class SpeakingBgp(MachineBase):
    """The part of a `Router` that is told of BGP.

    ``bgp_links``, ``bgp_peers`` and ``bgp_router`` hold what `bgp`, `bgp_peer` and
    `bgp_options` have said.

    """

    protocols: tuple[str, ...]
    vrfs: Mapping[str, Any]
    bgp_links: dict[LinkBase, bool]
    bgp_peers: dict[MachineBase, PeerSettings]
    bgp_router: BgpOptions

    def bgp(self, link: LinkBase, *, announce: bool) -> None:
        """Say whether this router tells others of the network of one of its links by BGP.

        By default it tells of its networks, as `network` lines usually do: those left out
        that are nothing but a link between systems, with addresses that somebody has given
        (``subnet`` or ``addresses`` of the `Link`).  Who is farther away need not reach such
        a link; but packets that the router itself sends by it carry an address there, to which
        only its neighbours have a way (`ping -I` with another address of the router's).  So a
        network that the lab has numbered is told of, and all reach all; and a
        router that has no other network, nor a loopback address, tells of its links in any
        case, or nobody could reach it.

        Saying it again changes it, in a lab that runs at once; the router's daemon starts
        anew.  Raises `TopologyError` if the link is not one of this router's, or the router
        does not speak BGP; nothing has changed then.

        >>> r1.bgp(between, announce=True)

        """
        self._check_own(link, "bgp")
        refuse_other_protocol(self.name, self.protocols, "bgp", "BGP", self.vrfs)
        check_bool(f"router {self.name}", "announce", announce)
        before = self.bgp_links

        def undo() -> None:
            self.bgp_links = before

        with taken_or_undone(self.listener, undo):
            self.bgp_links = before | {link: announce}

    def bgp_peer(
        self,
        other: MachineBase,
        *,
        receive: RoutePolicy | None = None,
        send: RoutePolicy | None = None,
        password: str | None = None,
        keepalive_s: int | None = None,
        hold_s: int | None = None,
        client: bool = False,
        default: bool | RouteMap = False,
        next_hop_self: bool | None = None,
        allow_own_as: int = 0,
        remove_private_as: bool = False,
        max_prefixes: int | None = None,
        bfd_ms: int | None = None,
    ) -> None:
        """Say how this router treats another that it speaks BGP with.

        ``receive`` is the policy for what it hears of the other, ``send`` for what it tells:
        a `RouteMap`, or a `PrefixList` where nothing is to be changed.  ``password`` signs
        their TCP connection (RFC 2385); it is enough that one of the two says it.
        ``keepalive_s`` and ``hold_s`` are the session's timers, by default 1 and 3 s; the
        shorter hold time of the two holds.

        Between routers of one AS, ``client`` makes this router a route reflector of the other
        (RFC 4456): what a client tells is handed on inside the AS, and a client has sessions with
        its reflectors alone, where each would have one with each.

        ``default`` tells the other of a default route, with a `RouteMap` only as far as that
        finds a route that it lets pass.  ``next_hop_self`` tells others of the AS to send to this
        router what comes from outside (the default), or to the neighbour outside.
        ``allow_own_as`` takes paths in which the own AS stands up to so many times.
        ``remove_private_as`` takes private numbers (RFC 6996) out of what it tells.  More than
        ``max_prefixes`` prefixes end the session.  ``bfd_ms`` has BFD watch the other (RFC 5880),
        by a packet every so many milliseconds; three lost ones in a row end the session; it is
        enough that one of the two says it.

        Saying it again for the same router replaces all that was said before.  In a lab that runs
        it is done at once; the router's daemon starts anew.  Raises `TopologyError` where one of
        the two does not speak BGP, or a value cannot be; nothing has changed then.  That they
        are linked is seen when the lab is planned.

        Sources: RFC 4271, https://docs.frrouting.org/en/stable-10.3/bgp.html

        >>> isp.bgp_peer(customer, receive=RouteMap("from-customer",
        ...     Permit(prefixes="10.1.0.0/16 le 24", set_local_preference=200)))

        """
        here = f"router {self.name}: bgp_peer()"
        refuse_other_protocol(self.name, self.protocols, "bgp", "BGP", self.vrfs)
        if not isinstance(other, SpeakingBgp):
            raise TopologyError(f"{here}: {shown(other)} is no router; give it the other router")
        refuse_other_protocol(other.name, other.protocols, "bgp", "BGP", other.vrfs)
        if other is self:
            raise TopologyError(f"{here}: {self.name} cannot be its own peer; give it another")
        said = PeerSettings(
            receive,
            send,
            password,
            keepalive_s,
            hold_s,
            client,
            default,
            next_hop_self,
            allow_own_as,
            remove_private_as,
            max_prefixes,
            bfd_ms,
        )
        _check_peer(f"{here}: {other.name}", said)
        before = self.bgp_peers

        def undo() -> None:
            self.bgp_peers = before

        with taken_or_undone(self.listener, undo):
            self.bgp_peers = before | {other: said}

    def bgp_options(
        self,
        *,
        aggregates: object = (),
        summary_only: bool = True,
        paths: int | None = None,
        graceful_restart: bool = False,
        compare_med: bool = False,
    ) -> None:
        """Say how this router's BGP works for all of its peers.

        ``aggregates`` are networks that it tells of, each as soon as it has a part of it, and
        with ``summary_only`` in place of the parts.  ``paths`` is how many equally good
        ways it uses at once, up to 64, of one neighbouring AS or several (ECMP); one by default.
        With ``graceful_restart`` its peers go on sending to it while its daemon starts anew
        (RFC 4724).  ``compare_med`` compares MEDs of different neighbouring AS too.

        Saying it again replaces all that was said before.  In a lab that runs it is done at
        once; the router's daemon starts anew.  Raises `TopologyError` where the router does
        not speak BGP, or a value cannot be; nothing has changed then.

        Sources: RFC 4271 section 9.2.2.2 (aggregates) and 9.1.2.2 (MEDs), RFC 4724.

        >>> leaf.bgp_options(paths=4)
        >>> isp.bgp_options(aggregates=["10.0.0.0/8"])

        """
        here = f"router {self.name}: bgp_options()"
        refuse_other_protocol(self.name, self.protocols, "bgp", "BGP", self.vrfs)
        check_flag(f"{here}: summary_only", summary_only, TopologyError)
        check_flag(f"{here}: graceful_restart", graceful_restart, TopologyError)
        check_flag(f"{here}: compare_med", compare_med, TopologyError)
        if paths is not None and not is_whole(paths, 1, 64):
            raise TopologyError(f"{here}: paths={shown(paths)} is no whole number from 1 to 64")
        given = aggregates if is_list(aggregates) else [aggregates]
        found = tuple(_aggregate(here, item) for item in given)
        options = BgpOptions(found, summary_only, paths, graceful_restart, compare_med)
        before = self.bgp_router

        def undo() -> None:
            self.bgp_router = before

        with taken_or_undone(self.listener, undo):
            self.bgp_router = options


def _check_peer(here: str, said: PeerSettings) -> None:
    check_policy(here, "receive", said.receive)
    check_policy(here, "send", said.send)
    check_password(here, said.password, _MOST_KEY)
    check_bfd(here, said.bfd_ms)
    for name in ("client", "remove_private_as"):
        check_flag(f"{here}: {name}", getattr(said, name), TopologyError)
    if said.next_hop_self is not None:
        check_flag(f"{here}: next_hop_self", said.next_hop_self, TopologyError)
    if not isinstance(said.default, RouteMap):
        check_flag(f"{here}: default", said.default, TopologyError)
    check_whole(here, "allow_own_as", said.allow_own_as, 0, 10)
    check_whole(here, "max_prefixes", said.max_prefixes, 1, 2**32 - 1)
    check_whole(here, "keepalive_s", said.keepalive_s, 1, 65535)
    # RFC 4271 section 4.2: a hold time is three seconds at least.
    check_whole(here, "hold_s", said.hold_s, 3, 65535)
    if said.keepalive_s and not said.hold_s:
        raise TopologyError(f"{here}: keepalive_s={said.keepalive_s} goes with hold_s=: say both")
    if said.hold_s and said.keepalive_s and said.hold_s < said.keepalive_s:
        raise TopologyError(
            f"{here}: hold_s={said.hold_s} ends the session before the next keepalive, which "
            f"comes after {said.keepalive_s} s; three times that is usual"
        )


def _aggregate(here: str, item: Any) -> Network:
    try:
        if not isinstance(item, str):
            raise ValueError
        return network_from(item)
    except ValueError:
        raise TopologyError(
            f'{here}: {shown(item)} in aggregates= is no network; write one as in "10.0.0.0/8"'
        ) from None
