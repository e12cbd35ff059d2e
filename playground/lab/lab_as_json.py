"""A lab as JSON text, and back: what `Lab.attach` finds in the helper.

Saved are the declarations (not as Python objects, which would let whoever runs
the engine run code here), the plan with all that was chosen, and the
credentials.  Files and messages of services are saved with their contents.

"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import PlaygroundError
from playground.lab.credentials import Credentials
from playground.lab.routing.saved_routing import (
    declare_routing,
    redistribution,
    redistribution_data,
    routing_data,
)
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.containers.container import (
    PLAIN_CONTAINER,
    ContainerSettings,
    file_content,
)
from playground.model.containers.own_service import Service
from playground.model.firewall import Default, Policy, Rule
from playground.model.ipv6.advertising import advertisement_arguments, advertisement_data
from playground.model.ipv6.slaac import SLAAC
from playground.model.kernel.tunnels import KINDS
from playground.model.nat import Masquerade, OneToOne, Translation
from playground.model.notation import AUTO
from playground.model.parts import End, LinkBase, MachineBase
from playground.model.policy_routing import OwnRoute, OwnRule
from playground.model.queues.link_queue import LinkQueue
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES
from playground.operations.links.queueing import give_queue
from playground.operations.network import (
    Bond,
    Host,
    Link,
    Machine,
    Node,
    Router,
    Switch,
    Tunnel,
)
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import NO_FILTERS, HostsEntry
from playground.planning.rules_and_nat import with_rules

# The shape of the text; another number is another shape.
FORMAT = 4


class SavedLab(NamedTuple):
    """The parts of a running lab that were saved; ``settings`` are arguments of `Lab`."""

    nodes: tuple[Node, ...]
    ipv6: bool | str
    plan: Plan
    credentials: Credentials
    settings: Mapping[str, Any]


def save(
    nodes: Iterable[Node],
    plan: Plan,
    credentials: Credentials,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Return a running lab as JSON text; `load` is the way back.

    ``settings`` are the arguments of `Lab` that differ from its defaults.

    """
    arguments = dict(settings or {})
    if "users" in arguments:
        # Their passwords stand with the credentials.
        arguments["users"] = [*arguments["users"]]
    nodes = list(nodes)
    links = sorted({link for node in nodes for link in node.links}, key=lambda link: link.serial)
    named = _named(links)
    data = {
        "format": FORMAT,
        "settings": arguments,
        "plan": _plan_data(plan),
        "credentials": credentials.to_data(),
        "nodes": [_node_data(node) for node in nodes],
        "links": [_link_data(link, links) for link in links],
        "nat": [
            _nat_data(node, rule, named)
            for node in nodes
            if isinstance(node, Router)
            for rule in node.nat
        ],
        "firewalls": {
            node.name: _policy_data(node.firewall.policy, named)
            for node in nodes
            if isinstance(node, Machine) and node.firewall.policy != Policy()
        },
        "own_routes": [
            _own_route_data(route, named)
            for node in nodes
            if isinstance(node, Machine)
            for route in node.own_routes
        ],
        "own_rules": [
            _own_rule_data(rule, named)
            for node in nodes
            if isinstance(node, Machine)
            for rule in node.own_rules
        ],
        "ports": [
            {"switch": node.name, "link": links.index(link), "settings": settings.given()}
            for node in nodes
            if isinstance(node, Switch)
            for link, settings in node.port_settings.items()
        ],
        "mirrors": [
            {
                "switch": node.name,
                "links": [links.index(link) for link in node.mirrored.links],
                "to": links.index(node.mirrored.to),
            }
            for node in nodes
            if isinstance(node, Switch) and node.mirrored
        ],
        "requested": [
            {
                "router": node.name,
                "link": named.index(link),
                "to": [named.index(one) for one in links_],
            }
            for node in nodes
            if isinstance(node, Router)
            for link, links_ in node.requested.items()
        ],
        "nat64": [
            {
                "router": node.name,
                "link": named.index(said.link),
                "prefix": str(said.prefix),
                "pool": str(said.pool),
            }
            for node in nodes
            if isinstance(node, Router) and (said := node.translated64)
        ],
        "advertised": [
            {"router": node.name, "link": named.index(link), **advertisement_data(said)}
            for node in nodes
            if isinstance(node, Router)
            for link, said in node.advertised.items()
        ],
        "routing": routing_data(nodes, named),
    }
    return json.dumps(data)


