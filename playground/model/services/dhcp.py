"""DHCP: the server that gives addresses, the relay that asks for them, and their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from ipaddress import IPv4Address
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import check_mapping, shown
from playground.model.records import dataclass
from playground.model.services.ipv6.dhcpv6 import DHCPv6
from playground.model.services.settings import (
    File,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)


@dataclass(frozen=True)
class DHCP(ServiceSettings):
    """A server that gives addresses to the hosts of its networks (RFC 2131).

    A host asks for one with ``Link(switch, host, address="dhcp")``; it gets one of
    the ``pool``, (first, last), or where that is left out one that the lab chooses, and
    always the same.  The pool's other addresses are for whoever else asks.  ``lease_s`` is
    how long an address is given for, at least 120 seconds.  ``static`` maps hosts, or
    their names, to addresses; ``options`` maps names or numbers of RFC 2132's options, as
    in dnsmasq(8), to values: ``{"ntp-server": "10.0.0.1"}``.  Router and name servers are
    told without being asked for.  With ``ipv6`` the host gives addresses of IPv6 as well: True, or
    a `DHCPv6` with its settings; it then has both services.  Raises `TopologyError` for anything
    else.

    >>> Router("modem", services=[DHCP(pool=("192.168.1.100", "192.168.1.199"))])
    >>> Host("server", services=[DHCP(ipv6=True)])
    Host('server', services=['dhcp', 'dhcpv6'])

    """

    pool: Sequence[str] = ()
    lease_s: int = 3600
    options: Mapping[str | int, str] = field(default_factory=dict, hash=False)
    static: Mapping[Any, str] = field(default_factory=dict, hash=False)
    ipv6: bool | DHCPv6 = False
    service: str = field(default="dhcp", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "pool", _checked_pool(self.pool))
        lease = self.lease_s
        # dnsmasq(8): the shortest lease is two minutes.
        if isinstance(lease, bool) or not isinstance(lease, int) or not 120 <= lease < 2**32:
            raise TopologyError(f"DHCP: lease_s={shown(lease)} is no number of seconds from 120 on")
        given = check_mapping(
            "DHCP: options", self.options, '{"ntp-server": "10.0.0.1"}', TopologyError
        )
        for name, value in given.items():
            text = f"{name}{value}"
            if "\n" in text or not re.fullmatch(r"[a-z0-9-]+", str(name)):
                raise TopologyError(
                    f"DHCP: option {shown(name)}: {shown(value)} cannot be written down; give a "
                    f'name as in dnsmasq(8) or a number, such as {{"ntp-server": "10.0.0.1"}}'
                )
        fixed = check_mapping("DHCP: static", self.static, '{"printer": "10.0.0.9"}', TopologyError)
        static = {str(getattr(host, "name", host)): item for host, item in fixed.items()}
        for host, item in static.items():
            _checked_ipv4(f"static address of {host}", item)
        set_field(self, "static", static)
        set_field(self, "options", {name: str(value) for name, value in given.items()})
        if not isinstance(self.ipv6, (bool, DHCPv6)):
            raise TopologyError(
                f"DHCP: ipv6={shown(self.ipv6)} is neither True nor False, nor a DHCPv6 with its "
                f"settings"
            )

    def together(self) -> tuple[ServiceSettings, ...]:
        """Return a service for each family."""
        if self.ipv6 is False:
            return (self,)
        six = DHCPv6() if self.ipv6 is True else self.ipv6
        return replace(self, ipv6=False), six


@dataclass(frozen=True)
class DHCPRelay(ServiceSettings):
    """Takes what hosts ask by DHCP to a server on another network (RFC 1542; DHCPv6: RFC 8415).

    ``to`` is the server: a node, its name, or an address.  It relays what the server offers, DHCP,
    DHCPv6 or both; to an address of the lab's, or of another network, what that family asks.

    >>> Router("floor2", services=[DHCPRelay(to="office")])

    """

    to: Any = ""
    service: str = field(default="dhcp-relay", init=False, repr=False)

    def __post_init__(self) -> None:
        to = str(getattr(self.to, "name", self.to))
        if not to:
            raise TopologyError('a relay needs to know its server: DHCPRelay(to="office")')
        set_field(self, "to", to)


def _checked_pool(pool: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(pool, (list, tuple)) or len(pool) not in (0, 2):
        raise TopologyError(
            f"DHCP: pool={shown(pool)} is no pair; write the first and the last address, as in "
            f'("192.168.1.100", "192.168.1.199")'
        )
    checked = tuple(_checked_ipv4("end of the pool", item) for item in pool)
    if checked and IPv4Address(checked[0]) > IPv4Address(checked[1]):
        raise TopologyError(f"DHCP: the pool's first address is above its last: {shown(pool)}")
    return checked


def _checked_ipv4(what: str, item: object) -> str:
    try:
        return str(IPv4Address(str(item)))
    except ValueError:
        raise TopologyError(
            f"DHCP: the {what} is {shown(item)}, which is no IPv4 address"
        ) from None


_DNSMASQ_DHCP = """\
port=0
user=root
dhcp-authoritative
# Addresses are planned: nobody else has one.
no-ping
dhcp-leasefile=/run/dnsmasq-{name}.leases
pid-file=/run/dnsmasq-{name}.pid
log-dhcp
log-facility=/var/log/dnsmasq-{name}.log
"""


def _configure_dhcp(settings: DHCP | DHCPRelay, context: ServiceContext) -> tuple[File, ...]:
    name = "dhcp" if isinstance(settings, DHCP) else "relay"
    lines = list(context.dhcp)
    if isinstance(settings, DHCP):
        for option, value in settings.options.items():
            written = option if str(option).isdigit() else f"option:{option}"
            lines.append(f"dhcp-option={written},{value}")
    text = _DNSMASQ_DHCP.format(name=name) + "".join(f"{line}\n" for line in lines)
    return (File(f"/etc/dnsmasq-{name}.conf", text.encode()),)


DHCP_ROWS = tuple(
    # Who asks for an address is the probe: `Lab.start` waits for that.
    ServiceRow(
        name=name,
        settings=settings,
        layer="dns",
        programs=(program,),
        ports=(),
        probes=(),
        logs=(f"/var/log/{program}.log",),
        configure=_configure_dhcp,
        processes=2,
        accounts=("dnsmasq",),
    )
    for name, settings, program in (
        ("dhcp", DHCP, "dnsmasq-dhcp"),
        ("dhcp-relay", DHCPRelay, "dnsmasq-relay"),
    )
)
