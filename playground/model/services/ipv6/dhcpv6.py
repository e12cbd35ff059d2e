"""DHCPv6: the server that gives addresses, the client that asks for them, and their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from ipaddress import IPv6Address
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import address_from
from playground.model.arguments import check_flag, check_mapping, shown
from playground.model.records import dataclass
from playground.model.services.settings import (
    File,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)


@dataclass(frozen=True)
class DHCPv6(ServiceSettings):
    """A server that gives IPv6 addresses to the hosts of its networks (RFC 8415).

    A host asks for one with ``Link(switch, host, address="dhcpv6")``; it gets one of the
    ``pool``, (first, last), or where that is left out one that the lab chooses, and always
    the same.  The way out it learns from a router, which has to advertise the network:
    ``r1.advertise(link, managed=True, other=True)``.  With ``stateless`` it gives no addresses,
    and tells hosts that have made one of their own, ``address=["slaac", "dhcpv6"]``, the rest.

    ``lease_s`` is for how long an address is given, at least 120 seconds.  ``static`` maps hosts,
    or their names, to addresses; ``options`` maps names or numbers of options, as dnsmasq(8)
    has them for IPv6, to values: ``{"domain-search": "example.com"}``.  The lab's name servers
    are told without being asked for.  For both families there is ``DHCP(ipv6=True)``.  Raises
    `TopologyError` for anything else.

    >>> Router("r1", services=[DHCPv6(pool=("2001:db8:1::100", "2001:db8:1::1ff"))])
    Router('r1', services=['dhcpv6'])

    """

    pool: Sequence[str] = ()
    lease_s: int = 3600
    options: Mapping[str | int, str] = field(default_factory=dict, hash=False)
    static: Mapping[Any, str] = field(default_factory=dict, hash=False)
    stateless: bool = False
    service: str = field(default="dhcpv6", init=False, repr=False)

    def __post_init__(self) -> None:
        check_flag("DHCPv6: stateless", self.stateless, TopologyError)
        set_field(self, "pool", _checked_pool(self.pool))
        lease = self.lease_s
        # dnsmasq(8): the shortest lease is two minutes.
        if isinstance(lease, bool) or not isinstance(lease, int) or not 120 <= lease < 2**32:
            raise TopologyError(
                f"DHCPv6: lease_s={shown(lease)} is no number of seconds from 120 on"
            )
        given = check_mapping(
            "DHCPv6: options", self.options, '{"domain-search": "example.com"}', TopologyError
        )
        for name, value in given.items():
            if "\n" in f"{name}{value}" or not re.fullmatch(r"[a-z0-9-]+", str(name)):
                raise TopologyError(
                    f"DHCPv6: option {shown(name)}: {shown(value)} cannot be written down; give a "
                    f'name as in dnsmasq(8) or a number, such as {{"domain-search": "example.com"}}'
                )
        fixed = check_mapping(
            "DHCPv6: static", self.static, '{"printer": "2001:db8:1::9"}', TopologyError
        )
        static = {str(getattr(host, "name", host)): item for host, item in fixed.items()}
        static = {
            host: _checked_ipv6(f"static address of {shown(host)}", item)
            for host, item in static.items()
        }
        if self.stateless and (self.pool or static):
            raise TopologyError(
                "DHCPv6: stateless=True gives no addresses, and pool= or static= names some; "
                "leave one of the two out"
            )
        set_field(self, "static", static)
        set_field(self, "options", {name: str(value) for name, value in given.items()})


@dataclass(frozen=True)
class DHCPv6Client(ServiceSettings):
    """The client of a host with ``address="dhcpv6"``; ``configuration`` is dhcpcd.conf(5)'s."""

    configuration: str = ""
    service: str = field(default="dhcpv6-client", init=False, repr=False)


def _checked_pool(pool: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(pool, (list, tuple)) or len(pool) not in (0, 2):
        raise TopologyError(
            f"DHCPv6: pool={shown(pool)} is no pair; write the first and the last address, as in "
            f'("2001:db8:1::100", "2001:db8:1::1ff")'
        )
    checked = tuple(_checked_ipv6("end of the pool", item) for item in pool)
    if checked and IPv6Address(checked[0]) > IPv6Address(checked[1]):
        raise TopologyError(f"DHCPv6: the pool's first address is above its last: {shown(pool)}")
    return checked


def _checked_ipv6(what: str, item: object) -> str:
    try:
        address = address_from(item)
    except ValueError:
        address = None
    if not isinstance(address, IPv6Address):
        raise TopologyError(f"DHCPv6: the {what} is {shown(item)}, which is no IPv6 address")
    return str(address)


_DNSMASQ = """\
port=0
user=root
dhcp-authoritative
dhcp-leasefile=/run/dnsmasq-dhcpv6.leases
pid-file=/run/dnsmasq-dhcpv6.pid
log-dhcp
log-facility=/var/log/dnsmasq-dhcpv6.log
"""


def _configure_server(settings: DHCPv6, context: ServiceContext) -> tuple[File, ...]:
    lines = list(context.dhcpv6)
    for option, value in settings.options.items():
        lines.append(f"dhcp-option=option6:{option},{value}")
    text = _DNSMASQ + "".join(f"{line}\n" for line in lines)
    return (File("/etc/dnsmasq-dhcpv6.conf", text.encode()),)


def _configure_client(settings: DHCPv6Client, context: ServiceContext) -> tuple[File, ...]:
    return (File("/etc/dhcpcd-lab.conf", settings.configuration.encode()),)


DHCPV6_ROWS = (
    # Who asks for an address is the probe: `Lab.start` waits for that.
    ServiceRow(
        name="dhcpv6",
        settings=DHCPv6,
        layer="dns",
        programs=("dnsmasq-dhcpv6",),
        ports=(),
        probes=(),
        logs=("/var/log/dnsmasq-dhcpv6.log",),
        configure=_configure_server,
        accounts=("dnsmasq",),
    ),
    ServiceRow(
        name="dhcpv6-client",
        settings=DHCPv6Client,
        layer="dhcpcd",
        programs=("dhcpcd",),
        ports=(),
        probes=(),
        logs=("/var/log/dhcpcd.log",),
        configure=_configure_client,
        processes=4,
        accounts=("dhcpcd",),
    ),
)
