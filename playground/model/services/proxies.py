"""Proxies: a load balancer before servers, haproxy, and one before clients, squid; their rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import field
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import (
    check_flag,
    check_iterable,
    is_choice,
    is_number,
    is_port,
    is_whole,
    shown,
)
from playground.model.records import dataclass
from playground.model.services.dns_records import DOMAIN
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

BALANCES = ("roundrobin", "leastconn", "source")

_MOST_SERVERS = 500
_SERVER = r"([A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)(?::(\d{1,5}))?"
# What may stand in a request without being quoted: RFC 3986 section 3.3; but for the
# apostrophe, which is a quote in haproxy's file (configuration manual, section 2.2).
_PAGE = r"/[\w.~!$&()*+,;=:@%/?-]{0,200}"


@dataclass(frozen=True)
class LoadBalancer(ServiceSettings):
    """One address before several servers: each connection, or request, goes to one of them.

    ``to`` lists the hosts, as the Host itself, as ``(host, 8080)``, or by name as
    "www1:8080"; where no port is said it is 80, on layer 4 the balancer's own.  ``by``
    chooses: "roundrobin" takes one after the other, "leastconn" the one with the fewest
    connections, "source" always the same for one client's address.

    On ``layer=7`` it reads HTTP: each request may go elsewhere, servers learn of the
    client by X-Forwarded-For, and with ``tls`` it has the lab's certificate and speaks TLS with
    clients.  On ``layer=4`` it hands on bytes of any protocol by TCP.  ``port`` is where it
    listens: 80 by default, with ``tls`` 443.

    Every ``check_s`` seconds each server is checked: on layer 7 it must answer a request for
    ``page`` with a status below 400, on layer 4 take a connection; after two failures nothing
    goes there until it is well again.  What it sees is
    ``host.services["balancer"].servers()``.

    Raises `TopologyError` for what cannot be.

    >>> Host("front", services=[LoadBalancer(to=["www1", "www2:8080"], by="leastconn")])
    Host('front', services=['balancer'])

    """

    to: Sequence[Any]
    by: str = field(default="roundrobin", kw_only=True)
    layer: int = field(default=7, kw_only=True)
    port: int | None = field(default=None, kw_only=True)
    tls: bool = field(default=False, kw_only=True)
    page: str = field(default="/", kw_only=True)
    check_s: float = field(default=1.0, kw_only=True)
    service: str = field(default="balancer", init=False, repr=False)

    def __post_init__(self) -> None:
        here = "LoadBalancer"
        check_flag(f"{here}: tls", self.tls, TopologyError)
        if self.layer not in (4, 7) or isinstance(self.layer, bool):
            raise TopologyError(
                f"{here}: layer={shown(self.layer)} is neither 4 nor 7; write layer=4 for TCP, "
                "layer=7 for HTTP"
            )
        if not is_choice(self.by, BALANCES):
            raise TopologyError(
                f"{here}: by={shown(self.by)} is not known; use one of {', '.join(BALANCES)}"
            )
        if self.tls and self.layer == 4:
            raise TopologyError(
                f"{here}: on layer 4 TLS passes as it is, to servers that have certificates; "
                "leave tls= out, or write layer=7"
            )
        if self.port is None:
            set_field(self, "port", 443 if self.tls else 80)
        if not is_port(self.port):
            raise TopologyError(f"{here}: port={shown(self.port)} is no port; write port=8080")
        if not isinstance(self.page, str) or not re.fullmatch(_PAGE, self.page, re.ASCII):
            raise TopologyError(f'{here}: page={shown(self.page)} is no page; write page="/health"')
        if not is_number(self.check_s, 0.1, 3600):
            raise TopologyError(
                f"{here}: check_s={shown(self.check_s)} is no number of seconds from 0.1 to 3600"
            )
        example = "to=[www1, www2]"
        several = check_iterable(f"{here}: to", self.to, example, TopologyError)
        servers = tuple(
            _server(here, item, 80 if self.layer == 7 else self.port) for item in several
        )
        if not 0 < len(servers) <= _MOST_SERVERS:
            raise TopologyError(
                f"{here}: to= has {len(servers):,} servers; name from 1 to {_MOST_SERVERS}"
            )
        for server in servers:
            if servers.count(server) > 1:
                raise TopologyError(f"{here}: to= has {server} twice; name it once")
        set_field(self, "to", servers)

    @property
    def peers(self) -> Iterator[str]:
        """The names of its servers."""
        return (server.rpartition(":")[0] for server in self.to)

    def fitted(self, row: ServiceRow) -> ServiceRow:
        """Return the row with the port on which it listens."""
        assert self.port is not None
        probe = Probe(self.port, tls=self.tls)
        if self.layer == 7:
            asked = b"GET / HTTP/1.0\r\nHost: localhost\r\nUser-Agent: playground-probe\r\n\r\n"
            probe = probe._replace(send=asked, expect=r"^HTTP/1\.")
        return row._replace(ports=(Port(self.port, tls=self.tls),), probes=(probe,), tls=self.tls)


def _server(here: str, item: object, port: int) -> str:
    """Return a server as "name:port"."""
    host, its_port = item if isinstance(item, tuple) and len(item) == 2 else (item, port)
    name = host if isinstance(host, str) else getattr(host, "name", None)
    match = re.fullmatch(_SERVER, name, re.ASCII) if isinstance(name, str) else None
    if match is None:
        raise TopologyError(
            f"{here}: to= has {shown(item)}, which is no host; write the Host itself, "
            '(host, 8080), or its name and port as in "www1:8080"'
        )
    number = int(match[3]) if match[3] else its_port
    if not is_port(number):
        raise TopologyError(f"{here}: to= has {shown(item)}, and {shown(number)} is no port")
    return f"{match[1]}:{number}"


# haproxy's Configuration Manual
_CONF = """\
global
    log stdout format raw local0
    stats socket /run/haproxy.sock mode 600 level admin
    maxconn 2000

