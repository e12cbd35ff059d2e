"""Places of captures: where one looks, at a node, at a link, or at a whole lab.

`Capture` itself is imported once something is to be captured.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from playground.errors import BadArgument
from playground.model.arguments import shown
from playground.operations.connection.client import Client
from playground.operations.connection.handles import LabHandle, Node

if TYPE_CHECKING:
    from playground.operations.captures.capture import Capture
    from playground.planning.plan_parts import InterfacePlan


class CaptureOptions(TypedDict, total=False):
    """The arguments of a capture, wherever it looks; `at_node` describes them."""

    filter: str
    snaplen_bytes: int
    limit_packets: int | None
    limit_bytes: int | None
    limit_s: float | None


def at_node(
    node: Node,
    *,
    filter: str = "",  # noqa: A002 - as tcpdump's users call it
    interface: str | None = None,
    snaplen_bytes: int = 1 << 18,
    limit_packets: int | None = None,
    limit_bytes: int | None = None,
    limit_s: float | None = None,
) -> Capture:
    """Return a `Capture` at one ``interface`` of the node, or at all, to be used by ``with``.

    ::

        with h1.capture(filter="tcp port 80 and host www") as packets:
            h1.run("curl -s http://www/")
        packets.table()                 # time, where, source, destination, protocol ...
        packets.ladder()                # a sequence diagram
        packets.streams()[0].received_text
        packets.save("h1.pcapng")

    ``filter`` is written as for tcpdump; names in it are those of the lab's machines.
    ``limit_packets``, ``limit_bytes`` (256 MiB, if nothing is said) and ``limit_s`` end
    the capture by themselves; ``snaplen_bytes`` is what is kept of each packet.  "All"
    interfaces are those of links, which leaves out loopback: ``interface="lo"``.

    A filter that is wrong, and an interface that is not there, raise `BadArgument` at the
    ``with`` line.  Source: packet(7), pcap-filter(7).

    """
    live = node.running()
    if interface is not None and not isinstance(interface, str):
        raise BadArgument(f"interface={shown(interface)} is no name; write for example 'eth0'")
    there = live.plan.interfaces if live.plan else ()
    links = [item.name for item in there if not is_upon_another(item)]
    names = links if interface is None else [interface]
    return at_ends(
        live.agent,
        live.lab,
        [{"node": node.name, "interface": name, "pid": live.pid} for name in names],
        filter=filter,
        snaplen_bytes=snaplen_bytes,
        limit_packets=limit_packets,
        limit_bytes=limit_bytes,
        limit_s=limit_s,
    )


def is_upon_another(interface: InterfacePlan) -> bool:
    """Whether its frames leave by another interface, where they are seen with their tag.

    Those of a loopback interface leave by none.

    """
    return interface.parent is not None or interface.is_loopback


def at_ends(
    agent: Client,
    lab: LabHandle,
    ends: Iterable[Mapping[str, Any]],
    **options: Unpack[CaptureOptions],
) -> Capture:
    """Return a capture at interfaces, each {"node", "interface", "pid"}."""
    from playground.operations.captures.capture import Capture
    from playground.operations.captures.frames import CapturePoint, Directory

    segments = {
        (node.name, interface.name): interface.segment
        for node in lab.running_plan().nodes
        for interface in node.interfaces
    }
    places = []
    for end in ends:
        name = (end["node"], end["interface"])
        places.append((CapturePoint(*name, segments.get(name, "")), end))
    return Capture(agent, places, lambda: Directory.of(lab.running_plan()), **options)
