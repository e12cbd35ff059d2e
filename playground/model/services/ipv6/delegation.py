"""Prefix delegation as a service: its settings and its row (RFC 8415 section 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv6Network
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import network_from
from playground.model.arguments import check_mapping, is_whole, shown
from playground.model.records import dataclass
from playground.model.services.settings import (
    File,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)


@dataclass(frozen=True)
class PrefixDelegation(ServiceSettings):
    """A server that gives whole networks to routers, as a provider does to its customers.

    Each router that asks on a link with `request_prefix` gets a prefix of ``length`` bits out of
    ``pool``, always the same: that of ``static``, which maps routers or their names to prefixes,
    or else the next.  ``lease_s`` is for how long it is given.  Kea serves it.  Raises
    `TopologyError` for what is no such range.

    >>> Router("isp", services=[PrefixDelegation("2001:db8:100::/40", length=56)])
    Router('isp', services=['prefix-delegation'])

    """

    pool: str = "2001:db8:8000::/36"
    length: int = 56
    lease_s: int = 3600
    static: Mapping[Any, str] = field(default_factory=dict, hash=False)
    service: str = field(default="prefix-delegation", init=False, repr=False)

    def __post_init__(self) -> None:
        pool = _network(self.pool)
        if pool is None or pool.prefixlen > 64:
            raise TopologyError(
                f"PrefixDelegation: pool={shown(self.pool)} is no range of IPv6; write one as in "
                '"2001:db8:100::/40"'
            )
        if not is_whole(self.length, pool.prefixlen, 64):
            raise TopologyError(
                f"PrefixDelegation: length={shown(self.length)} is no number of bits from "
                f"{pool.prefixlen}, that of the pool, to 64"
            )
        if not is_whole(self.lease_s, 120, 2**31):
            raise TopologyError(
                f"PrefixDelegation: lease_s={shown(self.lease_s)} is no number of seconds from "
                "120 on"
            )
        given = check_mapping(
            "PrefixDelegation: static", self.static, '{"home": "2001:db8:100::/56"}', TopologyError
        )
        static = {}
        for router, item in given.items():
            network = _network(item)
            if network is None or network.prefixlen != self.length or not network.subnet_of(pool):
                raise TopologyError(
                    f"PrefixDelegation: {shown(item)} is no /{self.length} of {pool}, of which "
                    "static= gives prefixes"
                )
            static[str(getattr(router, "name", router))] = str(network)
        set_field(self, "pool", str(pool))
        set_field(self, "static", static)


def _network(value: object) -> IPv6Network | None:
    try:
        network = network_from(str(value)) if isinstance(value, (str, IPv6Network)) else None
    except ValueError:
        network = None
    return network if isinstance(network, IPv6Network) else None


_RUN = """\
#!/bin/sh
mkdir -p /var/lib/kea /var/log/kea /run/kea
exec env KEA_LOCKFILE_DIR=/run/kea KEA_PIDFILE_DIR=/run/kea \\
    chpst -P kea-dhcp6 -c /etc/kea/kea-dhcp6.conf
"""


def _configure(settings: PrefixDelegation, context: ServiceContext) -> tuple[File, ...]:
    return (
        File("/etc/kea/kea-dhcp6.conf", context.delegated.encode()),
        File("/etc/sv/kea-dhcp6/run", _RUN.encode(), 0o755),
    )


DELEGATION_ROW = ServiceRow(
    name="prefix-delegation",
    settings=PrefixDelegation,
    layer=None,
    programs=("kea-dhcp6",),
    ports=(),
    # Who asks for a prefix is the probe: `Lab.start` waits for that.
    probes=(),
    logs=("/var/log/kea/kea-dhcp6.log",),
    configure=_configure,
    processes=8,
    accounts=("_kea",),
    packages=("kea-dhcp6-server",),
)
