"""NAT64: routers that let hosts of IPv6 alone reach those of IPv4: `Translating64`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import shown
from playground.model.nat import Translating
from playground.model.notation import network_of
from playground.model.parts import LinkBase
from playground.model.records import dataclass
from playground.model.services.ipv6.nat64 import NETWORK_PREFIX

# RFC 1918; a home's usual networks lie below it.
POOL = IPv4Network("192.168.255.0/24")


@dataclass(frozen=True)
class Nat64:
    """A router's word to translate between the families, out of the link ``link``.

    ``prefix`` stands before each IPv4 address where hosts of IPv6 speak of it, ``pool`` are the
    IPv4 addresses that these hosts have on the router, before it hides them behind its own.

    """

    link: LinkBase
    prefix: IPv6Network
    pool: IPv4Network


class Translating64(Translating):
    """The part of a `Router` that translates IPv6 to IPv4; ``translated64`` is what it was told."""

    translated64: Nat64 | None

    def nat64(
        self,
        link: LinkBase,
        *,
        prefix: str | IPv6Network = NETWORK_PREFIX,
        pool: str | IPv4Network = POOL,
    ) -> None:
        """Let hosts that have IPv6 alone reach IPv4 through a link of this router (RFC 6146).

        What is sent to ``prefix`` with an IPv4 address behind it leaves by `link` as IPv4, and
        carries the router's address there: it masquerades through the link, as `masquerade` says
        where nothing else was said of it.  Names lead there where a host offers `DNS64`.

        ``prefix`` is a /96, by default 2001:db8:64:ff9b::/96; the well-known one, 64:ff9b::/96, may
        not stand for private addresses (RFC 6052 section 3.1).  ``pool`` are IPv4
        addresses that nobody else has, one for each host that speaks; it has to be said before the
        lab starts.  tayga translates, a service of the router ("nat64") that needs /dev/net/tun.

        Raises `TopologyError` if the link is not one of this router's, or for what is no prefix
        and no pool; nothing has changed then.

        >>> modem.nat64(uplink)

        """
        self._check_own(link, "nat64")
        here = f"router {self.name}: nat64()"
        said = Nat64(link, _prefix(here, prefix), _pool(here, pool))
        if self.listener is not None:
            raise TopologyError(
                f"{here} has to be said before the lab starts, for the router needs a device and a "
                "program for it: stop the lab, say it and start it again"
            )
        if link not in self.uplinks:
            self.masquerade(link)
        self.translated64 = said


def _prefix(here: str, value: Any) -> IPv6Network:
    network = network_of(value)
    if not isinstance(network, IPv6Network) or network.prefixlen != 96:
        raise TopologyError(
            f"{here}: prefix={shown(value)} is no /96 of IPv6, behind which an IPv4 address has "
            f'room; write one as in "{NETWORK_PREFIX}"'
        )
    return network


def _pool(here: str, value: Any) -> IPv4Network:
    network = network_of(value)
    # The router's own, and one host at least.
    if not isinstance(network, IPv4Network) or not 8 <= network.prefixlen <= 30:
        raise TopologyError(
            f"{here}: pool={shown(value)} is no range of IPv4 addresses from /8 to /30; write one "
            f'as in "{POOL}"'
        )
    return network
