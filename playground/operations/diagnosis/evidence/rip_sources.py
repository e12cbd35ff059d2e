"""Routers that a RIP router has heard: the last table of ripd's and ripngd's status.  Pure."""

# FRR has no JSON of it.  RFC 2453 (RIP), RFC 2080 (RIPng): neither has neighbours or states;
# a router is known as long as its updates are heard.

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.model.records import dataclass

_HEAD = "Routing Information Sources:"
# ripngd writes an address, which may be long, and the numbers on the next line.
# All is bounded, so that no text of a router's takes long.
_ROW = re.compile(
    r"^ {1,8}([0-9a-fA-F:.]{2,45})[ \n]{1,60}(\d{1,10}) {1,20}(\d{1,10}) {1,20}\d{1,3}"
    r" {1,20}([\d:.a-z]{1,15})",
    re.MULTILINE,
)
# A network has no more routers on one link; root of a router writes what it likes.
_MOST = 1000


@dataclass(frozen=True)
class RipSource:
    """A router whose updates were heard; ``updated`` is how long ago, as "00:00:03".

    ``bad_packets`` and ``bad_routes`` count what was wrong in them.

    """

    address: str
    updated: str
    bad_packets: int
    bad_routes: int


def read_sources(status: str | None) -> tuple[RipSource, ...]:
    """Return the routers of ``show ip rip status`` or ``show ipv6 ripng status``.

    >>> read_sources('''  Routing Information Sources:
    ...     Gateway          BadPackets BadRoutes  Distance Last Update
    ...     10.0.1.2                  0         2       120    00:00:03
    ... ''')
    (RipSource(address='10.0.1.2', updated='00:00:03', bad_packets=0, bad_routes=2),)

    """
    _, _, table = (status or "").partition(_HEAD)
    return tuple(source for source, _ in zip(_sources(table), range(_MOST), strict=False))


def _sources(table: str) -> Iterator[RipSource]:
    for address, bad_packets, bad_routes, updated in (
        found.groups() for found in _ROW.finditer(table)
    ):
        yield RipSource(address, updated, int(bad_packets), int(bad_routes))
