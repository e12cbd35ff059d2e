"""What nodes and links were told by methods, as calls: a row for each attribute that keeps it.

To add a declaration: a row in `TOLD`, which gives the calls that say it again, and a word in
`METHODS`.  Then our own file, its schema, the saved state of a running lab and all exports have
it.  `tests/lab/declarations/test_told.py` finds an attribute or a method that is in no table.

"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from playground.lab.declarations.constructed import node_kind
from playground.lab.declarations.shapes import Call, LinkName, NodeName
from playground.model.firewall import Firewall, Rule
from playground.model.nat import Masquerade, OneToOne
from playground.model.parts import LinkBase, NodeBase
from playground.model.queues.classes import Classes
from playground.operations.network import Host, Link, Node, Router, Switch

Namer = Callable[[LinkBase], LinkName]


def calls_of(part: Node | Link, name_of: Namer) -> tuple[Call, ...]:
    """Return what a node or a link was told by methods, in the words of our own API.

    ``name_of`` names a link, or a VLAN of one, in arguments.

    """
    kind = "link" if isinstance(part, Link) else node_kind(part)
    found = []
    for attribute, row in TOLD.items():
        # A mixin's attribute is on those that have the mixin.
        if hasattr(part, attribute):
            for method, said in row(part):
                function = METHODS[kind][method]
                named = {name: _named(value, name_of) for name, value in said.items()}
                found.append(Call(method, _without_defaults(function, named)))
    return tuple(found)


def _named(value: Any, name_of: Namer) -> Any:
    """Put names in the place of nodes and links, and text in that of addresses."""
    if isinstance(value, NodeBase):
        return NodeName(value.name)
    if isinstance(value, LinkBase):
        return name_of(value)
    if isinstance(value, (IPv4Address, IPv6Address, IPv4Network, IPv6Network)):
        return str(value)
    if isinstance(value, Mapping):
        return {_named(key, name_of): _named(item, name_of) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item, name_of) for item in value]
    return value


@cache
def defaults(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the defaults of a function's parameters."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def _without_defaults(function: Callable[..., Any], said: Mapping[str, Any]) -> dict[str, Any]:
    usual = defaults(function)
    left = {}
    for name, value in said.items():
        same = name in usual and _plain(usual[name]) == _plain(value)
        # What has to be said may be None, and what is unpacked into others says nothing then.
        needed = name in inspect.signature(function).parameters
        if not same and (value is not None or (needed and name not in usual)):
            left[name] = value
    return left


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (IPv4Network, IPv6Network)) else value


def _several(items: Sequence[Any]) -> Any:
    """Return the only item, a list of several, or None for none."""
    return items[0] if len(items) == 1 else list(items) or None


# -- hosts and routers -------------------------------------------------------

Said = Iterator[tuple[str, dict[str, Any]]]


def _own_routes(node: Any) -> Said:
    for route in node.own_routes:
        said = {"destination": route.destination, "via": _several(route.via), "link": route.link}
        yield (
            "route",
            said | {"metric": route.metric, "kind": route.kind, "table": route.table},
        )


def _own_rules(node: Any) -> Said:
    for rule in node.own_rules:
        yield "policy_rule", {name: value for name, value in vars(rule).items() if name != "node"}


def _firewall(node: Any) -> Said:
    for default in node.firewall.policy.defaults:
        yield "firewall.default", dataclasses.asdict(default)
    for rule in node.firewall.policy.rules:
        yield f"firewall.{rule.verdict}", _match(rule)


def _match(rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = {"chain": rule.chain}
    said |= {word: _several(getattr(rule, field)) for field, word in _SEVERAL.items()}
    said |= {word: getattr(rule, word) for word in ("protocol", "rate", "over", "burst")}
    return said | {"comment": rule.comment or None}


# Fields of a rule that hold several, and the arguments that say them.
_SEVERAL = {
    "sources": "source",
    "destinations": "destination",
    "interfaces": "interface",
    "out_interfaces": "out_interface",
    "ports": "port",
    "source_ports": "source_port",
    "states": "state",
}


# -- routers -----------------------------------------------------------------


def _vrfs(router: Any) -> Said:
    for vrf in router.vrfs.values():
        said = {name: getattr(vrf, name) for name in ("name", "routing", "as_number", "table")}
        yield "vrf", said | {"links": _several(vrf.links) or []}


def _leaks(router: Any) -> Said:
    for leak in router.leaks:
        yield "leak", {"network": leak.network, "source": leak.source, "into": leak.into}


def _nat(router: Any) -> Said:
    for one in router.nat:
        if isinstance(one, Masquerade):
            ports = None if one.ports is None else f"{one.ports[0]}-{one.ports[1]}"
            said = {"link": one.link, "kind": one.kind, "helpers": one.helpers, "ports": ports}
            said["clamp_mss"] = one.clamp_mss
            if one.address is None:
                yield "masquerade", said
            else:
                yield "snat", said | {"to": one.address}
        elif isinstance(one, OneToOne):
            yield "one_to_one", {"link": one.link, "address": one.address, "to": one.host}
        else:
            port = one.port if one.last_port is None else one.words
            to = one.host if one.to_port == port or one.last_port else [one.host, one.to_port]
            said = {"link": one.link, "port": port, "to": to, "protocol": one.protocol}
            yield "forward", said | {"hairpin": one.hairpin}


def _nat64(router: Any) -> Said:
    if said := router.translated64:
        yield "nat64", vars(said)


def _ospf_links(router: Any) -> Said:
    for link, said in router.ospf_links.items():
        yield "ospf", {"link": link, **vars(said)}


def _ospf_areas(router: Any) -> Said:
    for area, said in router.ospf_areas.items():
        yield "ospf_area", {"area": area, **vars(said)}


def _isis_links(router: Any) -> Said:
    for link, said in router.isis_links.items():
        yield "isis", {"link": link, **vars(said)}


def _isis_router(router: Any) -> Said:
    if router.isis_router != type(router.isis_router)():
        yield "isis_options", vars(router.isis_router)


def _bgp_links(router: Any) -> Said:
    for link, announce in router.bgp_links.items():
        yield "bgp", {"link": link, "announce": announce}


def _bgp_peers(router: Any) -> Said:
    for other, said in router.bgp_peers.items():
        yield "bgp_peer", {"other": other, **vars(said)}


def _bgp_router(router: Any) -> Said:
    if "bgp" in router.protocols and router.bgp_router != type(router.bgp_router)():
        yield "bgp_options", vars(router.bgp_router)


def _frr_lines(router: Any) -> Said:
    for text in router.frr_lines:
        yield "configure", {"lines": text}


def _groups(router: Any) -> Said:
    if router.groups is not None:
        yield "multicast", vars(router.groups)


def _virtual_routers(router: Any) -> Said:
    for one in router.virtual_routers:
        weighed = any(less for _, less in one.track)
        track = dict(one.track) if weighed else [link for link, _ in one.track]
        yield "vrrp", vars(one) | {"track": track}


def _advertised(router: Any) -> Said:
    for link, one in router.advertised.items():
        said = {name: value for name, value in vars(one).items() if name != "prefixes"}
        prefix = "auto" if one.prefixes is None else one.prefixes
        rdnss = "auto" if one.rdnss is None else one.rdnss
        yield "advertise", {"link": link, **said, "prefix": prefix, "rdnss": rdnss}


def _requested(router: Any) -> Said:
    for link, links in router.requested.items():
        yield "request_prefix", {"link": link, "to": _several(links)}


def _mpls_links(router: Any) -> Said:
    if router.mpls_links:
        yield "mpls", {"links": list(router.mpls_links)}


def _vnis(router: Any) -> Said:
    for vni in router.vnis.values():
        yield "vni", {"number": vni.number, "links": list(vni.links)}


# -- switches and links ------------------------------------------------------


def _port_settings(switch: Any) -> Said:
    for link, settings in switch.port_settings.items():
        yield "set_port", {"link": link, **settings.given()}


def _mirrored(switch: Any) -> Said:
    if mirror := switch.mirrored:
        yield "mirror", {"links": list(mirror.links) or None, "to": mirror.to}


def _is_down(link: Any) -> Said:
    if link.is_down:
        yield "down", {}


def _impairments(link: Any) -> Said:
    first, second = link.declared_impairments
    if first == second:
        if first:
            yield "impair", first.settings()
        return
    for end, impairment in zip(link.ends, (first, second), strict=True):
        if impairment:
            yield "impair", {**impairment.settings(), "toward": end.node}


def _declared_queues(link: Any) -> Said:
    for end, queue in zip(link.ends, link.declared_queues, strict=True):
        if isinstance(queue, Classes):
            said = {"classes": list(queue.classes), "scheduler": queue.scheduler}
            yield "classes", {**said, "toward": end.node}
        elif queue is not None:
            yield "queue", {**vars(queue), "toward": end.node}


TOLD: Mapping[str, Callable[[Any], Said]] = {
    "vrfs": _vrfs,
    "leaks": _leaks,
    "own_routes": _own_routes,
    "own_rules": _own_rules,
    "firewall": _firewall,
    "nat": _nat,
    "translated64": _nat64,
    "ospf_links": _ospf_links,
    "ospf_areas": _ospf_areas,
    "isis_links": _isis_links,
    "isis_router": _isis_router,
    "bgp_links": _bgp_links,
    "bgp_peers": _bgp_peers,
    "bgp_router": _bgp_router,
    "frr_lines": _frr_lines,
    "groups": _groups,
    "virtual_routers": _virtual_routers,
    "advertised": _advertised,
    "requested": _requested,
    "port_settings": _port_settings,
    "mirrored": _mirrored,
    "is_down": _is_down,
    "declared_impairments": _impairments,
    "declared_queues": _declared_queues,
    "mpls_links": _mpls_links,
    "vnis": _vnis,
}

_OF_MACHINES: tuple[str, ...] = (
    *("route", "policy_rule"),
    *("firewall.default", "firewall.accept", "firewall.drop", "firewall.reject", "firewall.log"),
)
_OF_ROUTERS: tuple[str, ...] = (
    *("masquerade", "snat", "forward", "one_to_one", "nat64"),
    *("isis", "isis_options"),
    *("ospf", "ospf_area", "bgp", "bgp_peer", "bgp_options", "configure", "multicast", "vrrp"),
    *("advertise", "request_prefix", "vrf", "leak", "mpls", "vni"),
)


def _functions(kind: type, *methods: str) -> dict[str, Callable[..., Any]]:
    found = {}
    for method in methods:
        way, _, name = method.rpartition(".")
        found[method] = getattr(Firewall if way == "firewall" else kind, name)
    return found


# The methods that say something, by the kind of what they are told to.
METHODS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "host": _functions(Host, *_OF_MACHINES),
    "router": _functions(Router, *_OF_MACHINES, *_OF_ROUTERS),
    "switch": _functions(Switch, "set_port", "mirror"),
    "link": _functions(Link, "impair", "queue", "classes", "down"),
}
