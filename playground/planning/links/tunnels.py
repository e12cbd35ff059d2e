"""Tunnels of a lab: between which addresses of the network below they run, and with what MTU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.kernel.tunnels import KINDS, TunnelEnd, TunnelSettings
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.segments import Segment
from playground.planning.links.network_below import NetworkBelow, WayBelow, addresses_of
from playground.planning.plan_parts import InterfacePlan

# RFC 791: every network carries so much; a tunnel that leaves less is none.
_LEAST_BYTES = 68


@dataclass(frozen=True)
class TunnelPlan:
    """One tunnel: both its ends, in the order of its link's, and what fits through it."""

    ends: tuple[TunnelEnd, TunnelEnd]
    mtu_bytes: int

    @property
    def ethernet(self) -> bool:
        """Whether its ends have MAC addresses."""
        return KINDS[self.ends[0].kind].ethernet


def find_tunnels(
    links: Iterable[Link],
    segments: Sequence[Segment],
    addressing: Addressing,
    earlier: Mapping[End, InterfacePlan],
) -> dict[Link, TunnelPlan]:
    """Return how each tunnel runs over the network below; ``earlier`` ones stay as they are.

    Raises `TopologyError` where no way leads from one end to the other, where a router
    between them masquerades and the kind cannot pass that, where an endpoint is none of the
    node's addresses, and where two tunnels of a node could not be told apart.

    """
    tunnels = [link for link in links if link.tunnel is not None]
    if not tunnels:
        return {}
    below = NetworkBelow(segments, addressing)
    numbers, ports = _numbers(tunnels, earlier), _ports(tunnels, earlier)
    found = {
        link: _find(link, below, addressing, numbers[link], ports[link], earlier)
        for link in tunnels
    }
    _refuse_alike(found)
    return found


def _settings(link: Link) -> TunnelSettings:
    assert link.tunnel is not None
    return link.tunnel


def _numbers(
    tunnels: Sequence[Link], earlier: Mapping[End, InterfacePlan]
) -> dict[Link, int | None]:
    """Return the number of each tunnel: of VXLANs without one the lab's next that is free."""
    found = {link: _settings(link).number for link in tunnels}
    for link in tunnels:
        before = earlier.get(link.ends[0])
        if before is not None and before.tunnel is not None:
            found[link] = before.tunnel.number
    taken = {number for link, number in found.items() if _settings(link).kind == "vxlan"}
    free = (number for number in KINDS["vxlan"].numbers if number not in taken)
    for link, number in found.items():
        if number is None and _settings(link).kind == "vxlan":
            found[link] = next(free)
    return found


def _ports(tunnels: Sequence[Link], earlier: Mapping[End, InterfacePlan]) -> dict[Link, int | None]:
    """Return the UDP port of each tunnel: each of WireGuard's has one of its own in the lab."""
    found: dict[Link, int | None] = {}
    for link in tunnels:
        before = earlier.get(link.ends[0])
        settings, row = _settings(link), KINDS[_settings(link).kind]
        usual = None if row.name == "wireguard" else row.port
        found[link] = settings.port or usual
        if before is not None and before.tunnel is not None:
            found[link] = before.tunnel.port
    taken = {port for link, port in found.items() if _settings(link).kind == "wireguard"}
    free = (port for port in count(KINDS["wireguard"].port or 0) if port not in taken)
    for link, port in found.items():
        if port is None and _settings(link).kind == "wireguard":
            found[link] = next(free)
    return found


