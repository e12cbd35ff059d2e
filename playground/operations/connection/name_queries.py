"""Names looked up for a node whose image may have no program that does it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from playground.errors import TransferFailed
from playground.model.services.dns_records import question
from playground.operations.connection import agent_files
from playground.operations.connection.handles import Node

# RFC 1035 section 3.2.2 and RFC 3596: A and AAAA.
_KINDS = (1, 28)
# resolv.conf(5), MAXNS; each is asked once.
_MOST_SERVERS = 3
# MAXDNSRCH before glibc 2.26.
_MOST_DOMAINS = 6
_PATIENCE_S = 1.0
# Of each of a node's two files.
_MOST_BYTES = 1 << 20


def look_up(node: Node, name: str) -> list[str]:
    """Return what a name means on a node, as the agent sees its files and asks from its network.

    The addresses in its /etc/hosts count, or else those that its name servers give; [] for
    nothing.

    """
    known = [
        str(ip_address(address))
        for address, names in hosts_entries(_text(node, "/etc/hosts"))
        if name.lower() in map(str.lower, names) and _is_address(address)
    ]
    if known or _is_address(name):
        return known or [name]
    resolver = _text(node, "/etc/resolv.conf")
    servers = list(server_addresses(resolver))
    for full in names_to_ask(name, resolver):
        labels = full.split(".")
        if not full.isascii() or not all(0 < len(label) <= 63 for label in labels):
            continue
        if found := ask_names(node, full, servers):
            return found
    return []


def servers_of(node: Node) -> list[str]:
    """Return the name servers in a node's resolv.conf(5), as the agent reads it."""
    return list(server_addresses(_text(node, "/etc/resolv.conf")))


def names_to_ask(name: str, resolver: str) -> list[str]:
    """Return the names by which a name is asked for, in their order, by a resolv.conf(5).

    >>> names_to_ask("www", "search example.com lab")
    ['www.example.com', 'www.lab', 'www']
    >>> names_to_ask("www.a.org", "search lab"), names_to_ask("www.", "search lab")
    (['www.a.org', 'www.a.org.lab'], ['www'])

    """
    if name.endswith("."):
        return [name.rstrip(".")]
    domains: list[str] = []
    dots = 1
    for line in resolver.splitlines():
        words = line.split()
        if words[:1] in (["search"], ["domain"]):  # the last one counts
            domains = [word.strip(".") for word in words[1 : 1 + _MOST_DOMAINS]]
        for word in words[1:] if words[:1] == ["options"] else ():
            told = word.removeprefix("ndots:")
            dots = min(int(told), 15) if told != word and told.isdecimal() else dots
    below = [f"{name}.{domain}" for domain in domains if domain]
    return [name, *below] if name.count(".") >= dots else [*below, name]


def hosts_entries(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the address and the names of each line of a hosts file."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1:
            yield words[0], words[1:]


def server_addresses(text: str) -> Iterator[str]:
    """Yield the name servers in a resolv.conf(5), first one first."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and words[1:]:
            yield words[1]


def _text(node: Node, path: str) -> str:
    try:
        return agent_files.read(node, path, _MOST_BYTES).decode(errors="replace")
    except TransferFailed:  # there is none, or no file that anybody would read
        return ""


def ask_names(node: Node, name: str, servers: Sequence[str]) -> list[str]:
    """Return the addresses that name servers give for a name, those of IPv4 first; [] for none.

    ``servers`` are asked in their order, from the node's own network, until one answers: at
    most three, for a second each.

    """
    live = node.running()
    asked = [_query(number, name, kind) for number, kind in enumerate(_KINDS)]
    # RFC 8106 lets routers tell of name servers by their addresses on the link, with a %.
    valid = [server for server in servers if _is_address(server, scoped=True)][:_MOST_SERVERS]
    if not valid:
        return []
    answers = live.agent.call(
        "ask_datagrams",
        pid=live.pid,
        payloads=[base64.b64encode(one).decode() for one in asked],
        servers=valid,
        port=53,
        timeout_s=_PATIENCE_S,
    )
    found = [
        address
        for answer, kind in zip(answers, _KINDS, strict=True)
        if answer is not None
        for address in addresses_in(base64.b64decode(answer), kind)
    ]
    return list(dict.fromkeys(found))


def addresses_in(reply: bytes, kind: int) -> list[str]:
    """Return the addresses of one kind of record (1 for A, 28 for AAAA) in a DNS reply.

    A reply that is none has none: who answers may be hostile.

    """
    import dpkt

    try:
        records = dpkt.dns.DNS(reply).an
        found = [bytes(record.rdata) for record in records if record.type == kind]
        return [str(ip_address(data)) for data in found if len(data) == (4 if kind == 1 else 16)]
    except Exception:  # whatever such bytes make of a parser
        return []


def _query(number: int, name: str, kind: int) -> bytes:
    """Return a query; its first bytes, the message's number, tell the answers apart."""
    return bytes((112, number)) + question(name, kind, recursion=True)[2:]


def _is_address(text: str, *, scoped: bool = False) -> bool:
    try:
        return ip_address(text).version in (4, 6) and (scoped or "%" not in text)
    except ValueError:
        return False
