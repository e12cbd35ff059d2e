"""The routing protocol of a router: its name, its AS number, whose routes it tells of.

Checked the moment it is said, like all declarations; what the daemons are told
is `planning.routing`'s to decide.

"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from playground.display.local_files import read_text
from playground.errors import TopologyError, TransferFailed
from playground.model.arguments import check_text
from playground.model.routing.policy import RouteMap, as_route_map, check_policy

# Those that a daemon speaks; the service of the same name runs it.
DYNAMIC = ("ospf", "rip", "bgp")

# Whose routes a router can tell its neighbours of, in FRR's words.
REDISTRIBUTED = ("connected", "kernel", "static", *DYNAMIC)

# Of what a router may be told in FRR's words: a full BGP policy has some 100 kB.
_MOST_FRR_BYTES = 4 << 20

# RFC 6996: numbers that are nobody's, for those who did not ask for one.
FIRST_PRIVATE_AS = 64512
# RFC 7607 keeps 0, RFC 7300 the last, RFC 4893 section 3 the stand-in AS_TRANS.
_LAST_AS = 2**32 - 2
_AS_TRANS = 23456


def check_routing(router: str, routing: object) -> str | None:
    """Return a router's ``routing=`` if there is such a thing."""
    if routing is None or routing == "static" or routing in DYNAMIC:
        return routing
    raise TopologyError(
        f'router {router}: routing={routing!r} is not known; use routing="static" '
        f'for routes computed by the lab, "ospf", "rip" or "bgp" for a protocol that finds '
        f"them, or routing=None for none"
    )


def check_as_number(router: str, routing: str | None, number: object) -> int | None:
    """Return the number of a router's autonomous system; None where the lab shall choose."""
    if number is None:
        return None
    if routing != "bgp":
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


def check_redistribute(
    router: str, routing: str | None, value: object
) -> tuple[tuple[str, ...] | None, dict[str, RouteMap]]:
    """Return whose routes a router tells its neighbours of, and by which policies.

    None where the lab shall choose.

    """
    if value is None:
        return None, {}
    if routing not in DYNAMIC:
        raise TopologyError(
            f"router {router}: redistribute={value!r} is for a routing protocol, and this "
            f'router\'s routing is {routing!r}; write routing="ospf", "rip" or "bgp", or leave it '
            f"out"
        )
    known = [word for word in REDISTRIBUTED if word != routing]
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple, Mapping)) or not all(word in known for word in given):
        raise TopologyError(
            f"router {router}: redistribute={value!r} is not known; name what its neighbours shall "
            f"hear of too, one or more of {', '.join(map(repr, known))}, or () for nothing"
        )
    maps = {}
    for word, policy in given.items() if isinstance(given, Mapping) else ():
        if check_policy(f"router {router}: redistribute", word, policy) is not None:
            maps[word] = as_route_map(policy)
    return tuple(dict.fromkeys(given)), maps


def check_frr(router: str, frr: object, routing: object, as_number: object) -> str | None:
    """Return the text of a router's ``frr=``, read from its file where a path is given."""
    if frr is None:
        return None
    if routing in DYNAMIC:
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
