"""NAT64 and DNS64 as services: tayga translates packets, unbound makes names lead there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from ipaddress import IPv6Network
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import address_from, network_from
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.model.services.dns_records import UNBOUND_ANSWERS
from playground.model.services.settings import (
    File,
    Port,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

# A network's own prefix (RFC 6052 section 2.1), of those for documentation. tayga takes all that
# begins with 64:ff9b for the well-known one, which may not stand for private addresses (3.1).
NETWORK_PREFIX = "2001:db8:64:ff9b::/96"


@dataclass(frozen=True)
class Tayga(ServiceSettings):
    """The translator of a router that was told `nat64`: ``configuration`` is tayga.conf(5)'s.

    ``pool`` and ``prefix`` are what it takes from the router, by its own interface "nat64".

    """

    configuration: str = ""
    pool: str = ""
    prefix: str = ""
    service: str = field(default="nat64", init=False, repr=False)


@dataclass(frozen=True)
class DNS64(ServiceSettings):
    """A name server for hosts that have IPv6 alone: IPv4 addresses become IPv6 ones (RFC 6147).

    It asks the name server ``to``, a node, its name, or an address; where a name has an IPv4
    address and none of IPv6, it answers with the ``prefix`` before it, which a router with
    `nat64` translates.  Hosts of a network without IPv4 are led to it by ``r1.advertise(link)``,
    others by its ``rdnss``.

    Raises `TopologyError` for what is no server, or no /96 of IPv6.

    >>> Host("dns64", services=[DNS64(to="ns")])
    Host('dns64', services=['dns64'])

    """

    to: Any = ""
    prefix: str = NETWORK_PREFIX
    service: str = field(default="dns64", init=False, repr=False)

    def __post_init__(self) -> None:
        to = str(getattr(self.to, "name", self.to))
        if not to:
            raise TopologyError('DNS64 needs to know whom it asks: DNS64(to="ns")')
        set_field(self, "to", to)
        try:
            network = network_from(self.prefix) if isinstance(self.prefix, str) else None
        except ValueError:
            network = None
        if not isinstance(network, IPv6Network) or network.prefixlen != 96:
            raise TopologyError(
                f"DNS64: prefix={shown(self.prefix)} is no /96 of IPv6; write one as in "
                f'"{NETWORK_PREFIX}"'
            )
        set_field(self, "prefix", str(network))

    @property
    def peers(self) -> Iterable[str]:
        """The nodes whose addresses it needs."""
        return () if _is_address(self.to) else (self.to,)


def _is_address(text: str) -> bool:
    try:
        address_from(text)
    except ValueError:
        return False
    return True


_TAYGA_RUN = """\
#!/bin/sh
set -e
exec 2>>/var/log/tayga.log
[ -e /sys/class/net/nat64 ] || tayga --config /etc/tayga.conf --mktun
ip link set nat64 up
ip route replace {pool} dev nat64
ip -6 route replace {prefix} dev nat64
exec chpst -P tayga --config /etc/tayga.conf --nodetach
"""


def _configure_tayga(settings: Tayga, context: ServiceContext) -> tuple[File, ...]:
    run = _TAYGA_RUN.format(pool=settings.pool, prefix=settings.prefix)
    return (
        File("/etc/tayga.conf", settings.configuration.encode()),
        File("/etc/sv/tayga/run", run.encode(), 0o755),
    )


# unbound.conf(5)
_UNBOUND = """\
server:
    directory: "/etc/unbound"
    chroot: ""
    username: ""
    pidfile: "/run/unbound.pid"
    use-syslog: no
    logfile: "/var/log/dns64.log"
    log-queries: yes
    num-threads: 1
    interface: 0.0.0.0
    interface: ::0
    interface-automatic: yes
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    identity: "{name}"
    unblock-lan-zones: yes
    local-zone: "test." nodefault
    local-zone: "invalid." nodefault
    local-zone: "home.arpa." nodefault
    infra-host-ttl: 5
    infra-keep-probing: yes
    cache-max-ttl: 5
    cache-max-negative-ttl: 1
    module-config: "dns64 iterator"
    dns64-prefix: {prefix}
forward-zone:
    name: "."
    forward-addr: {to}
"""

_UNBOUND_RUN = """\
#!/bin/sh
exec chpst -P /usr/sbin/unbound -d -p -c /etc/unbound/dns64.conf
"""


def _configure_dns64(settings: DNS64, context: ServiceContext) -> tuple[File, ...]:
    named = {name.partition(".")[0]: address for name, address in context.peers.items()}
    to = settings.to if _is_address(settings.to) else ({**named, **context.peers}).get(settings.to)
    if to is None:
        raise TopologyError(
            f"{context.name} has DNS64(to={settings.to!r}), and reaches no node of that name; "
            "name one that it reaches, or its address"
        )
    text = _UNBOUND.format(name=context.name, prefix=settings.prefix, to=to)
    return (
        File("/etc/unbound/dns64.conf", text.encode()),
        File("/etc/sv/dns64/run", _UNBOUND_RUN.encode(), 0o755),
    )


NAT64_ROWS = (
    ServiceRow(
        name="nat64",
        settings=Tayga,
        layer=None,
        programs=("tayga",),
        ports=(),
        probes=(),
        logs=("/var/log/tayga.log",),
        configure=_configure_tayga,
        packages=("tayga",),
        accounts=("tayga",),
    ),
    ServiceRow(
        name="dns64",
        settings=DNS64,
        layer=None,
        programs=("dns64",),
        ports=(Port(53, "udp"), Port(53, "tcp")),
        probes=(UNBOUND_ANSWERS,),
        logs=("/var/log/dns64.log",),
        configure=_configure_dns64,
        processes=2,
        accounts=("unbound",),
        packages=("unbound",),
    ),
)
