"""Name servers asked from a node whose image may have no program that asks them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from ipaddress import ip_address

from playground.model.services.dns_records import question
from playground.operations.connection.handles import Node

# RFC 1035 section 3.2.2 and RFC 3596: A and AAAA.
_KINDS = (1, 28)
# resolv.conf(5), MAXNS; each is asked once.
_MOST_SERVERS = 3
_PATIENCE_S = 1.0


def ask_names(node: Node, name: str, servers: Sequence[str]) -> list[str]:
    """Return the addresses that name servers give for a name, those of IPv4 first; [] for none.

    ``servers`` are asked in their order, from the node's own network, until one answers: at
    most three, for a second each.

    """
    live = node.running()
    asked = [_query(number, name, kind) for number, kind in enumerate(_KINDS)]
    valid = [server for server in servers if _is_address(server)][:_MOST_SERVERS]
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


def _is_address(text: str) -> bool:
    try:
        return ip_address(text).version in (4, 6) and "%" not in text
    except ValueError:
        return False
