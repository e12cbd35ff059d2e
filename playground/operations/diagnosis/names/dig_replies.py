"""Replies of name servers, as dig(1) prints them: read, and asked for on a node."""

from __future__ import annotations

import re

from playground.errors import CommandTimeout, TooMuchOutput
from playground.model.records import dataclass
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node

# One that is there answers in milliseconds; a slow link may take some hundred.
PATIENCE_S = 2

_STATUS = re.compile(r"^;; ->>HEADER<<- opcode: QUERY, status: (\w+)", re.M)
_FLAGS = re.compile(r"^;; flags:([ a-z]*);", re.M)
# RFC 8914: what else there is to say, as "; EDE: 6 (DNSSEC Bogus): (signature expired)".
_EXTENDED = re.compile(r"^; EDE: \d+ \((.*)$", re.M)


@dataclass(frozen=True)
class DnsRecord:
    """One record of a reply; names have their last dot."""

    name: str
    type: str
    data: str


@dataclass(frozen=True)
class DnsReply:
    """A name server's reply: its status, such as "NOERROR" or "NXDOMAIN", and its records.

    ``authority`` says whether it answers for its own zone (AA).  ``extended`` are the
    words by which a resolver explains a failure.

    """

    status: str
    authority: bool = False
    answers: tuple[DnsRecord, ...] = ()
    referrals: tuple[DnsRecord, ...] = ()
    additional: tuple[DnsRecord, ...] = ()
    extended: str = ""


def read_reply(text: str) -> DnsReply | None:
    """Return the reply in what dig prints; None where it got none."""
    status, flags = _STATUS.search(text), _FLAGS.search(text)
    if status is None or flags is None:
        return None
    extended = "; ".join(_plain(found) for found in _EXTENDED.findall(text))
    return DnsReply(
        status[1],
        "aa" in flags[1].split(),
        _section(text, "ANSWER"),
        _section(text, "AUTHORITY"),
        _section(text, "ADDITIONAL"),
        extended,
    )


def _plain(words: str) -> str:
    """Return "DNSSEC Bogus: expired" for "DNSSEC Bogus): (expired)"."""
    return words.replace("): (", ": ").rstrip(")")


def _section(text: str, name: str) -> tuple[DnsRecord, ...]:
    _, found, rest = text.partition(f";; {name} SECTION:\n")
    lines = rest.partition("\n\n")[0].splitlines() if found else []
    records = []
    for line in lines:
        # NAME TTL CLASS TYPE DATA
        words = line.split(None, 4)
        if len(words) == 5 and not line.startswith(";"):
            records.append(DnsRecord(words[0].lower(), words[3], words[4]))
    return tuple(records)


def ask(
    node: Node, server: str, name: str, kind: str = "A", recursion: bool = False
) -> DnsReply | None:
    """Let a node ask a name server; None where no answer comes."""
    words = ["dig", f"@{server}", f"+time={PATIENCE_S}", "+tries=1", "+nocookie", "-q", name]
    words += ["-t", kind, "+recurse" if recursion else "+norecurse"]
    try:
        result = run(node, words, check=False, timeout_s=PATIENCE_S + 8)
    except (CommandTimeout, TooMuchOutput):
        return None
    return read_reply(result.stdout)
