"""Routing protocols of a lab as data that JSON can hold, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playground.model.parts import LinkBase, NodeBase
from playground.model.routing.policy import Clause, Deny, Permit, PrefixList, RouteMap
from playground.model.routing.vrrp import VirtualRouter
from playground.model.topology import Router


def routing_data(nodes: Iterable[NodeBase], links: Sequence[LinkBase]) -> list[dict[str, Any]]:
    """Return what routers were told of their protocols; a link is its number among ``links``."""
    return [
        {
            "router": node.name,
            "ospf": [[links.index(link), vars(said)] for link, said in node.ospf_links.items()],
            "areas": [[area, _data(said)] for area, said in node.ospf_areas.items()],
            "isis": [[links.index(link), vars(said)] for link, said in node.isis_links.items()],
            "isis_options": _data(node.isis_router),
            "bgp": [[links.index(link), announce] for link, announce in node.bgp_links.items()],
            "peers": [[other.name, _data(said)] for other, said in node.bgp_peers.items()],
            "options": _data(node.bgp_router),
            "lines": list(node.frr_lines),
            "groups": _groups_data(node),
            "vrfs": [
                {
                    "name": vrf.name,
                    "links": [links.index(link) for link in vrf.links],
                    "routing": vrf.routing,
                    "as_number": vrf.as_number,
                    "table": vrf.table,
                }
                for vrf in node.vrfs.values()
            ],
            "mpls": [links.index(link) for link in node.mpls_links],
            "vnis": [
                {"number": vni.number, "links": [links.index(link) for link in vni.links]}
                for vni in node.vnis.values()
            ],
            "leaks": [
                {"network": str(leak.network), "source": leak.source, "into": leak.into}
                for leak in node.leaks
            ],
            "shared": [_shared_data(one, links) for one in node.virtual_routers],
        }
        for node in nodes
        if isinstance(node, Router)
    ]


def declare_routing(
    data: Iterable[Mapping[str, Any]], nodes: Mapping[str, NodeBase], links: Sequence[LinkBase]
) -> None:
    """Tell routers what `routing_data` says."""
    for item in data:
        router = nodes[item["router"]]
        assert isinstance(router, Router)
        for vrf in item.get("vrfs", ()):
            how = {word: vrf[word] for word in ("routing", "as_number", "table")}
            router.vrf(vrf["name"], [links[number] for number in vrf["links"]], **how)
        if item.get("mpls"):
            router.mpls([links[number] for number in item["mpls"]])
        for vni in item.get("vnis", ()):
            router.vni(vni["number"], [links[number] for number in vni["links"]])
        for leak in item.get("leaks", ()):
            router.leak(leak["network"], source=leak["source"], into=leak["into"])
        for number, said in item["ospf"]:
            router.ospf(links[number], **said)
        for area, said in item["areas"]:
            router.ospf_area(area, **_arguments(said))
        for number, said in item["isis"]:
            router.isis(links[number], **said)
        if "isis" in router.protocols:
            router.isis_options(**item["isis_options"])
        for number, announce in item["bgp"]:
            router.bgp(links[number], announce=announce)
        for name, said in item["peers"]:
            other = nodes[name]
            assert isinstance(other, Router)
            router.bgp_peer(other, **_arguments(said))
        if "bgp" in router.protocols:
            router.bgp_options(**_arguments(item["options"]))
        for text in item["lines"]:
            router.configure(text)
        if item["groups"] is not None:
            [point] = item["groups"]
            router.multicast(rendezvous_point=nodes.get(point, point))
        for said in item["shared"]:
            numbers = dict(said["track"])
            track: Any = {links[number]: less for number, less in numbers.items() if less}
            track = track or [links[number] for number in numbers]
            router.vrrp(links[said["link"]], **(said["how"] | {"track": track}))


def _groups_data(router: Router) -> list[str | None] | None:
    if router.groups is None:
        return None
    point = router.groups.rendezvous_point
    return [point.name if isinstance(point, Router) else None if point is None else str(point)]


def _shared_data(said: VirtualRouter, links: Sequence[LinkBase]) -> dict[str, Any]:
    return {
        "link": links.index(said.link),
        "track": [[links.index(link), less] for link, less in said.track],
        "how": {
            "address": str(said.address),
            "group": said.group,
            "priority": said.priority,
            "preempt": said.preempt,
            "preempt_delay_s": said.preempt_delay_s,
            "interval_ms": said.interval_ms,
        },
    }


def redistribution_data(router: Router) -> Any:
    """Return a router's ``redistribute=`` as data."""
    if router.redistribute is None:
        return None
    return [
        [protocol, [[one.source, _value(one.policy)] for one in sources]]
        for protocol, sources in router.redistribute.items()
    ]


def redistribution(data: Any, routing: Any) -> Any:
    """Return what `redistribution_data` has made data of, for a router of that ``routing``."""
    if data is None:
        return None
    said = {
        protocol: {word: _policy(policy) for word, policy in sources} for protocol, sources in data
    }
    return said if isinstance(routing, (list, tuple)) else next(iter(said.values()))


def _data(settings: Any) -> dict[str, Any]:
    return {
        field.name: _value(getattr(settings, field.name)) for field in dataclasses.fields(settings)
    }


def _arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _policy(value) for name, value in data.items()}


def _value(value: Any) -> Any:
    if isinstance(value, PrefixList):
        return {"prefix_list": value.name, "lines": list(map(str, value.rules))}
    if isinstance(value, RouteMap):
        return {"route_map": value.name, "clauses": [_clause(one) for one in value.clauses]}
    if isinstance(value, tuple):
        return [item if isinstance(item, (str, int)) else str(item) for item in value]
    return value


def _clause(clause: Clause) -> dict[str, Any]:
    said = {name: _value(value) for name, value in vars(clause).items()}
    return {"permit": clause.permit, "said": said}


def _policy(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    if "prefix_list" in data:
        name, lines = data["prefix_list"], data["lines"]
        return PrefixList(name, *lines) if name else lines
    clauses = []
    for item in data["clauses"]:
        said = {name: _policy(value) for name, value in item["said"].items()}
        clauses.append(Permit(**said) if item["permit"] else Deny(**said))
    return RouteMap(data["route_map"], *clauses)
