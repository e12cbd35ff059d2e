"""Links that cross machines: one wire as two halves, and a tunnel between them.

Each half is a veth pair like any other, whose far end stays in the lab's own namespace of
its machine.  There all that comes out of it goes into a VXLAN device, and what comes by that
into the far end, untouched (`links.vxlan`).  So a node's interface is the same kind on every
link, and all that is done to it, or at it, is done as on one machine.  Pure.

"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playground.agent.machines.sharing import Places
from playground.agent.protocol import Request

# RFC 7348 section 5: a VXLAN network identifier has 24 bits.
VNI_BITS = 24


@dataclass(frozen=True)
class CrossingCable:
    """One link that crosses: its VXLAN network identifier, and the machines of its ends.

    ``ends`` are these ends by machine, process and interface.

    """

    vni: int
    a: int
    b: int
    mtu_bytes: int
    ends: tuple[tuple[int, int | None, str], ...] = ()

    @property
    def far_end(self) -> str:
        """The name of the far end of both halves, each on its machine."""
        return f"x{self.vni:06x}"


def far_end(vni: int) -> Request:
    return {"pid": None, "interface": f"x{vni:06x}", "mac": None, "bridge": None}


def share_wiring(
    arguments: Request,
    places: Places,
    machine_named: Callable[[str | None], int],
    new_vni: Callable[[], int],
) -> tuple[dict[int, Request], list[CrossingCable]]:
    """Return what each machine is to wire, and the tunnels between them.

    Notes in ``places`` where each switch and each port is.  A bridge of the request has the name
    of its ``machine``; ``new_vni`` returns a number that no other tunnel of the lab has.

    """
    shares: dict[int, Request] = {}

    def part(where: int) -> Request:
        return shares.setdefault(where, {"bridges": [], "veths": []})

    for row in arguments["bridges"]:
        where = machine_named(row.get("machine"))
        places.interfaces[row["device"]] = where
        part(where)["bridges"].append({k: v for k, v in row.items() if k != "machine"})
    tunnels = []
    for veth in arguments["veths"]:
        a, b = places.of(veth["a"]), places.of(veth["b"])
        for end, where in ((veth["a"], a), (veth["b"], b)):
            if end["pid"] is None:
                places.interfaces[end["interface"]] = where
        if a == b:
            part(a)["veths"].append(veth)
            continue
        sizes = (veth[end].get("mtu_bytes", veth["mtu_bytes"]) for end in ("a", "b"))
        ends = tuple(
            (where, end["pid"], str(end["interface"]))
            for where, end in ((a, veth["a"]), (b, veth["b"]))
        )
        tunnel = CrossingCable(new_vni(), a, b, max(sizes), ends)
        tunnels.append(tunnel)
        part(a)["veths"].append(veth | {"b": far_end(tunnel.vni)})
        part(b)["veths"].append(veth | {"a": far_end(tunnel.vni)})
    return shares, tunnels
