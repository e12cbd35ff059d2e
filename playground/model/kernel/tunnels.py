"""Kinds of tunnels: what each carries, what it adds to a packet, and one end as the kernel has it.

A tunnel puts each packet of its own into one of the network below.  What it puts around it
makes the packets that fit shorter: the MTU of a tunnel is that of the way below less what
its kind adds.

"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.model.addresses import Address
from playground.model.records import dataclass
from playground.model.services.links.wireguard import WIREGUARD_FILES

# Header lengths in bytes: RFC 791, RFC 8200, RFC 768.
IPV4, IPV6, UDP, ETHERNET = 20, 40, 8, 14

# RFC 1812 section 4.2.2.9 and RFC 1700: how many routers the packets around may pass.
TTL = 64


@dataclass(frozen=True)
class TunnelKind:
    """A kind of tunnel, by its name in ip-link(8).

    ``families`` are the versions of IP that it carries, ``below`` those that may carry it,
    ``adds_bytes`` what it puts between the header of the packet around and the packet inside.
    ``ethernet`` tells whether it carries frames, with MAC addresses, or bare packets.
    ``number`` is the word for a number that tells tunnels apart (``key`` or ``vni``), and
    ``port`` the UDP port that it is spoken at.  ``passes_nat`` tells whether one end may be
    behind a router that masquerades.

    """

    name: str
    families: tuple[int, ...]
    below: tuple[int, ...]
    adds_bytes: int
    prefix: str
    first: int
    source: str
    ethernet: bool = False
    number: str | None = None
    numbers: range = range(0)
    port: int | None = None
    passes_nat: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        # One with a key has 4 bytes more (RFC 2890).
        TunnelKind(
            "gre",
            (4, 6),
            (4,),
            4,
            "gre",
            1,
            "RFC 2784, RFC 2890",
            number="key",
            numbers=range(2**32),
        ),
        TunnelKind("ipip", (4,), (4,), 0, "ipip", 1, "RFC 2003"),
        TunnelKind("sit", (6,), (4,), 0, "sit", 1, "RFC 4213"),
        TunnelKind(
            "vxlan",
            (4, 6),
            (4, 6),
            UDP + 8 + ETHERNET,
            "vxlan",
            0,
            "RFC 7348",
            ethernet=True,
            number="vni",
            numbers=range(1, 2**24),
            port=4789,
        ),
        # A header of 16 bytes, and as much to know what is forged.
        TunnelKind(
            "wireguard",
            (4, 6),
            (4, 6),
            UDP + 32,
            "wg",
            0,
            "J. A. Donenfeld, WireGuard: Next Generation Kernel Network Tunnel, NDSS 2017",
            port=51820,
            passes_nat=True,
        ),
    )
}

# How often a peer behind NAT says a word, so that the NAT goes on to know it: wg(8).
KEEPALIVE_S = 25


@dataclass(frozen=True)
class TunnelSettings:
    """A tunnel as it was declared; what is None the lab chooses.

    ``endpoints`` are the addresses of the network below that its two ends have there.

    """

    kind: str
    number: int | None = None
    port: int | None = None
    endpoints: tuple[Address | None, Address | None] = (None, None)
    mtu_bytes: int | None = None


@dataclass(frozen=True)
class TunnelEnd:
    """One end of a tunnel: from which address of the network below to which, and how.

    ``remote`` is None where the other end is hidden by a NAT: it has to speak first, and with
    ``keepalive`` does so again and again.

    """

    kind: str
    local: Address
    remote: Address | None
    number: int | None = None
    port: int | None = None
    keepalive: bool = False

    @property
    def overhead_bytes(self) -> int:
        """How much shorter a packet inside has to be than one of the network below.

        >>> TunnelEnd("gre", ip_address("10.0.1.1"), ip_address("10.0.2.1")).overhead_bytes
        24

        """
        outer = IPV4 if self.local.version == 4 else IPV6
        key = 4 if self.kind == "gre" and self.number is not None else 0
        return outer + KINDS[self.kind].adds_bytes + key

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        return {
            "kind": self.kind,
            "local": str(self.local),
            "remote": None if self.remote is None else str(self.remote),
            "number": self.number,
            "port": self.port,
            "ttl": TTL,
        }

    def as_shell(self, name: str, mtu_bytes: int, mac: str) -> Iterator[str]:
        """Yield the commands that make it, typed on its node (ip-link(8)).

        >>> end = TunnelEnd("ipip", ip_address("10.0.1.1"), ip_address("10.0.2.1"))
        >>> print(*end.as_shell("ipip1", 1480, ""))
        ip link add ipip1 mtu 1480 type ipip local 10.0.1.1 remote 10.0.2.1 ttl 64

        """
        kind = KINDS[self.kind]
        words = ["ip link add", name, "mtu", str(mtu_bytes)]
        words += ["address", mac] if kind.ethernet else []
        words += ["type", self.kind]
        if self.kind == "wireguard":
            yield " ".join(words)
            yield f"wg setconf {name} {WIREGUARD_FILES}/{name}.conf"
            return
        if self.number is not None:
            words += ["id" if kind.number == "vni" else "key", str(self.number)]
        words += ["local", str(self.local), "remote", str(self.remote)]
        words += ["dstport", str(self.port)] if self.port is not None else []
        yield " ".join([*words, "ttl", str(TTL)])
