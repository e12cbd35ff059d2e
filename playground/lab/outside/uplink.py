"""A link between a lab and the machine: `Lab.machine` and `Lab.uplink`.

These two are the only features that touch the machine's own network namespace.
What they change there is made and put back by `outside.machine_side`.

"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_network
from typing import Any, Self

from playground.errors import AgentError, BadArgument, NotRunning
from playground.lab.outside.container_namespaces import (
    about,
    find_host,
    machine_access_for,
    refuse_strangers,
)
from playground.lab.outside.machine_access import DockerMachineAccess
from playground.operations.connection.handles import LabHandle
from playground.operations.network import Host, Router
from playground.planning.plan import Plan
from playground.planning.plan_parts import RoutePlan

# RFC 2544, appendix C.2.2: for measurements between devices, never on the Internet.
POOL = IPv4Network("198.18.0.0/15")
_CANDIDATES = 64

EVERYTHING = IPv4Network("0.0.0.0/0")


class MachineLink:
    """A link between a node of a lab and the machine, as `Lab.machine` makes it.

    ``node`` and ``interface`` are the lab's side, with ``address``;
    ``machine_interface`` and ``machine_address`` are the machine's.  ``through``
    are the devices by which an uplink goes out, () for a link with the machine only.

    """

    def __init__(
        self,
        lab: LabHandle,
        node: Host | Router,
        subnet: str | None,
        through: Sequence[str] | None,
        trust_hosts: bool = False,
    ) -> None:
        self.node = node
        self.interface = "machine" if through is None else "uplink"
        self._lab = lab
        self._routes: dict[str, RoutePlan] = {}
        self._removed = False
        live = node.running()
        if live.lab.id != lab.id:
            raise BadArgument(f"{node.name} is no machine of lab {lab.name}")
        place = find_host(lab.id, node.name)
        refuse_strangers(place, trust_hosts)
        self._access = machine_access_for(place)
        self._pid = place.pid
        digest = hashlib.sha256(f"{lab.id}\0{node.name}\0{self.interface}".encode()).hexdigest()
        # No node's and no switch's name has an underscore.
        self.machine_interface = f"pg_{digest[:10]}"
        plan = lab.running_plan()
        with about(place):
            made = self._access.do(
                "reach",
                pid=self._pid,
                inside=self.interface,
                outside=self.machine_interface,
                addresses=_pairs(plan, digest, subnet),
                way_out=None if through is None else {"through": list(through)},
                detach=not isinstance(self._access, DockerMachineAccess),
                note={"to": f"{lab.id}/{node.name}"},
            )
        self.machine_address, self.address = map(IPv4Interface, made["addresses"])
        self.through: tuple[str, ...] = tuple(made["through"])
        if through is not None:
            try:
                self._lead_there(plan)
            except BaseException:
                self.remove()
                raise

    def __repr__(self) -> str:
        out = f", out by {', '.join(self.through)}" if self.through else ""
        return (
            f"<{self.node.name} {self.address} on {self.interface}, the machine "
            f"{self.machine_address} on {self.machine_interface}{out}>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Take it away; the machine is as it was before when this returns.

        May be repeated, and `Lab.stop` does it too.

        """
        if self._removed:
            return
        self._removed = True
        with contextlib.suppress(AgentError, NotRunning):  # what is gone has no routes
            self._change_routes("routes_remove")
        self._access.do("release", outside=self.machine_interface, pid=self._pid)

    def _lead_there(self, plan: Plan) -> None:
        """Give a default route to those who have none and know the way to the router."""
        for name, route in ways_to(plan, self.node.name).items():
            node = self._lab.node(name)
            if not isinstance(node, Router) or node.routing is not None:
                self._routes[name] = route
        self._change_routes("routes_add")

    def _change_routes(self, what: str) -> None:
        nodes = [
            {
                "pid": self._lab.node(name).running().pid,
                what: [
                    {
                        "destination": str(route.destination),
                        "via": str(route.via),
                        "interface": route.interface,
                    }
                ],
            }
            for name, route in self._routes.items()
        ]
        if nodes:
            self.node.running().agent.call("network", nodes=nodes)


def check_host(node: object) -> Host | Router:
    """Return the node; raises `BadArgument` for what can have no link with the machine."""
    if not isinstance(node, Host | Router):
        raise BadArgument(f"{node!r} is no host or router: nothing else can reach the machine")
    return node


def check_router(node: object) -> Router:
    """Return the router; raises `BadArgument` for what cannot forward for others."""
    if not isinstance(node, Router):
        raise BadArgument(f"{node!r} is no router: only a router can be a way out for others")
    return node


def ways_to(plan: Plan, router: str) -> dict[str, RoutePlan]:
    """Return a default route for each node without one, by the way it takes to a router.

    Left out are the router itself and who does not know a way to it.

    """
    there = {
        address.ip
        for interface in plan.node(router).interfaces
        for address in interface.addresses
        if isinstance(address, IPv4Interface)
    }
    found = {}
    for node in plan.nodes:
        if node.name == router or any(one.destination == EVERYTHING for one in node.routes):
            continue
        known = [
            (one.destination.prefixlen, one.via or target, one.interface)
            for one in _routes(plan, node.name)
            for target in there
            if target in one.destination
        ]
        if known:
            _, via, interface = max(known, key=lambda way: way[0])
            found[node.name] = RoutePlan(EVERYTHING, via, interface)
    return found


def _routes(plan: Plan, name: str) -> Iterator[RoutePlan]:
    node = plan.node(name)
    yield from node.routes
    for interface in node.interfaces:
        for address in interface.addresses:
            yield RoutePlan(address.network, None, interface.name)


def _pairs(plan: Plan, digest: str, subnet: str | None) -> list[tuple[str, str]]:
    """Return pairs of addresses, the machine's and the node's, that the lab does not use."""
    if subnet is not None:
        try:
            wanted: Any = ip_network(subnet)
        except ValueError as error:
            raise BadArgument(f"{subnet!r} is no subnet: {error}") from None
        if not isinstance(wanted, IPv4Network) or wanted.num_addresses < 4:
            raise BadArgument(f"{subnet} has no room for two IPv4 addresses: a /30 has")
        return [_pair(wanted)]
    used = [
        address.network
        for node in plan.nodes
        for interface in node.interfaces
        for address in interface.addresses
        if isinstance(address, IPv4Interface)
    ]
    count = 1 << (30 - POOL.prefixlen)
    start = int(digest[:8], 16)
    networks = (
        IPv4Network((int(POOL.network_address) + 4 * ((start + number) % count), 30))
        for number in itertools.count()
    )
    fitting = (one for one in networks if not any(one.overlaps(other) for other in used))
    return [_pair(network) for network in itertools.islice(fitting, _CANDIDATES)]


def _pair(network: IPv4Network) -> tuple[str, str]:
    first: IPv4Address = network.network_address
    return f"{first + 1}/{network.prefixlen}", f"{first + 2}/{network.prefixlen}"
