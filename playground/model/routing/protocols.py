"""The routing protocol of a router: its name, its AS number, whose routes it tells of.

Checked the moment it is said, like all declarations; what the daemons are told
is `planning.routing`'s to decide.

"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from playground.display.local_files import read_text
from playground.errors import TopologyError, TransferFailed
from playground.model.arguments import check_text
from playground.model.routing.policy import RouteMap, as_route_map, check_policy

# Those that a daemon speaks; the service of the same name runs it.
DYNAMIC = ("ospf", "isis", "rip", "bgp")

_DECLARE = ", ".join(f'"{name}"' for name in DYNAMIC[:-1]) + f' or "{DYNAMIC[-1]}"'

# Whose routes a router can tell its neighbours of, in FRR's words.
REDISTRIBUTED = ("connected", "kernel", "static", *DYNAMIC)
# And a default route, whether it has one or not.
DEFAULT_ROUTE = "default"

# Of what a router may be told in FRR's words: a full BGP policy has some 100 kB.
_MOST_FRR_BYTES = 4 << 20

# RFC 6996: numbers that are nobody's, for those who did not ask for one.
FIRST_PRIVATE_AS = 64512
# RFC 7607 keeps 0, RFC 7300 the last, RFC 4893 section 3 the stand-in AS_TRANS.
_LAST_AS = 2**32 - 2
_AS_TRANS = 23456


def check_routing(router: str, routing: object) -> str | tuple[str, ...] | None:
    """Return a router's ``routing=`` if there is such a thing: a tuple of several protocols."""
    if routing is None or routing == "static" or routing in DYNAMIC:
        return routing
    if isinstance(routing, (list, tuple)) and routing and all(one in DYNAMIC for one in routing):
        several = tuple(dict.fromkeys(routing))
        return several if len(several) > 1 else several[0]
    raise TopologyError(
        f'router {router}: routing={routing!r} is not known; use routing="static" '
        f"for routes computed by the lab, {_DECLARE} for a protocol that finds them, several of "
        f'these as in routing=("ospf", "bgp"), or routing=None for none'
    )


