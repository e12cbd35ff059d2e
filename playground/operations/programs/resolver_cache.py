"""What a resolver remembers: the cache of an unbound that runs on a node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from playground.display.tables import Table
from playground.errors import BadArgument
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node

_CONTROL = ("unbound-control", "-c", "/etc/unbound/playground.conf")

# enum sec_status of unbound's util/data/packed_rrset.h
_SECURITY = ("unchecked", "bogus", "indeterminate", "insecure", "bogus", "secure")

_RCODES = {2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}  # RFC 1035 section 4.1.1


# Who runs the program may have put another in its place: what has more digits is no number of it.
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class CacheRow:
    """One thing that a resolver remembers: a record, or that there is none.

    ``ttl_s`` is how many seconds it still does.  ``data`` of what does not exist is "NXDOMAIN"
    where the name does not, "NODATA" where it has no such record (RFC 2308).  ``security`` is
    what validation said of it (RFC 4035 section 4.3): "secure", "insecure", "bogus",
    "indeterminate", or "unchecked".

    """

    name: str
    type: str
    data: str
    ttl_s: int
    security: str


def read_cache(node: Node, name: str | None = None) -> Table[CacheRow]:
    """Return what the resolver on a node remembers, of one name alone or of all."""
    text = run(node, [*_CONTROL, "dump_cache"], user="0").stdout
    wanted = None if name is None else _absolute(name)
    return Table(row for row in cache_rows(text) if wanted in (None, row.name))


def flush_cache(node: Node, name: str | None = None) -> None:
    """Let the resolver forget a name and all below it, or everything."""
    zone = "." if name is None else _absolute(name)
    run(node, [*_CONTROL, "flush_zone", zone], user="0")


def _absolute(name: object) -> str:
    if not isinstance(name, str) or not name.isprintable() or " " in name or name.startswith("-"):
        raise BadArgument(f'{shown(name)} is no name; write for example "www.example.com"')
    return f"{name.lower().rstrip('.')}."


def cache_rows(text: str) -> Iterator[CacheRow]:
    """Yield the rows of what ``unbound-control dump_cache`` prints, signatures left out."""
    security = ""
    for line in text.splitlines():
        words = line.split(None, 4)
        if line.startswith(";rrset "):
            # ;rrset TTL COUNT SIGNATURES TRUST SECURITY
            number = line.split()[5:6]
            security = _word(number[0]) if number else ""
        elif line.startswith("msg "):
            if (row := _negative(line.split())) is not None:
                yield row
        elif len(words) == 5 and _NUMBER.fullmatch(words[1]) and words[2] == "IN":
            name, ttl, _, kind, data = words
            if kind != "RRSIG":
                yield CacheRow(name, kind, data, int(ttl), security)


def _negative(words: list[str]) -> CacheRow | None:
    """Return the row of an answer without an answer: msg NAME IN TYPE FLAGS 1 TTL SEC AN NS AR."""
    if len(words) < 9 or not all(_NUMBER.fullmatch(word) for word in (*words[4:5], *words[7:9])):
        return None
    name, kind, flags, ttl, security, answers = (words[n] for n in (1, 3, 4, 6, 7, 8))
    code = int(flags) & 0xF
    if code == 0 and answers != "0":
        return None
    data = _RCODES.get(code, f"RCODE {code}") if code else "NODATA"
    left_s = int(ttl) if _NUMBER.fullmatch(ttl.removeprefix("-")) else 0
    return CacheRow(name, kind, data, left_s, _word(security))


def _word(number: str) -> str:
    known = _NUMBER.fullmatch(number) and int(number) < len(_SECURITY)
    return _SECURITY[int(number)] if known else ""
