"""Routes that BGP will find: which networks each router hears of, under the policies of all.

Pure.  Routers tell their peers of their best routes, policies choose and change them, peers
choose again, until nothing changes.  So a lab knows which networks somebody hides on purpose,
and waits for the others only.  How long that takes in a real network, and which of two equal
ways wins by the order of messages, is not asked here.

"""

# RFC 4271: section 9.1 is the decision process, 9.2 what is told; RFC 4456 reflection; RFC 1997
# well-known communities.

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import NamedTuple

from playground.model.addresses import Network
from playground.model.records import dataclass
from playground.model.routing.bgp import PeerSettings
from playground.model.routing.policy import (
    Clause,
    Permit,
    PrefixList,
    RoutePolicy,
    as_python_pattern,
    covers,
)

_PREFERENCE = 100
_OWN_WEIGHT = 32768  # FRR's, of what a router tells of itself

# Policies may disagree so that no choice lasts (RFC 4264); nobody is asked more often.
_MOST_TURNS = 60


@dataclass(frozen=True)
class BgpRoute:
    """A way to a network as one router knows it; ``peer`` has told it, "" for its own."""

    network: Network
    as_path: tuple[int, ...] = ()
    peer: str = ""
    inner: bool = False
    from_client: bool = False
    local_preference: int = _PREFERENCE
    metric: int = 0
    weight: int = 0
    communities: frozenset[str] = frozenset()


class PeerSide(NamedTuple):
    """One router's side of its sessions with another, in its own AS where ``inner``."""

    peer: str
    inner: bool
    said: PeerSettings
    default: bool = False


class BgpSpeaker(NamedTuple):
    """A router as its peers know it: ``networks`` are those that it tells of by itself."""

    as_number: int
    networks: tuple[Network, ...]
    sessions: tuple[PeerSide, ...]
    aggregates: tuple[Network, ...] = ()
    summary_only: bool = True
    compare_med: bool = False


class Heard(NamedTuple):
    """Networks that a router hears of in a greater one only, and those that it does not."""

    covered: tuple[Network, ...]
    withheld: tuple[Network, ...]


def has_policies(speakers: Iterable[BgpSpeaker]) -> bool:
    """Whether anything was said by which a router could miss a network."""
    return any(
        one.aggregates
        or any(
            said.receive or said.send or said.client or said.max_prefixes
            for said in (session.said for session in one.sessions)
        )
        for one in speakers
    )


def what_is_heard(speakers: Mapping[str, BgpSpeaker], version: int) -> dict[str, Heard]:
    """Return, for each router, what it does not hear of as it is.

    A network of which policies agree on no choice counts as one that nobody hears of.

    """
    own = dict.fromkeys(net for one in speakers.values() for net in one.networks)
    tables: dict[str, dict[Network, BgpRoute]] = {name: {} for name in speakers}
    for network in own:
        _spread(speakers, network, tables, _origins(speakers, network))
    aggregates = {net for one in speakers.values() for net in one.aggregates}
    for network in sorted(aggregates, key=lambda one: -one.prefixlen):
        origins = [
            name
            for name, one in speakers.items()
            if network in one.aggregates
            and any(net != network and covers(network, net) for net in tables[name])
        ]
        _spread(speakers, network, tables, origins)
    everything = ip_network("0.0.0.0/0" if version == 4 else "::/0")
    _spread(speakers, everything, tables, ())
    found = {}
    for name, table in tables.items():
        missing = [network for network in own if network not in table]
        greater = {network for network in table if network in aggregates or not network.prefixlen}
        covered = [one for one in missing if any(covers(net, one) for net in greater)]
        withheld = [one for one in missing if one not in covered]
        found[name] = Heard(tuple(covered), tuple(withheld))
    return found


def _origins(speakers: Mapping[str, BgpSpeaker], network: Network) -> list[str]:
    return [name for name, one in speakers.items() if network in one.networks]


def _spread(
    speakers: Mapping[str, BgpSpeaker],
    network: Network,
    tables: Mapping[str, dict[Network, BgpRoute]],
    origins: Iterable[str],
) -> None:
    """Put into tables the route that each router chooses to a network."""
    heard: dict[str, dict[str, BgpRoute]] = {name: {} for name in speakers}
    best: dict[str, BgpRoute] = {name: BgpRoute(network, weight=_OWN_WEIGHT) for name in origins}
    turns = dict.fromkeys(speakers, 0)
    # Who tells of a default route need not have one.
    waiting = deque(best if network.prefixlen else speakers)
    while waiting:
        name = waiting.popleft()
        turns[name] += 1
        if turns[name] > _MOST_TURNS:
            return
        for session in speakers[name].sessions:
            other = session.peer
            told = _told(speakers[name], session, best.get(name), network)
            taken = None if told is None else _taken(speakers[other], name, told)
            if taken == heard[other].get(name):
                continue
            if taken is None:
                del heard[other][name]
            else:
                heard[other][name] = taken
            before = best.get(other)
            if before is not None and not before.peer:
                continue  # its own
            after = _choose(speakers[other], heard[other].values())
            if after != before:
                if after is None:
                    del best[other]
                else:
                    best[other] = after
                if other not in waiting:
                    waiting.append(other)
    for name, route in best.items():
        tables[name][network] = route


