"""From what an agent tells to events: the state of links and services that it is compared with.

Pure: no line, no clock.

"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from playground.lab.life.plan_changes import PlanData, Wire, changes, wire_key
from playground.operations.diagnosis.evidence.adjacencies import Said
from playground.operations.life.events import (
    AddressEvent,
    Event,
    InterfaceEvent,
    LinkEvent,
    LostEvent,
    NeighbourEvent,
    NodeEvent,
    RouteEvent,
    ServiceEvent,
)
from playground.operations.nodes.routes import read_route

# States of a neighbour in which routes are told (RFC 2328 section 10.1, RFC 4271 section 8.2.2).
# Between two that are no designated routers it stays 2-Way, and that is as it should be.
_UP = {"OSPF": ("Full", "2-Way"), "OSPFv3": ("Full", "Twoway"), "BGP": ("Established",)}

# The agent's own, by which it delays frames where the kernel cannot (`agent.links.relay`).
_OURS = re.compile("relay[0-9]")

# By (protocol, number): the services of a node that listen there.
Ports = Mapping[str, Sequence[tuple[str, int]]]


class EventReader:
    """What is known of a lab, so that what is told of it can be called an event.

    ``services`` are by node and name the ports of each.

    """

    def __init__(self, plan: PlanData, services: Mapping[str, Ports]) -> None:
        self._services = services
        self._ends: dict[tuple[str, str], bool] = {}
        self._links: dict[Wire, bool] = {}
        self._open: dict[str, dict[tuple[str, int], bool]] = {}
        self._up: dict[tuple[str, str], bool] = {}
        self._neighbours: dict[tuple[str, str, str], tuple[bool, str]] | None = None
        # Nodes whose process has ended, and that nothing has taken the place of.
        self.dead: set[str] = set()
        self._take_plan(plan)

    def _take_plan(self, plan: PlanData) -> None:
        self.plan = plan
        self._devices = {item["device"] for item in plan["switches"]}
        self._wires: dict[tuple[str, str], Wire] = {}
        switches = {item["name"] for item in plan["switches"]}
        for wire in plan["wires"]:
            key = wire_key(wire)
            for node, interface in (key[:2], key[2:]):
                self._wires["" if node in switches else node, interface] = key

    def planned(self, plan: PlanData, services: Mapping[str, Ports], now_s: float) -> list[Event]:
        """Return what has changed where the lab was written down anew."""
        found = [*changes(self.plan, plan, now_s)]
        came_or_went = ("added", "removed")
        self.dead -= {
            event.node
            for event in found
            if isinstance(event, NodeEvent) and event.state in came_or_went
        }
        self._services = services
        self._take_plan(plan)
        there = {*self._wires.values()}
        self._links = {key: up for key, up in self._links.items() if key in there}
        return found

    def made_anew(self, nodes: Collection[str], now_s: float) -> list[Event]:
        """Forget what is known of nodes that are others now under their names, and say so."""
        self._ends = {end: up for end, up in self._ends.items() if end[0] not in nodes}
        self.dead -= {*nodes}
        return [NodeEvent(now_s, name, "made anew") for name in nodes]

    def read(
        self, node: str, row: Mapping[str, Any], now_s: float, *, known: bool = False
    ) -> list[Event]:
        """Return the events of a row that the agent has told; ``node`` is "" for the lab's own.

        A row is ``known`` that says how things were before anybody listened: it is no event.

        """
        found = [*self._read(node, row, now_s)]
        return [] if known else found

    def _read(self, node: str, row: Mapping[str, Any], now_s: float) -> Iterator[Event]:
        state = "added" if row.get("there") else "removed"
        if "address" in row:
            yield AddressEvent(now_s, node, row["interface"], row["address"], state)
        elif "route" in row:
            words = read_route(row["route"]).as_shell().partition(" add ")[2]
            yield RouteEvent(now_s, node, words, state)
        elif "interface" in row:
            yield from self._interface(node, row, now_s)
        elif "ports" in row:
            yield from self._heard(node, row["ports"], now_s)
        elif "lost" in row:
            yield LostEvent(now_s, node, int(row["lost"]))
        elif "died" in row and node not in self.dead:
            self.dead.add(node)
            yield NodeEvent(now_s, node, "died")

    def _interface(self, node: str, row: Mapping[str, Any], now_s: float) -> Iterator[Event]:
        name = str(row["interface"])
        up = bool(row["up"] and row["carrier"] and row["there"])
        was = self._ends.get((node, name))
        if row["there"]:
            self._ends[node, name] = up
        else:
            self._ends.pop((node, name), None)
        key = self._wires.get((node, name))
        if key is not None:
            yield from self._link(key, now_s)
        elif node and up != was and not _OURS.match(name):
            state = "up" if up else "down" if row["there"] else "removed"
            if was is not None or state != "down":
                yield InterfaceEvent(now_s, node, name, state)

    def _link(self, key: Wire, now_s: float) -> Iterator[Event]:
        ends = [
            self._ends[end]
            for end in ((key[0], key[1]), (key[2], key[3]), ("", key[1]), ("", key[3]))
            if end in self._ends and self._wires.get(end) == key
        ]
        up = bool(ends) and all(ends)
        if self._links.get(key) != up:
            was = self._links.get(key)
            self._links[key] = up
            # A link that has just been made comes up, which is no news.
            if was is not None or not up:
                yield LinkEvent(now_s, *key, "up" if up else "down")

    def _heard(self, node: str, ports: Sequence[Sequence[Any]], now_s: float) -> Iterator[Event]:
        is_open = {(protocol, number): heard for protocol, number, heard in ports}
        for service, wanted in self._services.get(node, {}).items():
            if not wanted:
                continue
            up = any(is_open.get((protocol, number)) for protocol, number in wanted)
            was = self._up.get((node, service))
            self._up[node, service] = up
            if up != was:
                yield ServiceEvent(now_s, node, service, "up" if up else "down")

    def neighbours(self, said: Mapping[str, Said], now_s: float) -> list[Event]:
        """Return which neighbours of routing daemons came and went since they were asked last."""
        there = dict(_neighbours(said))
        before, self._neighbours = self._neighbours, there
        if before is None:
            return []
        names = self._names(said)
        found = []
        for key in dict.fromkeys((*there, *before)):
            up, word = there.get(key, (False, ""))
            if up != before.get(key, (False, ""))[0]:
                node, protocol, other = key
                other = names.get((protocol, other), other)
                state = "up" if up else "down"
                found.append(NeighbourEvent(now_s, node, protocol, other, state, word))
        return list(found)

    def _names(self, said: Mapping[str, Said]) -> dict[tuple[str, str], str]:
        """Return the routers by what others call them: their ids in OSPF, addresses in BGP."""
        found = {
            ("BGP", address.partition("/")[0]): node["name"]
            for node in self.plan["nodes"]
            for interface in node["interfaces"]
            for address in interface["addresses"]
        }
        for name, one in said.items():
            for protocol, word in (("OSPF", "ospf"), ("OSPFv3", "ospf6")):
                if own := one.router_id(word):
                    found[protocol, own] = name
        return found


def _neighbours(
    said: Mapping[str, Said],
) -> Iterator[tuple[tuple[str, str, str], tuple[bool, str]]]:
    for name, one in said.items():
        for protocol, interfaces in (("OSPF", one.ospf), ("OSPFv3", one.ospf6)):
            for item in (interfaces or {}).values():
                for neighbour, state in item.states.items():
                    word = state.partition("/")[0]
                    yield (name, protocol, neighbour), (word in _UP[protocol], word)
        for address, session in (one.bgp or {}).items():
            yield (name, "BGP", address), (session.state in _UP["BGP"], session.state)