def load(text: str) -> SavedLab:
    """Return what `save` made text of, with declarations of its own.

    Raises `PlaygroundError` for what another version of playground has saved.

    """
    try:
        return _load(json.loads(text))
    except PlaygroundError:
        raise
    # From another machine, by another program: anything may be wrong with it.
    except Exception as error:
        raise PlaygroundError(
            "this lab was started by another version of playground, whose description of it "
            "cannot be read: use that version, or take the lab down with `playground down`"
        ) from error


def _load(data: Mapping[str, Any]) -> SavedLab:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']}, not {FORMAT}")
    nodes = {item["name"]: _node(item) for item in data["nodes"]}
    cables: list[Link] = []
    for item in data["links"]:
        cables.append(_link(item, nodes, cables))
    links = _named(cables)
    for item in data["nat"]:
        _declare_nat(item, nodes, links)
    for name, policy in data.get("firewalls", {}).items():
        machine = nodes[name]
        assert isinstance(machine, Machine)
        machine.firewall.policy = _policy(policy, machine, nodes, links)
    for item in (*data.get("own_routes", ()), *data.get("own_rules", ())):
        _steer(item, nodes, links)
    for item in data.get("ports", ()):
        switch = nodes[item["switch"]]
        assert isinstance(switch, Switch)
        switch.set_port(links[item["link"]], **item["settings"])
    for item in data.get("mirrors", ()):
        switch = nodes[item["switch"]]
        assert isinstance(switch, Switch)
        switch.mirror(*(links[number] for number in item["links"]), to=links[item["to"]])
    declare_routing(data["routing"], nodes, links)
    for item in data.get("requested", ()):
        router = nodes[item["router"]]
        assert isinstance(router, Router)
        router.request_prefix(links[item["link"]], to=[links[one] for one in item["to"]])
    for item in data.get("nat64", ()):
        router = nodes[item["router"]]
        assert isinstance(router, Router)
        router.nat64(links[item["link"]], prefix=item["prefix"], pool=item["pool"])
    for item in data.get("advertised", ()):
        router = nodes[item["router"]]
        assert isinstance(router, Router)
        router.advertise(links[item["link"]], **advertisement_arguments(item, nodes))
    machines = [node for node in nodes.values() if isinstance(node, Machine)]
    plan = with_rules(_plan(data["plan"]), machines)
    credentials = Credentials.from_data(data["credentials"])
    # A lab of an earlier version says no more than whether it waits for routing.
    settings = dict(data.get("settings", {"converge": data.get("converge", True)}))
    if "users" in settings:
        settings["users"] = {name: credentials.users[name] for name in settings["users"]}
    return SavedLab(tuple(nodes.values()), plan.ipv6, plan, credentials, settings)


def _named(links: Sequence[LinkBase]) -> list[LinkBase]:
    """Return links, then the VLANs of trunks: a number in what is saved is a place in this list."""
    parts = [part for link in links for part in link.attachments if part is not link]
    return [*links, *parts]


# -- declarations ------------------------------------------------------------