def _told(
    speaker: BgpSpeaker, session: PeerSide, route: BgpRoute | None, network: Network
) -> BgpRoute | None:
    """Return a route as a router tells a peer of it; None if it does not."""
    said = session.said
    if not network.prefixlen and (session.default or said.default is True):
        return _prepended(speaker, session, BgpRoute(network))
    if route is None or route.peer == session.peer:
        return None
    if session.inner and route.inner and not (route.from_client or said.client):
        return None
    if speaker.summary_only and any(
        covers(one, network) and one != network for one in speaker.aggregates
    ):
        return None
    if "no-advertise" in route.communities:
        return None
    if not session.inner:
        if route.communities & {"no-export", "local-AS"}:
            return None
        route = dataclasses.replace(route, metric=0)
    changed = apply_policy(said.send, route, speaker.as_number)
    return None if changed is None else _prepended(speaker, session, changed)


def _prepended(speaker: BgpSpeaker, session: PeerSide, route: BgpRoute) -> BgpRoute:
    if session.inner:
        return route
    path = route.as_path
    if session.said.remove_private_as:
        path = tuple(number for number in path if not _is_private(number))
    return dataclasses.replace(
        route, as_path=(speaker.as_number, *path), local_preference=_PREFERENCE
    )


def _is_private(number: int) -> bool:
    return 64512 <= number <= 65534 or 4200000000 <= number <= 4294967294  # RFC 6996


def _taken(speaker: BgpSpeaker, teller: str, route: BgpRoute) -> BgpRoute | None:
    """Return a route as a router takes it from a peer; None if it does not."""
    session = next((one for one in speaker.sessions if one.peer == teller), None)
    if session is None or route.as_path.count(speaker.as_number) > session.said.allow_own_as:
        return None
    taken = dataclasses.replace(
        route, peer=teller, inner=session.inner, from_client=session.said.client, weight=0
    )
    return apply_policy(session.said.receive, taken, speaker.as_number)


def _choose(speaker: BgpSpeaker, routes: Iterable[BgpRoute]) -> BgpRoute | None:
    """Return the best of several ways."""
    best: BgpRoute | None = None
    for route in sorted(routes, key=lambda one: one.peer):
        if best is None or _is_better(speaker, route, best):
            best = route
    return best


def _is_better(speaker: BgpSpeaker, one: BgpRoute, other: BgpRoute) -> bool:
    near = speaker.compare_med or one.as_path[:1] == other.as_path[:1]
    mine, its = (
        (-way.weight, -way.local_preference, len(way.as_path), way.metric * near, way.inner)
        for way in (one, other)
    )
    return mine < its


def apply_policy(policy: RoutePolicy | None, route: BgpRoute, as_number: int) -> BgpRoute | None:
    """Return what a policy makes of a route; None if it does not let it pass.

    >>> some = RouteMap("some", Permit(set_local_preference=200))
    >>> apply_policy(some, BgpRoute(ip_network("10.1.0.0/16")), 65001).local_preference
    200

    """
    if policy is None:
        return route
    if isinstance(policy, PrefixList):
        return route if policy.passes(route.network) else None
    for clause in policy.clauses:
        if _fits(clause, route):
            return _changed(clause, route, as_number) if isinstance(clause, Permit) else None
    return None


def _fits(clause: Clause, route: BgpRoute) -> bool:
    if clause.prefix_list is not None and not clause.prefix_list.passes(route.network):
        return False
    if clause.community and not route.communities.intersection(clause.community):
        return False
    if clause.as_path is not None:
        path = " ".join(map(str, route.as_path))
        if not re.search(as_python_pattern(clause.as_path), path):
            return False
    return clause.tag is None


def _changed(clause: Permit, route: BgpRoute, as_number: int) -> BgpRoute:
    communities = route.communities
    if clause.set_community:
        communities = frozenset(clause.set_community)
    communities |= frozenset(clause.add_community)
    preference, metric, weight = (
        was if said is None else said
        for said, was in (
            (clause.set_local_preference, route.local_preference),
            (clause.set_metric, route.metric),
            (clause.set_weight, route.weight),
        )
    )
    return dataclasses.replace(
        route,
        as_path=(as_number,) * clause.prepend + route.as_path,
        communities=communities,
        local_preference=preference,
        metric=metric,
        weight=weight,
    )
