"""What wg(8) is told of each tunnel's end: made of a plan and of the lab's keys, last of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from playground.model.kernel.tunnels import KEEPALIVE_S
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan

# The private and the public key of a node's interface, as wg(8) writes them.
Keys = Callable[[str, str], tuple[str, str]]


def wireguard_interfaces(node: NodePlan) -> list[InterfacePlan]:
    """Return the interfaces of a node that are ends of tunnels of kind "wireguard"."""
    return [
        item
        for item in node.interfaces
        if item.tunnel is not None and item.tunnel.kind == "wireguard"
    ]


def wireguard_texts(plan: Plan, node: NodePlan, keys: Keys) -> Iterator[tuple[str, str]]:
    """Yield each such interface of a node, and what `wg setconf` reads for it.

    Whatever the other end sends is taken, and all that is routed there is sent: who may say
    what is the routes' affair, as on a cable.

    """
    for item in wireguard_interfaces(node):
        assert item.tunnel is not None
        peer_node, peer_interface = _peer(plan, node.name, item.name)
        private, _ = keys(node.name, item.name)
        _, public = keys(peer_node, peer_interface)
        lines = [
            "[Interface]",
            f"PrivateKey = {private}",
            f"ListenPort = {item.tunnel.port}",
            "[Peer]",
            f"PublicKey = {public}",
            "AllowedIPs = 0.0.0.0/0, ::/0",
        ]
        if item.tunnel.remote is not None:
            address = str(item.tunnel.remote)
            shown = f"[{address}]" if ":" in address else address
            lines.append(f"Endpoint = {shown}:{item.tunnel.port}")
        if item.tunnel.keepalive:
            lines.append(f"PersistentKeepalive = {KEEPALIVE_S}")
        yield item.name, "".join(f"{line}\n" for line in lines)


def _peer(plan: Plan, node: str, interface: str) -> tuple[str, str]:
    for wire in plan.wires:
        end = wire.end_at(node, interface)
        if end is not None:
            other = wire.b if end is wire.a else wire.a
            return other.node, other.interface
    raise LookupError((node, interface))
