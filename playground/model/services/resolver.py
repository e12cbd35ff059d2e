"""A recursive resolver, NLnet Labs' unbound: its settings, and its row."""

from __future__ import annotations

from dataclasses import field

from playground.errors import TopologyError
from playground.model.arguments import check_flag, is_whole, shown
from playground.model.records import dataclass
from playground.model.services.dns_records import UNBOUND_ANSWERS
from playground.model.services.settings import (
    File,
    Port,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)

_MOST_MB = 1024
_MOST_TTL_S = 7 * 86400


@dataclass(frozen=True)
class Resolver(ServiceSettings):
    """A resolver on port 53, which finds names from the root down, and remembers them.

    It begins at the lab's own root servers, hosts with ``DNS(zone=".")``, and asks one
    server after the other (RFC 1034 section 5.3.3); every other host asks it.  Its cache is
    ``host.services["resolver"].cache()``.

    With ``validate`` it checks what is signed (RFC 4035), beginning at the keys of each signed
    zone above which none is signed: of the root, as a rule.  ``minimise`` asks each
    server for no more of a name than it needs (RFC 9156).  ``cache_s`` is how long it keeps
    an answer at most, whatever its TTL, 0 for not at all; ``cache_mb`` is the memory for them.

    Raises `TopologyError` for what cannot be.

    >>> Host("resolver", services=[Resolver()])
    Host('resolver', services=['resolver'])

    """

    validate: bool = True
    minimise: bool = True
    cache_s: int = 86400
    cache_mb: int = 4
    service: str = field(default="resolver", init=False, repr=False)

    def __post_init__(self) -> None:
        check_flag("Resolver: validate", self.validate, TopologyError)
        check_flag("Resolver: minimise", self.minimise, TopologyError)
        for name, most, least in (("cache_s", _MOST_TTL_S, 0), ("cache_mb", _MOST_MB, 1)):
            value = getattr(self, name)
            if not is_whole(value, least, most):
                raise TopologyError(
                    f"Resolver: {name}={shown(value)} is no whole number from {least} to {most}"
                )


# unbound.conf(5)
_CONF = """\
server:
    directory: "/etc/unbound"
    chroot: ""
    username: ""
    pidfile: "/run/unbound.pid"
    use-syslog: no
    logfile: "/var/log/unbound.log"
    log-queries: yes
    log-servfail: yes
    val-log-level: 2
    num-threads: 1
    interface: 0.0.0.0
    interface: ::0
    interface-automatic: yes
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    identity: "{name}"
    root-hints: "/etc/unbound/root.hints"
    # A lab has names that the Internet keeps for such use, and private networks of its own.
    unblock-lan-zones: yes
    local-zone: "test." nodefault
    local-zone: "invalid." nodefault
    local-zone: "home.arpa." nodefault
    ede: yes
    # A server that was not there yet is soon asked again.
    infra-host-ttl: 5
    infra-keep-probing: yes
    do-ip6: {ipv6}
    qname-minimisation: {minimise}
    cache-max-ttl: {cache_s}
    cache-max-negative-ttl: {cache_s}
    msg-cache-size: {cache_mb}m
    rrset-cache-size: {cache_mb}m
    module-config: "{modules}"
{anchors}remote-control:
    control-enable: yes
    control-interface: /run/unbound.ctl
    control-use-cert: no
"""

_RUN = """\
#!/bin/sh
exec chpst -P /usr/sbin/unbound -d -p -c /etc/unbound/playground.conf
"""


def _configure_resolver(settings: Resolver, context: ServiceContext) -> tuple[File, ...]:
    anchors = context.trust_anchors if settings.validate else ()
    conf = _CONF.format(
        name=context.name,
        ipv6=_word(any(":" in address for address in context.addresses)),
        minimise=_word(settings.minimise),
        cache_s=settings.cache_s,
        cache_mb=settings.cache_mb,
        modules="validator iterator" if settings.validate else "iterator",
        anchors='    trust-anchor-file: "/etc/unbound/anchors"\n' if anchors else "",
    )
    files = [
        File("/etc/unbound/playground.conf", conf.encode()),
        File("/etc/unbound/root.hints", _lines(context.root_hints)),
        File("/etc/unbound/serials", _lines(context.zone_serials), live=_forget),
        File("/etc/sv/unbound/run", _RUN.encode(), 0o755),
    ]
    if anchors:
        files.append(File("/etc/unbound/anchors", _lines(anchors)))
    return tuple(files)


def _forget(old: bytes, new: bytes) -> list[str]:
    """Return what lets it forget all: a zone has changed, as the lab has grown."""
    return ["unbound-control", "-c", "/etc/unbound/playground.conf", "flush_zone", "."]


def _word(flag: bool) -> str:
    return "yes" if flag else "no"


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


RESOLVER_ROW = ServiceRow(
    name="resolver",
    settings=Resolver,
    layer=None,
    programs=("unbound",),
    ports=(Port(53, "udp"), Port(53, "tcp")),
    probes=(UNBOUND_ANSWERS,),
    logs=("/var/log/unbound.log",),
    configure=_configure_resolver,
    processes=2,
    accounts=("unbound",),
    packages=("unbound",),
)