def dynamic(routing: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the protocols among what a router's ``routing=`` says.

    >>> dynamic("ospf"), dynamic("static")
    (('ospf',), ())

    """
    said = routing if isinstance(routing, tuple) else (routing,)
    return tuple(one for one in said if one in DYNAMIC)


def refuse_other_protocol(
    router: str,
    protocols: tuple[str, ...],
    protocol: str,
    called: str,
    vrfs: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Refuse what is said of a protocol that a router does not speak, not in a VRF either."""
    if protocol not in (*protocols, *(vrf.routing for vrf in vrfs.values())):
        spoken = "none" if not protocols else " and ".join(map(repr, protocols))
        raise TopologyError(
            f"router {router} does not speak {called}: its routing protocol is {spoken}; "
            f'declare it with routing="{protocol}"'
        )


def check_as_number(
    router: str, routing: str | tuple[str, ...] | None, number: object
) -> int | None:
    """Return the number of a router's autonomous system; None where the lab shall choose."""
    if number is None:
        return None
    if "bgp" not in dynamic(routing):
        raise TopologyError(
            f"router {router}: as_number={number!r} is for BGP, and this router's routing is "
            f'{routing!r}; write routing="bgp", or leave the number out'
        )
    if (
        isinstance(number, bool)
        or not isinstance(number, int)
        or not 1 <= number <= _LAST_AS
        or number == _AS_TRANS
    ):
        raise TopologyError(
            f"router {router}: as_number={number!r} is no number of an autonomous system; choose "
            f"one from 64512 to 65534, which are kept for private use (RFC 6996)"
        )
    return number


class Redistributed(NamedTuple):
    """A source of routes that a protocol tells of, by a policy or all of them."""

    source: str
    policy: RouteMap | None = None


# What each protocol of a router tells of, by the protocol; None where the lab shall choose.
Redistribute = Mapping[str, tuple[Redistributed, ...]]


def check_redistribute(
    router: str, routing: str | tuple[str, ...] | None, value: object
) -> Redistribute | None:
    """Return whose routes each protocol of a router tells of, and by which policies.

    None where the lab shall choose for all.

    """
    if value is None:
        return None
    protocols = dynamic(routing)
    if not protocols:
        raise TopologyError(
            f"router {router}: redistribute={value!r} is for a routing protocol, and this "
            f"router's routing is {routing!r}; write routing={_DECLARE}, or leave it out"
        )
    if len(protocols) > 1:
        if not isinstance(value, Mapping) or not all(one in protocols for one in value):
            raise TopologyError(
                f"router {router}: redistribute={value!r} is not known; a router of several "
                f"protocols says for each what it tells of, as in redistribute="
                f'{{"{protocols[0]}": ["{protocols[1]}"], "{protocols[1]}": []}}'
            )
        return {one: _sources(router, one, said) for one, said in value.items()}
    return {protocols[0]: _sources(router, protocols[0], value)}


def redistribute_argument(said: Redistribute, protocols: tuple[str, ...]) -> Any:
    """Return what `check_redistribute` has read of a router of these protocols, as it is written.

    >>> redistribute_argument({"ospf": (Redistributed("kernel"),)}, ("ospf",))
    ['kernel']

    """
    found: dict[str, Any] = {}
    for protocol, sources in said.items():
        words = {one.source: one.policy for one in sources}
        found[protocol] = words if any(words.values()) else list(words)
    return found if len(protocols) > 1 else found[protocols[0]]


def _sources(router: str, protocol: str, value: object) -> tuple[Redistributed, ...]:
    known = [word for word in (*REDISTRIBUTED, DEFAULT_ROUTE) if word != protocol]
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple, Mapping)) or not all(word in known for word in given):
        raise TopologyError(
            f"router {router}: redistribute={value!r} is not known; name what its neighbours shall "
            f"hear of too, one or more of {', '.join(map(repr, known))}, or () for nothing"
        )
    found = {}
    for word in given:
        policy = given[word] if isinstance(given, Mapping) else None
        if policy is not None and word == DEFAULT_ROUTE:
            raise TopologyError(
                f'router {router}: redistribute= takes no policy for "default", which is one route'
            )
        policy = check_policy(f"router {router}: redistribute", word, policy)
        found[word] = Redistributed(word, None if policy is None else as_route_map(policy))
    return tuple(found.values())


def check_frr(router: str, frr: object, routing: Any, as_number: object) -> str | None:
    """Return the text of a router's ``frr=``, read from its file where a path is given."""
    if frr is None:
        return None
    if routing in DYNAMIC or isinstance(routing, (list, tuple)):
        raise TopologyError(
            f"router {router}: frr= says all of its routing, and routing={routing!r} would have "
            f"the lab write settings too; leave one of the two out"
        )
    if as_number is not None:
        raise TopologyError(
            f'router {router}: with frr= the number of its system stands there, as in "router bgp '
            f'{as_number}"; leave as_number out'
        )
    return read_frr(router, "frr=", frr)


def read_frr(router: str, what: str, given: object) -> str:
    """Return a text in FRR's words, read from its file where a path is given.

    ``what`` is the argument that has it, as in "frr=".

    """
    if isinstance(given, os.PathLike):
        try:
            text = read_text(Path(given), _MOST_FRR_BYTES)
        except TransferFailed as error:
            raise TopologyError(f"router {router}: {what}: {error}") from error
    elif isinstance(given, str):
        text = given
        if text.endswith((".conf", ".cfg", ".txt")) and len(text.split()) == 1:
            raise TopologyError(
                f"router {router}: {what}{text!r} is read as a line for FRR, and looks like a "
                f"file's name; for the file write {what}Path({text!r})"
            )
    else:
        raise TopologyError(
            f"router {router}: {what} is a text in FRR's own words or the Path of such a file, "
            f"not {given!r}"
        )
    check_text(f"router {router}: what {what} has", text, TopologyError)
    if len(text) > _MOST_FRR_BYTES or "\0" in text:
        raise TopologyError(f"router {router}: what {what} has is no text that FRR could read")
    return text