def _find(
    link: Link,
    below: NetworkBelow,
    addressing: Addressing,
    number: int | None,
    port: int | None,
    earlier: Mapping[End, InterfacePlan],
) -> TunnelPlan:
    before = [earlier.get(end) for end in link.ends]
    if all(item is not None and item.tunnel is not None for item in before):
        one, other = (item for item in before if item is not None)
        assert one.tunnel is not None and other.tunnel is not None
        return TunnelPlan((one.tunnel, other.tunnel), one.mtu_bytes)
    a, b = (end.node for end in link.ends)
    here = f"tunnel {a.name} - {b.name}"
    settings = _settings(link)
    for node, address in zip((a, b), settings.endpoints, strict=True):
        _check_own(here, node, address, addressing)
    there, back = _both_ways(here, a, b, settings, below)
    way = there or back
    assert way is not None
    local, remote = (way.local, way.remote) if there else (way.remote, way.local)
    hidden = there is None or back is None
    ends = (
        _end(settings.kind, local, remote if there else None, number, port, hidden),
        _end(settings.kind, remote, local if back else None, number, port, hidden),
    )
    overhead = ends[0].overhead_bytes
    least = min(item.mtu_bytes for item in (there, back) if item is not None)
    mtu_bytes = settings.mtu_bytes or least - overhead
    if mtu_bytes < _LEAST_BYTES:
        raise TopologyError(
            f"{here}: the network below carries packets of {least} bytes, and kind "
            f"{settings.kind!r} adds {overhead} to each: nothing is left; make the links below "
            f"carry more"
        )
    return TunnelPlan(ends, mtu_bytes)


def _end(
    kind: str,
    local: Address,
    remote: Address | None,
    number: int | None,
    port: int | None,
    hidden: bool,
) -> TunnelEnd:
    # Who can reach the other, and not the other way round, has to keep the NAT's way open.
    return TunnelEnd(kind, local, remote, number, port, keepalive=hidden and remote is not None)


def _check_own(here: str, node: Machine, address: Address | None, addressing: Addressing) -> None:
    if address is None:
        return
    own = addresses_of(node, addressing)
    if address not in own:
        known = ", ".join(map(str, own)) or "none"
        raise TopologyError(
            f"{here}: {node.name} has no address {address} that could be an endpoint; those of "
            f"its links are {known}"
        )


def _both_ways(
    here: str, a: Machine, b: Machine, settings: TunnelSettings, below: NetworkBelow
) -> tuple[WayBelow | None, WayBelow | None]:
    """Return the way there and the way back; where the kind passes NAT, one may be None."""
    local, remote = settings.endpoints
    wanted = next((item.version for item in settings.endpoints if item is not None), None)
    kind = KINDS[settings.kind]
    hidden: Router | None = None
    for family in kind.below if wanted is None else (wanted,):
        there = below.way(a, b, family, local=local, remote=remote)
        if there is None:
            back = below.way(b, a, family, local=remote, remote=local)
            if back is not None and kind.passes_nat:
                return None, back
            hidden = hidden or (back.masquerades if back else None)
            continue
        back = below.way(b, a, family, local=there.remote, remote=there.local)
        if back is not None or kind.passes_nat:
            return there, back
        hidden = hidden or there.masquerades
    if hidden is not None:
        raise TopologyError(
            f"{here}: {hidden.name} lies between, which masquerades, and a tunnel of kind "
            f"{settings.kind!r} passes no NAT; end the tunnel at {hidden.name} itself, or choose "
            f'kind="wireguard"'
        )
    versions = " or ".join(f"IPv{family}" for family in kind.below)
    raise TopologyError(
        f"{here}: no way of {versions} leads from {a.name} to {b.name} by cables, and a tunnel "
        f"needs a network below it; link both to one"
    )


def _refuse_alike(found: Mapping[Link, TunnelPlan]) -> None:
    """Refuse two tunnels of one node whose packets its kernel could not tell apart."""
    seen: dict[object, Link] = {}
    for link, plan in found.items():
        for end, tunnel in zip(link.ends, plan.ends, strict=True):
            for mark in _marks(end.node, tunnel):
                other = seen.setdefault(mark, link)
                if other is link:
                    continue
                word = KINDS[tunnel.kind].number
                advice = f"give each a {word}= of its own" if word else "leave one of them out"
                if tunnel.kind == "wireguard":
                    advice = "give each a port= of its own"
                if word == "key":
                    advice = "give both a key= of its own"
                raise TopologyError(
                    f"{end.node.name} could not tell the packets of {link!r} from those of "
                    f"{other!r}; {advice}"
                )


def _marks(node: Machine, end: TunnelEnd) -> Iterator[object]:
    if end.kind == "wireguard":
        yield node, end.kind, end.port
    elif end.kind == "vxlan":
        # drivers/net/vxlan: one device for each VNI at a port.
        yield node, end.kind, end.number, end.port
    else:
        yield node, end.kind, end.number, end.local, end.remote
