"""The way of a name from the root down: which server of which zone said what.

`follow` asks as a resolver does (RFC 1034 section 5.3.3), but all servers of each zone, and
remembers nothing.  It knows no network: whoever calls it says how a server is asked.

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from playground.model.records import dataclass
from playground.model.services.dns_records import lies_in
from playground.operations.diagnosis.names.dig_replies import DnsRecord, DnsReply

# Names in use are less deep; servers that send round in a circle are left then.
_MOST_ZONES = 12
_MOST_SERVERS = 6


class Ask(Protocol):
    """A question to a name server, or with ``recursion`` to a resolver."""

    def __call__(
        self, server: str, name: str, kind: str = "A", recursion: bool = False
    ) -> DnsReply | None: ...


@dataclass(frozen=True)
class ServerAsked:
    """One server of a zone: the name and address that the zone above gave, and what it said.

    ``address`` is None for a server whose address nobody knows; ``reply`` where none came.

    """

    name: str
    address: str | None
    reply: DnsReply | None


@dataclass(frozen=True)
class ZoneAsked:
    """One zone on the way of a name, and its servers."""

    zone: str
    servers: tuple[ServerAsked, ...]

    @property
    def referral(self) -> tuple[DnsRecord, ...]:
        """The NS records by which its servers send on to a zone below; empty for none."""
        for server in self.servers:
            reply = server.reply
            if reply is not None and reply.status == "NOERROR" and not reply.answers:
                found = tuple(
                    record
                    for record in reply.referrals
                    if record.type == "NS" and is_below(record.name, self.zone)
                )
                if found:
                    return found
        return ()


@dataclass(frozen=True)
class NameTree:
    """All that was found out about a name: its zones from the root, what the resolver said."""

    name: str
    resolver: str
    zones: tuple[ZoneAsked, ...]
    resolved: DnsReply | None


def is_below(name: str, zone: str) -> bool:
    """Tell whether a zone lies below another, and is not the same."""
    return name != zone and lies_in(name, zone)


def follow(
    ask: Ask, name: str, resolver: str, root: Sequence[tuple[str, str]], kind: str = "A"
) -> NameTree:
    """Follow a name from the root servers, given as names and addresses, down.

    ``resolver`` is the address of the one that hosts ask, which is asked as well.

    """
    name = f"{name.lower().rstrip('.')}."
    resolved = ask(resolver, name, kind, recursion=True)
    zones: list[ZoneAsked] = []
    zone, servers = ".", [(server, address) for server, address in root]
    known: list[tuple[str, str | None]] = [*servers]
    while len(zones) < _MOST_ZONES:
        asked = tuple(
            ServerAsked(server, address, None if address is None else ask(address, name, kind))
            for server, address in known[:_MOST_SERVERS]
        )
        zones.append(ZoneAsked(zone, asked))
        referral = zones[-1].referral
        below = [record for record in referral if lies_in(name, record.name)]
        if not below:
            break
        zone = below[0].name
        glue = _glue(asked)
        known = []
        for record in below:
            addresses = glue.get(record.data.lower())
            known += [(record.data, address) for address in addresses or ()]
            if not addresses:
                known.append((record.data, _address(ask, resolver, record.data, zone)))
    return NameTree(name, resolver, tuple(zones), resolved)


def _glue(asked: Sequence[ServerAsked]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for server in asked:
        for record in server.reply.additional if server.reply else ():
            if record.type in ("A", "AAAA"):
                addresses = found.setdefault(record.name, [])
                if record.data not in addresses:
                    addresses.append(record.data)
    return found


def _address(ask: Ask, resolver: str, server: str, zone: str) -> str | None:
    """Return the address of a server without glue; one in the zone itself can have none."""
    if lies_in(server.lower(), zone):
        return None
    reply = ask(resolver, server, "A", recursion=True)
    return next((item.data for item in reply.answers if item.type == "A"), None) if reply else None