defaults
    log global
    mode {mode}
    option {mode}log
    option dontlognull
    option redispatch
    retries 2
    timeout connect 2s
    timeout client 60s
    timeout server 60s

frontend front
{binds}    default_backend servers

backend servers
    balance {by}
{check}{servers}"""

_RUN = """\
#!/bin/sh
[ -e /etc/playground/tls/key.pem ] && (
    umask 077
    cat /etc/playground/tls/cert.pem /etc/playground/tls/key.pem >/run/haproxy.pem
)
exec chpst -P /usr/sbin/haproxy -db -f /etc/haproxy/playground.cfg >>/var/log/haproxy.log 2>&1
"""


def _configure_balancer(settings: LoadBalancer, context: ServiceContext) -> tuple[File, ...]:
    web = settings.layer == 7
    tls = " ssl crt /run/haproxy.pem alpn h2,http/1.1" if settings.tls else ""
    ends = [f"0.0.0.0:{settings.port}"]
    if any(":" in address for address in context.addresses):
        ends.append(f"[::]:{settings.port} v6only")
    servers = []
    for server in settings.to:
        name, _, port = server.rpartition(":")
        address = context.peers[name]
        end = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        check = f"check inter {int(settings.check_s * 1000)}ms fall 2 rise 1"
        servers.append(f"    server {server.replace(':', '_')} {end} {check}\n")
    # A page is asked for as the name of the balancer, which servers of many sites want.
    asked = f"http-check send meth GET uri {settings.page} ver HTTP/1.1 hdr Host {context.name}"
    conf = _CONF.format(
        mode="http" if web else "tcp",
        binds="".join(f"    bind {end}{tls}\n" for end in ends),
        by=settings.by,
        check=f"    option forwardfor\n    option httpchk\n    {asked}\n" if web else "",
        servers="".join(servers),
    )
    return (
        File("/etc/haproxy/playground.cfg", conf.encode()),
        File("/etc/sv/haproxy/run", _RUN.encode(), 0o755),
    )


BALANCER_ROW = ServiceRow(
    name="balancer",
    settings=LoadBalancer,
    layer=None,
    programs=("haproxy",),
    ports=(Port(80),),
    probes=(),
    logs=("/var/log/haproxy.log",),
    configure=_configure_balancer,
    processes=2,
    accounts=("haproxy",),
    packages=("haproxy",),
)


# -- before clients ------------------------------------------------------------

_MOST_MB = 1024


@dataclass(frozen=True)
class Proxy(ServiceSettings):
    """A proxy of HTTP and, by CONNECT, of HTTPS (RFC 9110) on port 3128.

    ``deny`` names domains that it refuses, with all below them, by status 403; ``cache_mb`` is
    the memory in which it keeps what may be kept (RFC 9111), 0 for nothing.  Its log has a line for
    each request, and whether the answer was in the cache (TCP_MEM_HIT) or not (TCP_MISS).

    >>> Host("proxy", services=[Proxy(deny=["example.org"])])
    Host('proxy', services=['proxy'])

    """

    deny: Sequence[str] = ()
    port: int = 3128
    cache_mb: int = 16
    service: str = field(default="proxy", init=False, repr=False)

    def __post_init__(self) -> None:
        several = check_iterable("Proxy: deny", self.deny, 'deny=["example.org"]', TopologyError)
        set_field(self, "deny", tuple(dict.fromkeys(_domain(item) for item in several)))
        if not is_port(self.port):
            raise TopologyError(f"Proxy: port={shown(self.port)} is no port; write port=3128")
        if not is_whole(self.cache_mb, 0, _MOST_MB):
            raise TopologyError(
                f"Proxy: cache_mb={shown(self.cache_mb)} is no whole number from 0 to {_MOST_MB}"
            )

    def fitted(self, row: ServiceRow) -> ServiceRow:
        """Return the row with the port on which it listens."""
        probe = row.probes[0]._replace(port=self.port)
        return row._replace(ports=(Port(self.port),), probes=(probe,))


def _domain(item: Any) -> str:
    name = item.lower().strip(".") if isinstance(item, str) else ""
    if not DOMAIN.fullmatch(name):
        raise TopologyError(
            f'Proxy: deny: {shown(item)} is no domain; write for example "example.org"'
        )
    return name


# http://www.squid-cache.org/Doc/config/
_SQUID = """\
http_port {port}
visible_hostname {name}
{deny}http_access allow all
cache_mem {cache_mb} MB
{cache}maximum_object_size_in_memory 4 MB
access_log stdio:/var/log/squid/access.log squid
cache_log /var/log/squid/cache.log
cache_store_log none
pid_filename /run/squid.pid
coredump_dir /run
pinger_enable off
shutdown_lifetime 0 seconds
# A name that was not there yet is soon asked for again.
negative_dns_ttl 1 second
connect_timeout 5 seconds
forward_max_tries 3
max_filedescriptors 1024
"""

_SQUID_RUN = """\
#!/bin/sh
mkdir -p /var/log/squid
chown proxy:proxy /var/log/squid
exec chpst -P /usr/sbin/squid -N -f /etc/squid/playground.conf >>/var/log/squid/out.log 2>&1
"""


def _outermost(names: Collection[str]) -> Iterator[str]:
    """Yield those that lie in no other: squid ends where a list has a domain after one below it."""
    for name in names:
        labels = name.split(".")
        if not any(".".join(labels[n:]) in names for n in range(1, len(labels))):
            yield name


def _configure_proxy(settings: Proxy, context: ServiceContext) -> tuple[File, ...]:
    denied = " ".join(f".{name}" for name in _outermost(settings.deny))
    conf = _SQUID.format(
        port=settings.port,
        name=context.name,
        deny=f"acl denied dstdomain {denied}\nhttp_access deny denied\n" if denied else "",
        cache_mb=settings.cache_mb,
        cache="" if settings.cache_mb else "cache deny all\n",
    )
    return (
        File("/etc/squid/playground.conf", conf.encode()),
        File("/etc/sv/squid/run", _SQUID_RUN.encode(), 0o755),
    )


# It refuses a request that is none, in words of HTTP; nobody else is asked.
_QUESTION = b"GET nothing HTTP/1.0\r\nUser-Agent: playground-probe\r\n\r\n"

PROXY_ROW = ServiceRow(
    name="proxy",
    settings=Proxy,
    layer=None,
    programs=("squid",),
    ports=(Port(3128),),
    probes=(Probe(3128, send=_QUESTION, expect=r"^HTTP/1\.1 400"),),
    logs=("/var/log/squid/access.log", "/var/log/squid/cache.log"),
    configure=_configure_proxy,
    processes=2,
    packages=("squid",),
)