def _node_data(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": type(node).__name__, "name": node.name}
    if isinstance(node, Switch):
        return data | {
            "subnets": [str(subnet) for subnet in node.subnets],
            "settings": node.settings.given(),
            "qinq": node.qinq,
            "vlans": [[one, list(map(str, subnets))] for one, subnets in node.vlans.items()],
        }
    data["services"] = [_settings_data(settings) for settings in node.declared_services]
    data["limits"] = dataclasses.asdict(node.limits)
    data["machine"] = node.machine
    data["container"] = _container_data(node.container)
    data["sysctls"] = node.own_sysctls
    data["loopback"] = [str(address) for address in node.loopback]
    if isinstance(node, Router):
        data |= {"routing": node.routing, "as_number": node.as_number, "frr": node.frr}
        data["redistribute"] = redistribution_data(node)
    return data


def _node(data: Mapping[str, Any]) -> Node:
    if data["kind"] == "Switch":
        return Switch(
            data["name"],
            data["subnets"] or None,
            vlans={number: subnets or None for number, subnets in data.get("vlans", ())} or None,
            qinq=data.get("qinq", False),
            **data.get("settings", {}),
        )
    node = _machine(data)
    # Not by its arguments: what they name need not be there any more, or not on this machine.
    node.container = _container(data.get("container", {}))
    return node


def _machine(data: Mapping[str, Any]) -> Host | Router:
    services = [_settings(item) for item in data["services"]]
    # A lab of before there were any has none.
    limits = data.get("limits", {}) | {
        "sysctls": data.get("sysctls"),
        "loopback": data.get("loopback"),
        "machine": data.get("machine"),
    }
    if data["kind"] == "Router":
        return Router(
            data["name"],
            services,
            data["routing"],
            as_number=data.get("as_number"),
            redistribute=redistribution(data.get("redistribute"), data["routing"]),
            frr=data.get("frr"),
            **limits,
        )
    return Host(data["name"], services, **limits)


def _link_data(link: Link, links: Sequence[Link]) -> dict[str, Any]:
    return {
        "id": link.id,
        "nodes": [end.node.name for end in link.ends],
        "subnets": [str(subnet) for subnet in link.subnets],
        "addresses": [_addresses_data(end) for end in link.ends],
        "names": [end.name for end in link.ends],
        "macs": [end.mac for end in link.ends],
        "mtu": list(link.mtus),
        "offload": link.offload,
        "vlan": None if link.trunk else link.vlan,
        "native": link.vlan if link.trunk else None,
        "trunk": link.carried.all or list(link.trunk),
        "service": link.carried.service,
        "tagged": [
            [part.vlan, _addresses_data(end)]
            for part in link.attachments
            for end in part.ends
            if end.vlan is not None
        ],
        "tunnel": _tunnel_data(link),
        "bond": _bond_data(link, links),
        "down": link.is_down,
        "toward": [impairment.settings() for impairment in link.declared_impairments],
        "queues": [queue.data() if queue else None for queue in link.declared_queues],
    }


def link_words(links: Sequence[Link]) -> list[dict[str, Any]]:
    """Return what was said of each link, as plain data."""
    return [_link_data(link, links) for link in links]


def _bond_data(link: Link, links: Sequence[Link]) -> dict[str, Any] | None:
    settings = link.bond_settings
    if settings is None:
        return None
    members = [links.index(member) for member in link.members]
    return dataclasses.asdict(settings) | {"links": members}


def _tunnel_data(link: Link) -> dict[str, Any] | None:
    settings = link.tunnel
    if settings is None:
        return None
    data: dict[str, Any] = {"kind": settings.kind, "port": settings.port}
    data["endpoints"] = [None if item is None else str(item) for item in settings.endpoints]
    data["mtu"] = settings.mtu_bytes
    word = KINDS[settings.kind].number
    return data | ({word: settings.number} if word else {})


def _addresses_data(end: End) -> list[Any] | None:
    """Return an end's addresses; [] where the lab chooses, None where there are none."""
    words = [vars(one) if isinstance(one, SLAAC) else one for one in end.automatic.words]
    return None if end.unaddressed else words + [str(address) for address in end.addresses]


def _said(data: Any) -> Any:
    if not isinstance(data, list):
        return data
    return [SLAAC(**one) if isinstance(one, dict) else one for one in data] or AUTO


def _link(data: Mapping[str, Any], nodes: Mapping[str, Node], before: Sequence[Link]) -> Link:
    link = _bond(data, before) if data.get("bond") else _made_link(data, nodes)
    link.id = data.get("id")
    if data.get("down"):
        link.down()
    for end, settings in zip(link.ends, data.get("toward", ()), strict=False):
        link.impair(**settings, toward=end.node)
    for end, queue in zip(link.ends, data.get("queues", ()), strict=False):
        if queue is not None:
            give_queue(link, _queue(queue), toward=end.node)
    return link


def _bond(data: Mapping[str, Any], before: Sequence[Link]) -> Link:
    said = data["bond"]
    members = [before[number] for number in said["links"]]
    primary = None if said["primary"] is None else members[said["primary"]]
    names = data["names"]
    return Bond(
        *members, mode=said["mode"], spread_by=said["spread_by"], primary=primary, names=names
    )


def _made_link(data: Mapping[str, Any], nodes: Mapping[str, Node]) -> Link:
    a, b = (nodes[name] for name in data["nodes"])
    first, second = map(_said, data["addresses"])
    where: dict[str, Any] = {"subnet": data["subnets"] or None}
    if isinstance(a, Switch) or isinstance(b, Switch):
        tagged = {number: _said(item) for number, item in data.get("tagged", ())}
        own = second if isinstance(a, Switch) else first
        if data.get("native") and own != AUTO:
            tagged[data["native"]] = own
        where["address"] = tagged or own
        where |= {name: data.get(name) or None for name in ("vlan", "trunk", "native", "service")}
    else:
        where["addresses"] = (first, second)
    kind: type[Link] = Link
    where["mtu"] = data["mtu"]
    if tunnel := data.get("tunnel"):
        kind = Tunnel
        where |= tunnel
    return kind(a, b, **where, names=data["names"], macs=data["macs"], offload=data["offload"])


def _queue(data: Mapping[str, Any] | None) -> LinkQueue | None:
    if data is None:
        return None
    from playground.model.queues.direction import from_data

    return from_data(data)


def _nat_data(router: Router, rule: Translation, links: list[LinkBase]) -> dict[str, Any]:
    data: dict[str, Any] = {"router": router.name, "link": links.index(rule.link)}
    if isinstance(rule, Masquerade):
        return data | {
            "kind": rule.kind,
            "helpers": list(rule.helpers),
            "to": None if rule.address is None else str(rule.address),
            "ports": None if rule.ports is None else f"{rule.ports[0]}-{rule.ports[1]}",
            "clamp_mss": rule.clamp_mss,
        }
    data["host"] = rule.host.name
    if isinstance(rule, OneToOne):
        return data | {"address": str(rule.address)}
    port = rule.port if rule.last_port is None else rule.words
    forward = {"port": port, "to_port": rule.to_port, "protocol": rule.protocol}
    return data | forward | {"hairpin": rule.hairpin}


def _declare_nat(data: Mapping[str, Any], nodes: Mapping[str, Node], links: list[LinkBase]) -> None:
    router, link = nodes[data["router"]], links[data["link"]]
    assert isinstance(router, Router)
    if "host" not in data:
        # A lab of an earlier version says no more than that it masquerades.
        known = ("kind", "helpers", "ports", "clamp_mss")
        how = {name: data[name] for name in known if name in data}
        if data.get("to") is None:
            router.masquerade(link, **how)
        else:
            router.snat(link, to=data["to"], **how)
        return
    host = nodes[data["host"]]
    assert isinstance(host, Machine)
    if "address" in data:
        router.one_to_one(link, address=data["address"], to=host)
        return
    router.forward(
        link,
        port=data["port"],
        to=(host, data["to_port"]),
        protocol=data["protocol"],
        hairpin=data.get("hairpin", True),
    )


def _policy_data(policy: Policy, links: list[LinkBase]) -> dict[str, Any]:
    return {
        "numbers": policy.numbers,
        "defaults": [dataclasses.asdict(item) for item in policy.defaults],
        "rules": [
            {
                name: _match_data(value, links)
                # Empty fields are left out: a node may have thousands of rules.
                for name, value in vars(rule).items()
                if value and name != "firewall"
            }
            for rule in policy.rules
        ],
    }


def _match_data(value: Any, links: list[LinkBase]) -> Any:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        return [_match_data(item, links) for item in value]
    if isinstance(value, Link):
        return {"link": links.index(value)}
    if isinstance(value, Node):
        return {"node": value.name}
    return {"network": str(value)}


def _policy(
    data: Mapping[str, Any], machine: Machine, nodes: Mapping[str, Node], links: list[LinkBase]
) -> Policy:
    def match(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(match(item) for item in value)
        if not isinstance(value, dict):
            return value
        if "link" in value:
            return links[value["link"]]
        return nodes[value["node"]] if "node" in value else ip_network(value["network"])

    return Policy(
        tuple(
            Rule(**{name: match(value) for name, value in rule.items()}, firewall=machine.firewall)
            for rule in data["rules"]
        ),
        tuple(Default(**item) for item in data["defaults"]),
        data["numbers"],
    )


def _own_route_data(route: OwnRoute, links: list[LinkBase]) -> dict[str, Any]:
    return {
        "node": route.node.name,
        "destination": str(route.destination),
        "via": [{"node": via.name} if isinstance(via, Machine) else str(via) for via in route.via],
        "link": None if route.link is None else links.index(route.link),
        "metric": route.metric,
        "kind": route.kind,
        "table": route.table,
    }


def _own_rule_data(rule: OwnRule, links: list[LinkBase]) -> dict[str, Any]:
    return {
        "node": rule.node.name,
        "source": _place_data(rule.source),
        "destination": _place_data(rule.destination),
        "link": None if rule.link is None else links.index(rule.link),
        "mark": rule.mark,
        "priority": rule.priority,
        "table": rule.table,
    }


def _place_data(place: Network | MachineBase | None) -> Any:
    if isinstance(place, MachineBase):
        return {"node": place.name}
    return None if place is None else str(place)


def _steer(data: Mapping[str, Any], nodes: Mapping[str, Node], links: list[LinkBase]) -> None:
    said = dict(data)
    machine = nodes[said.pop("node")]
    assert isinstance(machine, Machine)
    said["link"] = None if said["link"] is None else links[said["link"]]
    if "via" not in said:
        for name in ("source", "destination"):
            if isinstance(said[name], dict):
                said[name] = nodes[said[name]["node"]]
        machine.policy_rule(**said)
        return
    vias = said.pop("via")
    via = [nodes[item["node"]] if isinstance(item, dict) else item for item in vias]
    machine.route(said.pop("destination"), via, **said)


# -- containers --------------------------------------------------------------


def _container_data(container: ContainerSettings) -> dict[str, Any]:
    """Return what was said of a container; its files are saved with their contents."""
    if container == PLAIN_CONTAINER:
        return {}  # of most hosts nothing was said: of 1,000 it took 0.1 s to find that out
    data = dataclasses.asdict(container)
    said = {name: data[name] for name in container.said()}
    if container.files:
        said["files"] = [
            [place, base64.b64encode(file_content(content)).decode()]
            for place, content in container.files
        ]
    return said


def _container(data: Mapping[str, Any]) -> ContainerSettings:
    if not data:
        return PLAIN_CONTAINER
    import cattrs  # only here: a lab that nobody attaches to does without

    converter = cattrs.Converter()
    converter.register_structure_hook(bytes | Path, lambda text, _: base64.b64decode(text))
    return converter.structure(data, ContainerSettings)


# -- settings of services ----------------------------------------------------


def _settings_data(settings: ServiceSettings) -> dict[str, Any]:
    whole = settings.with_contents()
    return {
        "service": whole.service,
        **({"own": True} if whole.is_own else {}),
        "settings": {
            field.name: _value_data(getattr(whole, field.name))
            for field in dataclasses.fields(whole)
            if field.init
        },
    }


def _settings(data: Mapping[str, Any]) -> ServiceSettings:
    kind = Service if data.get("own") else SERVICES[data["service"]].settings
    return kind(**{name: _value(value) for name, value in data["settings"].items()})


def read_settings(data: Mapping[str, Any]) -> ServiceSettings:
    """Return the settings of a service, from a saved plan's plain data."""
    return _settings(data)


def _value_data(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _value_data(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_value_data(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _value(data: Any) -> Any:
    if isinstance(data, dict) and "bytes" in data:
        return base64.b64decode(data["bytes"])
    if isinstance(data, dict):
        return {key: _value(item) for key, item in data["mapping"]}
    return tuple(_value(item) for item in data) if isinstance(data, list) else data


# -- the plan ----------------------------------------------------------------


def _plan_data(plan: Plan) -> dict[str, Any]:
    # Rules follow from the declarations, which are saved as well.
    bare = (dataclasses.replace(node, filters=NO_FILTERS) for node in plan.nodes)
    data = dataclasses.replace(plan, nodes=tuple(bare)).to_data()
    # Nodes share their lines of /etc/hosts: each set once, and its number with the nodes.
    lines: list[list[Any]] = []
    numbers: dict[int, int] = {}
    for node, node_data in zip(plan.nodes, data["nodes"], strict=True):
        node_data["services"] = [_settings_data(settings) for settings in node.services]
        node_data["container"] = _container_data(node.container)
        if id(node.hosts) not in numbers:
            numbers[id(node.hosts)] = len(lines)
            lines.append(node_data["hosts"])
        node_data["hosts"] = numbers[id(node.hosts)]
    return data | {"hosts": lines}


def _plan(data: Mapping[str, Any]) -> Plan:
    import cattrs  # only here: a lab that nobody attaches to does without

    converter = cattrs.Converter()
    converter.register_structure_hook(Address, lambda text, _: ip_address(text))
    converter.register_structure_hook(
        Address | None, lambda text, _: None if text is None else ip_address(text)
    )
    converter.register_structure_hook(InterfaceAddress, lambda text, _: ip_interface(text))
    converter.register_structure_hook(Network, lambda text, _: ip_network(text))
    converter.register_structure_hook(
        Network | None, lambda text, _: None if text is None else ip_network(text)
    )
    for kind in (IPv6Address, IPv6Network):
        converter.register_structure_hook(kind, lambda text, kind: kind(text))
    converter.register_structure_hook(LinkQueue | None, lambda item, _: _queue(item))
    converter.register_structure_hook(bool | str, lambda value, _: value)
    converter.register_structure_hook(ServiceSettings, lambda item, _: _settings(item))
    converter.register_structure_hook(ContainerSettings, lambda item, _: _container(item))
    lines = converter.structure(data["hosts"], tuple[tuple[HostsEntry, ...], ...])
    nodes = [
        dataclasses.replace(
            converter.structure(node | {"hosts": []}, NodePlan), hosts=lines[node["hosts"]]
        )
        for node in data["nodes"]
    ]
    return dataclasses.replace(converter.structure({**data, "nodes": []}, Plan), nodes=tuple(nodes))
