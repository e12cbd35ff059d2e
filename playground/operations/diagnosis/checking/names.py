"""Checks of what a name server answers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import shown
from playground.operations.connection import commands
from playground.operations.connection.handles import Node
from playground.operations.connection.name_queries import look_up, servers_of
from playground.operations.diagnosis.checking.looking import WITHIN_S, Checking, wait
from playground.operations.diagnosis.names.dig_replies import DnsReply, ask
from playground.operations.diagnosis.names.wire_replies import ask_from, can_ask
from playground.operations.network import Machine

# As shells have it (POSIX, Shell Command Language, 2.8.2).
_NO_SUCH_COMMAND = 127


def answers(
    checks: Checking,
    node: Node | str,
    name: str,
    kind: str = "A",
    data: str | Sequence[str] | None = None,
    *,
    server: Node | str | None = None,
    status: str = "NOERROR",
    authority: bool | None = None,
    within_s: float = WITHIN_S,
) -> tuple[str, ...]:
    """Check what DNS answers to a node; return the data of the records of that kind.

    ``kind`` is a type of records, such as "A", "MX" or "NS", and ``data`` what they have to be,
    each as dig(1) writes it, in any order, the last dot of a name left out or not.
    ``server`` is who is asked, a node or an address, by default the node's own name server;
    ``status`` is what it says, such as "NXDOMAIN", and ``authority`` whether it
    answers for its own zone.  The agent asks, from the node's own network: no program of the
    node has a say.  Only for rare types, such as "DNSKEY", and for answers that are too long
    for a datagram the node's dig is taken.

    >>> lab.check.answers(h1, "example.com", "MX", "10 mail.example.com.", server=ns)
    ('10 mail.example.com.',)

    """
    if not isinstance(name, str) or not name or not isinstance(kind, str) or not kind.isalnum():
        raise BadArgument(
            f"{shown(name)}, {shown(kind)} is no question: write a name and a type, such as "
            'answers(h1, "www.example.com", "A")'
        )
    machine = checks._machine(node)
    wanted = None if data is None else {_plain(one) for one in _listed(data)}

    def look() -> tuple[str, DnsReply | None]:
        whom = sorted(checks._addresses(server))[:1] if server is not None else servers_of(machine)
        if not whom:
            raise BadArgument(f"{machine.name} has no name server to ask: say server=")
        return whom[0], _ask(machine, whom[0], name, kind.upper())

    def found_in(reply: DnsReply | None) -> tuple[str, ...]:
        if reply is None:
            return ()
        return tuple(one.data for one in reply.answers if one.type == kind.upper())

    def fits(found: tuple[str, DnsReply | None]) -> bool:
        reply = found[1]
        if reply is None or reply.status != status or authority not in (None, reply.authority):
            return False
        there = {_plain(one) for one in found_in(reply)}
        return there == wanted if wanted is not None else bool(there) or status != "NOERROR"

    found = wait(look, fits, within_s)
    if not fits(found):
        whom, reply = found
        should = f"{status}" + (f" with {', '.join(sorted(wanted))}" if wanted else "")
        if authority is not None:
            should += ", with authority" if authority else ", without authority"
        said = "nothing"
        if reply is not None:
            said = reply.status + (", with authority" if reply.authority else "")
            said += f": {', '.join(found_in(reply)) or f'no {kind.upper()}'}"
        raise CheckFailed(
            f"{whom} should answer {machine.name} about {name} {kind.upper()} {should}, and "
            f"answers {said}."
        )
    return found_in(found[1])


def known_addresses(machine: Machine, name: str) -> list[str]:
    """Return what a name means on a node, those first that it has an address of the family for.

    As the agent reads its files and asks its name servers: no program of the node has a say.

    """
    found = look_up(machine, name)
    own = {
        ip_address(one.ip).version
        for item in machine.interfaces.values()
        for one in item.addresses
        if not ip_address(one.ip).is_loopback
    }
    return sorted(found, key=lambda one: ip_address(one).version not in own)


def _ask(machine: Machine, server: str, name: str, kind: str) -> DnsReply | None:
    if can_ask(name, kind):
        reply = ask_from(machine, server, name, kind)
        if reply is None or reply.status != "TRUNCATED":
            return reply
    if commands.run(machine, ["dig", "-v"], check=False).returncode == _NO_SUCH_COMMAND:
        raise BadArgument(
            f"{machine.name} has no dig to ask for {kind} with: let another node ask, or give it "
            'packages=["bind9-dnsutils"]'
        )
    return ask(machine, server, name, kind, recursion=True)


def _listed(data: str | Sequence[str]) -> list[str]:
    found = [data] if isinstance(data, str) else data
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise BadArgument(f'data={shown(data)} is no text, and no list of texts; write "10.0.0.1"')
    return list(found)


def _plain(text: str) -> str:
    """Return data of a record without the last dots of names, in small letters."""
    return " ".join(word.rstrip(".") for word in text.lower().split())
