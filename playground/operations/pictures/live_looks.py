"""Looks at a running lab for its living picture, as cheap as they can be.

Of each link one end is asked, and ends in one network together: sixty hosts on a switch are one
question.  What a look costs stands in `display.live_picture.pause_s`: nothing else bounds it.

"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from playground.display.live_picture import CableLook, NodeLook
from playground.errors import AgentError, AgentGone
from playground.model.impairment import Impairment
from playground.operations.connection.client import Client
from playground.operations.connection.handles import LiveNode, LiveWire
from playground.operations.network import Node
from playground.operations.pictures.diagram import Seen, impairment_note
from playground.operations.pictures.live_links import LiveLink, Pair, live_links
from playground.operations.pictures.picture import blocked_ports, look
from playground.planning.plan_parts import WireEnd

# Queues of interfaces that nobody has given any.
_PLAIN_QUEUES = ("noqueue", "noop", "")


def look_at_links(
    agent: Client, nodes: Sequence[Node], before: Mapping[Pair, Seen]
) -> dict[Pair, Seen]:
    """Return how each link of these nodes is.

    The impairments of one that was seen ``before`` are asked for only where there is a reason:
    one was declared, or something waits in a queue there.

    """
    links = live_links(nodes)
    try:
        rows = _states(agent, [link.wire for link in links])
        asked = [
            link
            for link, row in zip(links, rows, strict=True)
            if any(link.link.declared_impairments) or _waits(row) or _was_impaired(link, before)
        ]
        impaired = _impairments(agent, asked)
        blocked = blocked_ports(agent, nodes)
    except AgentGone:
        raise
    except AgentError:
        # A machine of several, or a node, went at this moment: link by link then.
        return dict(look(agent, nodes))
    seen = {}
    for link, row in zip(links, rows, strict=True):
        pair = link.ends
        kept = before.get(pair, Seen())
        toward_a, toward_b = impaired.get(pair, (kept.toward_a, kept.toward_b))
        if row is None:
            seen[pair] = Seen(False, toward_a, toward_b)
            continue
        by = next((end.node for end in pair if end in blocked), "")
        seen[pair] = Seen(row.passes, toward_a, toward_b, by, row.bytes_to_a, row.bytes_to_b)
    return seen


class _SeenEnd:
    """One end of a link as the agent has it, in the words of the link."""

    def __init__(self, said: Sequence[Any], at_a: bool) -> None:
        self.passes, received, sent, self.queue = said
        self.bytes_to_a, self.bytes_to_b = (received, sent) if at_a else (sent, received)


def _states(agent: Client, wires: Sequence[LiveWire]) -> list[_SeenEnd | None]:
    ends = [wire.ends for wire in wires]
    # The network in which most links end: that of the switches, or a router's.
    common = Counter(end["pid"] for pair in ends for end in pair)
    sides = [0 if common[pair[0]["pid"]] >= common[pair[1]["pid"]] else 1 for pair in ends]
    pids = [*dict.fromkeys(pair[side]["pid"] for pair, side in zip(ends, sides, strict=True))]
    answers = dict(zip(pids, agent.call("link_states", pids=pids), strict=True)) if pids else {}
    rows: list[_SeenEnd | None] = []
    for pair, side in zip(ends, sides, strict=True):
        known = answers[pair[side]["pid"]] or {}
        said = known.get(pair[side]["interface"])
        rows.append(None if said is None else _SeenEnd(said, side == 0))
    return rows


def _waits(row: _SeenEnd | None) -> bool:
    """Whether frames wait there in a queue that somebody made."""
    return row is not None and row.queue not in _PLAIN_QUEUES


def _was_impaired(link: LiveLink, before: Mapping[Pair, Seen]) -> bool:
    """Whether a link was seen impaired, or was not seen yet."""
    seen = before.get(link.ends)
    return seen is None or bool(seen.toward_a or seen.toward_b)


Impaired = tuple[Impairment | None, Impairment | None]


def _impairments(agent: Client, links: Sequence[LiveLink]) -> dict[Pair, Impaired]:
    # Frames toward an end are impaired where they leave the other.
    back = [end for link in links for end in link.wire.ends[::-1]]
    answers = agent.call("impaired", ends=back) if back else []
    found = {}
    for number, link in enumerate(links):
        both = zip(
            link.link.declared_impairments, answers[2 * number : 2 * number + 2], strict=True
        )
        toward_a, toward_b = (
            declared.as_read(answer["settings"]) if answer["by"] else None
            for declared, answer in both
        )
        found[link.ends] = (toward_a, toward_b)
    return found


def cable_look(a: WireEnd, b: WireEnd, seen: Seen | None) -> CableLook:
    """Return how a link is; one that nobody has seen does not pass anything yet."""
    if seen is None:
        return CableLook(up=False)
    both: Sequence[tuple[WireEnd, Impairment | None]] = ((a, seen.toward_a), (b, seen.toward_b))
    impaired = [(end.node, impairment) for end, impairment in both if impairment]
    return CableLook(
        seen.up, seen.blocked, impairment_note(impaired), seen.bytes_to_a, seen.bytes_to_b
    )


def look_at_nodes(agent: Client, nodes: Mapping[str, LiveNode | None]) -> dict[str, NodeLook]:
    """Return which nodes are there, and which of their services listen on all their ports.

    A service that has no port is left out: nothing tells of it but its own words.

    """
    live = {name: node for name, node in nodes.items() if node is not None and not node.stopped}
    ports = {
        name: [(service, probe) for service, row in node.services.items() for probe in row.probes]
        for name, node in live.items()
    }
    asked = [
        {"pid": node.pid, "ports": [[probe.protocol, probe.port] for _, probe in ports[name]]}
        for name, node in live.items()
    ]
    found = {name: NodeLook(alive=False) for name in nodes}
    for name, answer in zip(live, agent.call("listening", nodes=asked), strict=True):
        if answer is None:
            continue
        services: dict[str, bool] = {}
        for (service, _), listens in zip(ports[name], answer, strict=True):
            services[service] = services.get(service, True) and listens
        found[name] = NodeLook(services=services)
    return found
