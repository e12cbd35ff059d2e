"""A filter of packets that were captured: which rows of a table are shown.

It looks at packets as they stand in the table, after they were captured; what libpcap's
language can say (`Host.capture`) is said before.  Terms stand beside each other, and a
packet is shown where all of them hold::

    tcp                  the protocol, or what carries it
    port=80              either port
    host=10.1.1.1        either address; source= and destination= are one side's
    flags=S              flags of TCP, as in the table
    where=h1             the interface at which it was seen
    "Not Found"          text anywhere in the row, in quotes where it has spaces
    -arp  -port=22       not that

"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from playground.errors import BadArgument
from playground.model.records import dataclass
from playground.operations.captures.dissect import CapturedPacket

_MOST_CHARACTERS = 500

Test = Callable[[CapturedPacket, str], bool]

_KEYS: dict[str, Test] = {
    "port": lambda p, text: text in (str(p.source_port), str(p.destination_port)),
    "host": lambda p, text: text in (p.source, p.destination),
    "source": lambda p, text: text in (p.source, p.source_mac),
    "destination": lambda p, text: text in (p.destination, p.destination_mac),
    "flags": lambda p, text: set(text.upper()) <= {word[:1] for word in _flags(p)},
    "where": lambda p, text: text in p.where.lower(),
    "vlan": lambda p, text: text == str(p.vlan),
    "info": lambda p, text: text in p.info.lower(),
    "protocol": lambda p, text: text in (p.protocol.lower(), p.transport.lower()),
}


@dataclass(frozen=True)
class _Term:
    key: str
    text: str
    wanted: bool


class PacketFilter:
    """The terms of one filter; true of every packet where there are none.

    Raises `BadArgument` for a filter that is none.

    ::

        PacketFilter("tcp port=80").matches(packet)

    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._terms = _terms(text)

    def __bool__(self) -> bool:
        return bool(self._terms)

    def matches(self, packet: CapturedPacket) -> bool:
        """Tell whether a packet is shown."""
        return all(_holds(term, packet) == term.wanted for term in self._terms)


def _terms(text: str) -> list[_Term]:
    if len(text) > _MOST_CHARACTERS:
        raise BadArgument(f"this filter has more than {_MOST_CHARACTERS} characters: say less")
    try:
        words = shlex.split(text)
    except ValueError:
        raise BadArgument(
            f'the filter {text!r} has a quote that does not end: write info="Not Found"'
        ) from None
    found = []
    for word in words:
        wanted = not (word.startswith("-") and len(word) > 1)
        word = word if wanted else word[1:]
        # Wireshark writes ==, and so may who comes from there.
        key, equals, value = word.partition("=")
        if not equals:
            found.append(_Term("", word.lower(), wanted))
            continue
        if key not in _KEYS:
            raise BadArgument(
                f"the filter knows no {key!r}: use {', '.join(_KEYS)}, each with = and a value, "
                "or a protocol or text by itself"
            )
        found.append(_Term(key, value.lstrip("=").lower(), wanted))
    return found


def _holds(term: _Term, packet: CapturedPacket) -> bool:
    if term.key:
        return _KEYS[term.key](packet, term.text)
    if term.text in (packet.protocol.lower(), packet.transport.lower()):
        return True
    shown = f"{packet.where} {packet.source} {packet.destination} {packet.protocol} {packet.info}"
    return term.text in shown.lower()


def _flags(packet: CapturedPacket) -> list[str]:
    return packet.flags.upper().replace(",", " ").split()
