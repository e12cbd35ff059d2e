"""Ports to be published: checked, and the URLs by which this machine reaches them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from playground.errors import BadArgument, TopologyError
from playground.model.addresses import address_from
from playground.model.arguments import is_port, shown
from playground.model.containers.arguments import check_published
from playground.model.containers.container import PublishedPort
from playground.model.containers.own_service import Service

LOOPBACK = "127.0.0.1"

# Ports for a browser, and for ssh(1); all others are bare TCP or UDP.
_SCHEMES = {
    **dict.fromkeys((80, 3000, 5000, 8000, 8008, 8080, 8888), "http"),
    **dict.fromkeys((443, 8443), "https"),
    22: "ssh",
}
# RFC 3986, 3.1
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)


def port_to_publish(
    port: int | str, local_port: int | None = None, listen: str | None = None
) -> PublishedPort:
    """Return a port of a host that is to be published, if it can be; raises `BadArgument`.

    >>> port_to_publish("53/udp", local_port=5353)
    PublishedPort(port=53, protocol='udp', local_port=5353, local_address=None)

    """
    try:
        if isinstance(port, bool) or ":" in str(port):
            raise TopologyError
        wanted = check_published("publish", port)
    except TopologyError:
        raise BadArgument(
            f'{shown(port)} is no port of a host; write 80, or "53/udp"; local_port=8080 says '
            'at which port of this machine, and listen="0.0.0.0" at which of its addresses'
        ) from None
    if local_port is not None and not is_port(local_port):
        raise BadArgument(
            f"local_port={shown(local_port)} is no port of this machine: write a number from 1 to "
            "65535, or leave it out to have one that is free"
        )
    address = None
    if listen is not None:
        try:
            if not isinstance(listen, str):
                raise ValueError
            address = str(address_from(listen))
        except ValueError:
            raise BadArgument(
                f"listen={shown(listen)} is no address of this machine: leave it out for programs "
                'of this machine alone, or write "0.0.0.0" for everybody who reaches it'
            ) from None
    return PublishedPort(wanted.port, wanted.protocol, local_port, address)


def published_url(wanted: PublishedPort, local_port: int, scheme: str | None = None) -> str:
    """Return where this machine reaches a port that is published at one of its own.

    Without a ``scheme`` it is that of the host's port where that is well known, else "tcp"
    or "udp".  Raises `BadArgument` for a scheme that is none.

    >>> published_url(PublishedPort(443), 8443)
    'https://127.0.0.1:8443/'

    """
    if scheme is not None and not (isinstance(scheme, str) and _SCHEME.fullmatch(scheme)):
        raise BadArgument(f'scheme={shown(scheme)} begins no URL: write for example scheme="http"')
    if scheme is None:
        scheme = _SCHEMES.get(wanted.port, "tcp") if wanted.protocol == "tcp" else wanted.protocol
    address = address_from(wanted.local_address or LOOPBACK)
    if address.is_unspecified:
        address = address_from("::1" if address.version == 6 else LOOPBACK)
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme}://{host}:{local_port}" + ("/" if scheme.startswith("http") else "")


def service_scheme(services: Iterable[object], wanted: PublishedPort) -> str | None:
    """Return how the URL of a port begins by what a host's services say of it, if any does.

    >>> service_scheme([Service("api", "serve", port=9000, ready="http")], PublishedPort(9000))
    'http'

    """
    for service in services:
        if (
            isinstance(service, Service)
            and service.ready == "http"
            and (service.port, service.protocol) == (wanted.port, wanted.protocol)
        ):
            return "https" if service.tls else "http"
    return None


def overlap(a: PublishedPort, b: PublishedPort) -> bool:
    """Whether two ports of this machine cannot both be had.

    0.0.0.0 is all IPv4 addresses, and :: all addresses of both kinds: ipv6(7).

    >>> overlap(PublishedPort(80, "tcp", 8080, "0.0.0.0"), PublishedPort(81, "tcp", 8080))
    True

    """
    if a.local_port is None or (a.protocol, a.local_port) != (b.protocol, b.local_port):
        return False
    one, other = (address_from(port.local_address or LOOPBACK) for port in (a, b))
    return (
        one == other
        or (one.is_unspecified and one.version >= other.version)
        or (other.is_unspecified and other.version >= one.version)
    )
