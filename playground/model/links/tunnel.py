"""Tunnels: links between nodes that no cable joins, by a network that does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.arguments import shown
from playground.model.kernel.tunnels import KINDS, TunnelKind, TunnelSettings
from playground.model.notation import (
    AUTO,
    WITH_PREFIX,
    OneOrMore,
    check_mtu,
    check_pair,
    kind_of,
    parse_address,
)
from playground.model.topology import Host, Link, Node, Router

# Both ends have an address of the tunnel's own, and one of the network below.
Endpoints = Sequence[str | Address | None]


class Tunnel(Link):
    """A link between two hosts or routers that puts its packets into those of a network below.

    The two need not be neighbours, as long as packets find a way from one to the other.  It
    is a link like any other: it has addresses (the lab chooses a network for it unless
    ``subnet`` or ``addresses`` say one), routes lead over it, routing protocols are spoken
    on it, and it can be captured, impaired, set down and removed.

    ``kind`` is one of

    * "gre": carries IPv4 and IPv6; ``key`` is a number that both ends write into each packet
      (RFC 2784, RFC 2890);
    * "ipip": carries IPv4 in IPv4, and nothing else (RFC 2003);
    * "sit": carries IPv6 in IPv4 (RFC 4213);
    * "vxlan": carries Ethernet frames in UDP, in IPv4 or IPv6; ``vni`` is its number, the
      lab's next unless said, ``port`` the UDP port, 4789 unless said (RFC 7348);
    * "wireguard": carries IPv4 and IPv6, encrypted, in UDP, by keys that are made for the lab.
      One end may be behind a router that masquerades; ``port`` is 51820 or the next that is
      free, unless said.  The kernel does it, or where it cannot, wireguard-go; ``wg`` on both
      nodes shows it (wg(8)).

    ``endpoints`` are the addresses between which packets pass below, (for a, for b); where
    one is None, the lab takes that of the interface by which the shortest way leads to the
    other end.  ``mtu`` is that of the way below less what the kind adds, unless said: over
    Ethernet 1476 bytes for "gre", 1480 for "ipip" and "sit", 1450 for "vxlan", 1440 for
    "wireguard".  The addresses of endpoints are reached by the network below in any case,
    never by a tunnel.

    Interfaces are called gre1, ipip1, sit1, vxlan0, wg0 and so on.  Where the kernel lacks the
    kind, `Lab.start` says which module it needs before anything is made.

    Raises `TopologyError` for what cannot be; the nodes are then as they were.

    >>> Tunnel(r1, r2, kind="gre", subnet="10.9.0.0/30", key=7)
    Tunnel(r1, r2, kind='gre', subnet='10.9.0.0/30', key=7)

    """

    def __init__(
        self,
        a: Node,
        b: Node,
        *,
        kind: str,
        subnet: OneOrMore = None,
        addresses: Sequence[OneOrMore] | None = AUTO,
        names: Sequence[str | None] = (None, None),
        macs: Sequence[str | None] = (None, None),
        endpoints: Endpoints = (None, None),
        mtu: int | None = None,
        key: int | None = None,
        vni: int | None = None,
        port: int | None = None,
        offload: bool = False,
    ) -> None:
        here = _check_ends(a, b)
        row = _check_kind(here, kind)
        self._tunnel = TunnelSettings(
            kind,
            _check_number(here, row, key, vni),
            _check_port(here, row, port),
            _check_endpoints(here, row, a, b, endpoints),
            None if mtu is None else check_mtu(here, mtu),
        )
        if not row.ethernet and any(macs):
            raise TopologyError(
                f"{here}: a tunnel of kind {kind!r} carries bare packets, and its ends have no MAC "
                f'addresses; leave macs= out, or choose kind="vxlan"'
            )
        try:
            super().__init__(
                a,
                b,
                subnet=subnet,
                addresses=addresses,
                names=names,
                macs=macs,
                mtu=1500 if mtu is None else mtu,
                offload=offload,
            )
            _check_families(here, self, row)
        except BaseException:
            for node in (a, b):
                if self in node.links:
                    node.links.remove(self)
            raise

    @property
    def families(self) -> tuple[int, ...]:
        """The versions of IP that it can carry: a tunnel of kind "sit" carries IPv6 alone."""
        return KINDS[self.kind].families

    @property
    def kind(self) -> str:
        """The kind that was declared."""
        assert self._tunnel is not None
        return self._tunnel.kind

    def change(self, **_: Any) -> None:
        """Refused: a tunnel is in no VLAN."""
        raise TopologyError(f"{self!r} leads to no switch with VLANs; there is none to change")

    def __repr__(self) -> str:
        settings = self._tunnel
        assert settings is not None
        first, second, *others = [one for one in self._said() if not one.startswith("mtu=")]
        parts = [first, second, f"kind={settings.kind!r}", *others]
        if any(settings.endpoints):
            one, other = (None if item is None else str(item) for item in settings.endpoints)
            parts.append(f"endpoints=({one!r}, {other!r})")
        row = KINDS[settings.kind]
        if settings.number is not None:
            parts.append(f"{row.number}={settings.number}")
        parts += [f"port={settings.port}"] if settings.port is not None else []
        parts += [f"mtu={settings.mtu_bytes}"] if settings.mtu_bytes is not None else []
        return f"Tunnel({', '.join(parts)})"


def _check_ends(a: object, b: object) -> str:
    for node in (a, b):
        if not isinstance(node, Host | Router):
            raise TopologyError(
                f"a Tunnel joins two hosts or routers, and {node!r} is {kind_of(node)}; give it "
                "the machines behind which the networks are that it shall join"
            )
    assert isinstance(a, Host | Router) and isinstance(b, Host | Router)
    return f"tunnel {a.name} - {b.name}"


def _check_kind(here: str, kind: object) -> TunnelKind:
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(f'"{name}"' for name in KINDS)
        raise TopologyError(
            f"{here}: there is no kind of tunnel {shown(kind)}; write one of {known}"
        )
    return KINDS[kind]


def _check_number(here: str, row: TunnelKind, key: object, vni: object) -> int | None:
    said = {name: value for name, value in (("key", key), ("vni", vni)) if value is not None}
    for name in said:
        if name != row.number:
            [owner] = [other.name for other in KINDS.values() if other.number == name]
            raise TopologyError(
                f'{here}: {name}= is a number of kind "{owner}", and this one is {row.name!r}; '
                f"leave it out"
            )
    if not said:
        return None
    [(name, number)] = said.items()
    if isinstance(number, bool) or not isinstance(number, int) or number not in row.numbers:
        raise TopologyError(
            f"{here}: {name}={shown(number)} is no number from {row.numbers[0]} to "
            f"{row.numbers[-1]} ({row.source})"
        )
    return number


def _check_port(here: str, row: TunnelKind, port: object) -> int | None:
    if port is None:
        return None
    if row.port is None:
        raise TopologyError(
            f"{here}: a tunnel of kind {row.name!r} has no ports, for it is no UDP; leave port= out"
        )
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise TopologyError(f"{here}: port={shown(port)} is no UDP port, from 1 to 65535")
    return port


def _check_endpoints(
    here: str, row: TunnelKind, a: Node, b: Node, endpoints: Endpoints
) -> tuple[Address | None, Address | None]:
    pair = check_pair(here, a, b, "endpoints", endpoints, "None where the lab shall choose")
    found: list[Address | None] = []
    for item in pair:
        if item is None:
            found.append(None)
            continue
        parsed = parse_address(f"{here}, endpoints", item)
        if isinstance(parsed, WITH_PREFIX):
            raise TopologyError(
                f"{here}: an endpoint is an address that the node has on another link, without a "
                f'prefix; write "{parsed.ip}"'
            )
        if parsed.version not in row.below:
            raise TopologyError(
                f"{here}: a tunnel of kind {row.name!r} runs over IPv{row.below[0]}, and {parsed} "
                f"is IPv{parsed.version}; name an address of IPv{row.below[0]}, or choose "
                f'kind="vxlan"'
            )
        found.append(parsed)
    one, other = found
    if one is not None and other is not None and one.version != other.version:
        raise TopologyError(
            f"{here}: endpoints {one} and {other} are of two families; name two of one"
        )
    return one, other


def _check_families(here: str, tunnel: Link, row: TunnelKind) -> None:
    given = [*tunnel.subnets, *(item for end in tunnel.ends for item in end.addresses)]
    for item in given:
        if item.version not in row.families:
            raise TopologyError(
                f"{here}: a tunnel of kind {row.name!r} carries IPv{row.families[0]} alone, and "
                f'{item} is IPv{item.version}; choose kind="gre", which carries both'
            )
