"""Checks of addresses and routes, as a node's kernel has them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import WITHIN_S, Checking, wait
from playground.operations.diagnosis.evidence.network_state import NodeState, read_states
from playground.operations.network import Machine
from playground.planning.route_rows import Route


def has_address(
    checks: Checking,
    node: Node | str,
    address: str,
    *,
    interface: str | None = None,
    within_s: float = WITHIN_S,
) -> str:
    """Check that a node's kernel has an address; return the interface that has it.

    With a prefix length, as in "10.0.1.5/24", that counts too; without, any will do.

    >>> lab.check.has_address(h1, "192.168.1.2/24", interface="eth0")
    'eth0'

    """
    machine, wanted = checks._machine(node), _address(address)
    there = wait(lambda: _with(machine, wanted, interface), bool, within_s)
    if not there:
        raise CheckFailed(
            f"{machine.name} should have the address {wanted}"
            f"{f' at {interface}' if interface else ''}, and does not: {_said(machine)}."
        )
    return there[0]


def has_no_address(
    checks: Checking, node: Node | str, address: str, *, within_s: float = WITHIN_S
) -> None:
    """Check that a node's kernel does not have an address; without a prefix length, with none.

    >>> lab.check.has_no_address(h1, "192.168.1.99")

    """
    machine, wanted = checks._machine(node), _address(address)
    there = wait(lambda: _with(machine, wanted, None), lambda found: not found, within_s)
    if there:
        raise CheckFailed(
            f"{machine.name} should not have the address {wanted}, and has it at {there[0]}."
        )


def has_route(
    checks: Checking,
    node: Node | str,
    destination: str,
    *,
    via: Node | str | Sequence[Node | str] | None = None,
    interface: str | None = None,
    protocol: str | None = None,
    table: str = "main",
    within_s: float = WITHIN_S,
) -> Route:
    """Check that a node's kernel has a route to just this prefix, or "default"; return it.

    ``via`` is the gateway, an address or a node, or several of which each must be a next hop;
    ``interface`` the one that it leaves by; ``protocol`` who made it: "static", "kernel", "ospf",
    "bgp" and so on.

    >>> route = lab.check.has_route(h1, "default", via=modem)

    """
    machine, prefix = checks._machine(node), _prefix(destination)
    hops = [via] if via is None or isinstance(via, str) or not isinstance(via, Sequence) else via
    gateways = [None if one is None else checks._addresses(one) for one in hops]

    def look() -> list[Route]:
        return [one for one in _state(machine).routes if str(one.destination) in prefix]

    def fits(found: list[Route]) -> bool:
        mine = [
            one
            for one in found
            if one.table == table
            and interface in (None, one.interface)
            and protocol in (None, one.protocol)
        ]
        return bool(mine) and all(
            wanted is None or any(str(one.via) in wanted for one in mine) for wanted in gateways
        )

    found = wait(look, fits, within_s)
    if not fits(found):
        said = [f"via {_names(hops)}"] if via is not None else []
        said += [f"dev {interface}"] if interface else []
        said += [f"proto {protocol}"] if protocol else []
        said += [f"table {table}"] if table != "main" else []
        how = " ".join([destination, *said])
        has = "; ".join(f"{' '.join(one.hop())} proto {one.protocol}" for one in found)
        raise CheckFailed(
            f"{machine.name} should have a route to {how}, and "
            + (f"has it so: {has}." if found else f"has none: {_others(machine)}.")
        )
    return next(one for one in found if one.table == table)


def has_no_route(
    checks: Checking, node: Node | str, destination: str, *, within_s: float = WITHIN_S
) -> None:
    """Check that a node's kernel has no route to just this prefix, in any table.

    >>> lab.check.has_no_route(www, "192.168.1.0/24")

    """
    machine, prefix = checks._machine(node), _prefix(destination)

    def look() -> list[Route]:
        return [one for one in _state(machine).routes if str(one.destination) in prefix]

    found = wait(look, lambda routes: not routes, within_s)
    if found:
        raise CheckFailed(
            f"{machine.name} should have no route to {destination}, and has one: "
            f"{' '.join(found[0].hop())} proto {found[0].protocol}."
        )


def _state(machine: Machine) -> NodeState:
    live = machine.running()
    found = read_states(live.agent, {machine.name: live.pid}, with_connections=False)
    return found[machine.name]


def _with(machine: Machine, wanted: str, interface: str | None) -> list[str]:
    """Return the interfaces that have an address."""
    return [
        one.name
        for one in _state(machine).interfaces
        if interface in (None, one.name)
        and any(wanted in (has.address, has.ip) for has in one.addresses)
    ]


def _said(machine: Machine) -> str:
    has = [
        f"{one.name} {', '.join(item.address for item in one.addresses)}"
        for one in _state(machine).interfaces
        if one.addresses and one.name != "lo"
    ]
    return f"it has {'; '.join(has)}" if has else "it has none"


def _others(machine: Machine) -> str:
    ways = [str(one.destination) for one in _state(machine).routes if one.table == "main"]
    return f"it has {', '.join(dict.fromkeys(ways))}" if ways else "its table is empty"


def _address(text: object) -> str:
    """Return an address, with its prefix length where it has one."""
    try:
        if isinstance(text, str):
            return str(ip_interface(text)) if "/" in text else str(ip_address(text))
    except ValueError:
        pass
    raise BadArgument(f'{shown(text)} is no address; write for example "10.0.1.5/24"')


def _prefix(text: object) -> tuple[str, ...]:
    """Return a prefix as the kernel writes it; "default" is that of both families."""
    if text == "default":
        return ("0.0.0.0/0", "::/0")
    try:
        if isinstance(text, str):
            return (str(ip_network(text)),)
    except ValueError:
        pass
    raise BadArgument(
        f'{shown(text)} is no prefix of a network; write for example "10.0.3.0/24", or "default"'
    )


def _names(hops: Sequence[Any]) -> str:
    return ", ".join(str(getattr(one, "name", one)) for one in hops)
