"""Arguments of `Host`, `Router`, `Switch`, `Link` and `Tunnel`, found back from what they made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from playground.lab.declarations.container_arguments import container_arguments
from playground.lab.declarations.shapes import LinkName, NodeName
from playground.model.kernel.tunnels import KINDS
from playground.model.notation import AUTO
from playground.model.parts import End, LinkBase
from playground.model.routing.protocols import redistribute_argument
from playground.model.topology import Host, Link, Machine, Node, Router, Switch

KIND_OF_NODE: Mapping[type, str] = {Host: "host", Router: "router", Switch: "switch"}

# Attributes of nodes and links that their arguments say; `told` has those that methods say.
BY_ARGUMENTS = frozenset(
    {
        *("name", "frr", "routing", "as_number", "redistribute", "protocols"),
        *("declared_services", "limits", "machine", "container", "own_sysctls", "loopback"),
        *("subnets", "vlans", "qinq", "settings"),
        *("ends", "mtus", "mtu_bytes", "offload", "carried", "tunnel", "vlan", "trunk"),
        *("bond_settings", "members"),
    }
)


def node_kind(node: Node) -> str:
    """Return "host", "router" or "switch"."""
    return next(word for kind, word in KIND_OF_NODE.items() if isinstance(node, kind))


def node_arguments(node: Node) -> dict[str, Any]:
    """Return the arguments, beside its name, with which a node like this is declared.

    >>> node_arguments(Switch("home", subnet="192.168.1.0/24"))
    {'subnet': '192.168.1.0/24'}

    """
    if isinstance(node, Switch):
        vlans = {number: _subnets(subnets) for number, subnets in node.vlans.items()}
        said: dict[str, Any] = {"subnet": _subnets(node.subnets), "vlans": vlans or None}
        said["qinq"] = node.qinq or None
        return _without_none(said) | node.settings.given()
    return _machine_arguments(node)


def _machine_arguments(node: Machine) -> dict[str, Any]:
    programs = {name for name, _ in node.container.programs}
    services = [one for one in node.declared_services if one.service not in programs]
    said = {
        "services": services or None,
        **dataclasses.asdict(node.limits),
        "sysctls": dict(node.own_sysctls) or None,
        "loopback": _one([str(address) for address in node.loopback]),
        "machine": node.machine,
        **container_arguments(node.container),
    }
    if isinstance(node, Router):
        said |= {"as_number": node.as_number, "frr": node.frr}
        if node.redistribute is not None:
            said["redistribute"] = redistribute_argument(node.redistribute, node.protocols)
        # `frr` says that there is none.
        if node.frr is None and node.routing != "static":
            routing = list(node.routing) if isinstance(node.routing, tuple) else node.routing
            return {"routing": routing, **_without_none(said)}
    return _without_none(said)


def _by_id(link: Any) -> LinkName:
    return LinkName(str(link.id))


def link_arguments(link: Link, name_of: Callable[[LinkBase], LinkName] = _by_id) -> dict[str, Any]:
    """Return the arguments, beside its two nodes, with which a link like this is declared.

    ``name_of`` gives the names of the links that a bond is made of.

    """
    if link.tunnel is not None:
        return _tunnel_arguments(link)
    if link.bond_settings is not None:
        return _bond_arguments(link, name_of)
    a, b = link.ends
    said: dict[str, Any] = {"subnet": _subnets(link.subnets)}
    if isinstance(a.node, Switch) or isinstance(b.node, Switch):
        said |= _of_switch(link, b if isinstance(a.node, Switch) else a)
    else:
        said |= _addresses(a, b)
    said |= _of_ends(a, b)
    if link.mtus != (1500, 1500):
        said["mtu"] = link.mtu_bytes if len(set(link.mtus)) == 1 else list(link.mtus)
    if link.offload:
        said["offload"] = True
    return {name: value for name, value in said.items() if value is not None or name == "address"}


def _of_switch(link: Link, own: End) -> dict[str, Any]:
    """Return what a link to a switch carries, and the addresses of its other end."""
    said: dict[str, Any] = {}
    if link.trunk:
        said["trunk"] = True if link.carried.all else list(link.carried.trunk)
        said["native"] = link.vlan
    else:
        said["vlan"] = link.vlan
    said["service"] = link.carried.service
    if isinstance(own.node, Switch):
        return said
    address = _end_address(own)
    if link.trunk:
        tagged = {
            number: given
            for part in link.attachments
            for end in part.ends
            if (number := end.vlan) is not None and (given := _end_address(end)) != AUTO
        }
        if link.vlan is not None and address != AUTO:
            tagged[link.vlan] = address
        return said | ({"address": dict(sorted(tagged.items()))} if tagged else {})
    return said | ({} if address == AUTO else {"address": address})


def _addresses(a: End, b: End) -> dict[str, Any]:
    both = [_end_address(a), _end_address(b)]
    return {} if both == [AUTO, AUTO] else {"addresses": both}


def _end_address(end: End) -> Any:
    """Return an end's addresses as its link's argument; "auto" where the lab chooses."""
    if end.unaddressed:
        return None
    said = [*end.automatic.words, *map(str, end.addresses)]
    return _one(said) if said else AUTO


def _of_ends(a: End, b: End) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for argument, values in (("names", [a.name, b.name]), ("macs", [a.mac, b.mac])):
        if any(values):
            said[argument] = values
    return said


def _tunnel_arguments(link: Link) -> dict[str, Any]:
    settings = link.tunnel
    assert settings is not None
    a, b = link.ends
    endpoints = [None if item is None else str(item) for item in settings.endpoints]
    said = {"kind": settings.kind, "subnet": _subnets(link.subnets), **_addresses(a, b)}
    said |= _of_ends(a, b) | {
        "endpoints": endpoints if any(endpoints) else None,
        "mtu": settings.mtu_bytes,
        "port": settings.port,
        "offload": link.offload or None,
    }
    if word := KINDS[settings.kind].number:
        said[word] = settings.number
    return _without_none(said)


def _bond_arguments(bond: Link, name_of: Callable[[LinkBase], LinkName]) -> dict[str, Any]:
    settings = bond.bond_settings
    assert settings is not None
    names = [end.name for end in bond.ends]
    said = {
        "links": [name_of(member) for member in bond.members],
        "mode": settings.mode,
        "spread_by": settings.spread_by,
        "primary": None if settings.primary is None else name_of(bond.members[settings.primary]),
        "names": names if any(names) else None,
    }
    return _without_none(said)


def address_of(place: Any) -> Any:
    """Return an address, a network or a node as an argument."""
    return NodeName(place.name) if hasattr(place, "name") else str(place)


def _subnets(subnets: Any) -> Any:
    return _one([str(subnet) for subnet in subnets])


def _one(items: list[Any]) -> Any:
    """Return the only item, a list of several, or None for none."""
    return items[0] if len(items) == 1 else items or None


def _without_none(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
