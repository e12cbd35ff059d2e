"""The services that a host can offer: their settings, and one table of rows.

A service of ours is a row of `SERVICES`, not a class of its own: which image layer it
needs, which programs run it, on which ports it answers and what a real answer
looks like, where its logs are, and a function that turns its settings into
configuration files.  Settings are frozen dataclasses, validated when they are
built.  Nothing here touches a network or an engine; the only thing read from
the machine is a directory handed to ``HTTP(files=...)`` or ``FTP(files=...)``.

"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from playground.errors import TopologyError
from playground.model.arguments import check_iterable, check_mapping, shown
from playground.model.frr_lines import lines_needing, services_needed
from playground.model.plugins.entry_points import load_plugin, plugin_names, source_of

# email takes 10 ms to import, and only mailboxes need it.
if TYPE_CHECKING:
    from email.message import Message

    MailMessage = str | bytes | Message
    Mailboxes = Mapping[str, Sequence[MailMessage]]

Files = str | os.PathLike[str] | Mapping[str, str | bytes]

# All of it travels to the host in one request when the lab starts.
_MOST_FILES_BYTES = 64 * 1024 * 1024


# ---------------------------------------------------------------- settings


@dataclass(frozen=True)
class ServiceSettings:
    """The common part of all services' settings: the name of their row in `SERVICES`.

    ``service`` is readable on the class as well: ``HTTP.service == "http"``.

    """

    service: str = field(default="", init=False, repr=False)

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, and no row of `SERVICES`."""
        return False

    @property
    def label(self) -> str:
        """What a picture calls it."""
        return self.service

    @property
    def row(self) -> ServiceRow:
        """The service as the rest of playground knows it."""
        return SERVICES[self.service]

    def with_contents(self) -> ServiceSettings:
        """Return the same settings with the contents of a directory in its place.

        So they mean the same on another day or another machine.  Raises
        `TopologyError` if the directory cannot be read.

        """
        files = getattr(self, "files", None)
        if not isinstance(files, Path):
            return self
        return dataclasses.replace(self, files=_read_files(files))  # type: ignore[call-arg]


@dataclass(frozen=True)
class SSH(ServiceSettings):
    """A secure shell on port 22: ``Host("h1", services=["ssh"])``.

    The lab's users and root enter by the lab's key or by their password.

    """

    service: str = field(default="ssh", init=False, repr=False)


@dataclass(frozen=True)
class HTTP(ServiceSettings):
    """A web server on port 80, and with TLS on port 443.

    ``HTTP(files="site/")`` serves a directory of this machine, which is read
    when the lab starts; ``HTTP(files={"index.html": "<h1>hi</h1>"})`` serves
    texts or bytes by name.  Without files there is a page that names the host.
    Raises `TopologyError` for a directory that is not there, more than 64 MiB,
    or a name that leads out of the document root.

    """

    files: Files | None = field(default=None, hash=False)
    service: str = field(default="http", init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "files", _checked_files("HTTP", self.files))


@dataclass(frozen=True)
class SMTP(ServiceSettings):
    """A mail server: port 25, TLS from the start on 465, submission on 587.

    It delivers mail for ``domain`` (by default the domain that the host's name
    lies in, so ``example.com`` on ``mail.example.com``) to the lab's users, and
    hands all other mail on to the domain's own server.  ``mailboxes`` maps a
    user to the messages that lie in their mailbox from the start, each the
    text of a message or an `email.message.EmailMessage`::

        SMTP(mailboxes={"student": ["Subject: hi\\n\\nWelcome."]})

    """

    domain: str | None = None
    mailboxes: Mailboxes | None = field(default=None, hash=False)
    service: str = field(default="smtp", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.domain is not None:
            _check_domain(self.domain)
            _set(self, "domain", self.domain.lower().rstrip("."))
        _set(self, "mailboxes", _checked_mailboxes("SMTP", self.mailboxes))


@dataclass(frozen=True)
class POP(ServiceSettings):
    """A post office: port 110, with TLS from the start on 995.

    ``mailboxes`` is what it is for `SMTP`; services on one host share them.

    """

    mailboxes: Mailboxes | None = field(default=None, hash=False)
    service: str = field(default="pop", init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "mailboxes", _checked_mailboxes("POP", self.mailboxes))


@dataclass(frozen=True)
class IMAP(ServiceSettings):
    """Mailboxes on port 143, with TLS from the start on 993.

    ``mailboxes`` is what it is for `SMTP`; services on one host share them.

    """

    mailboxes: Mailboxes | None = field(default=None, hash=False)
    service: str = field(default="imap", init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "mailboxes", _checked_mailboxes("IMAP", self.mailboxes))


@dataclass(frozen=True)
class FTP(ServiceSettings):
    """A file server on port 21, active and passive, with TLS for who asks.

    ``files``, given as for `HTTP`, lie in /srv/ftp, which `anonymous` may read;
    the lab's users see the host's file system, beginning in their homes.

    """

    files: Files | None = field(default=None, hash=False)
    service: str = field(default="ftp", init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "files", _checked_files("FTP", self.files))


@dataclass(frozen=True)
class Telnet(ServiceSettings):
    """A terminal in clear text on port 23, for the lab's users and root."""

    service: str = field(default="telnet", init=False, repr=False)


@dataclass(frozen=True)
class DNS(ServiceSettings):
    """A name server on port 53 that knows every name of the lab.

    ``records`` adds more, each as owner, type and data in the form of a zone
    file: ``DNS(records=[("example.com", "MX", "10 mail.example.com")])``.
    Types: A AAAA CNAME MX NS PTR SRV TXT CAA.  Every other name does not exist.
    Raises `TopologyError` for data that its type cannot have.

    """

    records: Sequence[tuple[str, str, str]] = ()
    service: str = field(default="dns", init=False, repr=False)

    def __post_init__(self) -> None:
        example = 'records=[("example.com", "MX", "10 mail.example.com")]'
        records = check_iterable("DNS: records", self.records, example, TopologyError)
        _set(self, "records", tuple(_checked_record(record) for record in records))
        _check_aliases(self.records)


@dataclass(frozen=True)
class DHCP(ServiceSettings):
    """A server that gives addresses to the hosts of its networks (RFC 2131).

    A host asks for one with ``Link(switch, host, address="dhcp")``; it gets one of
    the ``pool``, (first, last), or where that is left out one that the lab chooses, and
    always the same.  The pool's other addresses are for whoever else asks.  ``lease_s`` is
    how long an address is given for, at least 120 seconds.  ``static`` maps hosts, or
    their names, to addresses; ``options`` maps names or numbers of RFC 2132's options, as
    in dnsmasq(8), to values: ``{"ntp-server": "10.0.0.1"}``.  Router and name servers are
    told without being asked for.  Raises `TopologyError` for anything else.

    >>> Router("modem", services=[DHCP(pool=("192.168.1.100", "192.168.1.199"))])

    """

    pool: Sequence[str] = ()
    lease_s: int = 3600
    options: Mapping[str | int, str] = field(default_factory=dict, hash=False)
    static: Mapping[Any, str] = field(default_factory=dict, hash=False)
    service: str = field(default="dhcp", init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "pool", _checked_pool(self.pool))
        lease = self.lease_s
        # dnsmasq(8): the shortest lease is two minutes.
        if isinstance(lease, bool) or not isinstance(lease, int) or not 120 <= lease < 2**32:
            raise TopologyError(f"DHCP: lease_s={lease!r} is no number of seconds from 120 on")
        given = check_mapping(
            "DHCP: options", self.options, '{"ntp-server": "10.0.0.1"}', TopologyError
        )
        for name, value in given.items():
            text = f"{name}{value}"
            if "\n" in text or not re.fullmatch(r"[a-z0-9-]+", str(name)):
                raise TopologyError(
                    f"DHCP: option {name!r}: {value!r} cannot be written down; give a name as in "
                    f'dnsmasq(8) or a number, such as {{"ntp-server": "10.0.0.1"}}'
                )
        fixed = check_mapping("DHCP: static", self.static, '{"printer": "10.0.0.9"}', TopologyError)
        static = {str(getattr(host, "name", host)): item for host, item in fixed.items()}
        for host, item in static.items():
            _checked_ipv4(f"static address of {host}", item)
        _set(self, "static", static)
        _set(self, "options", {name: str(value) for name, value in given.items()})


@dataclass(frozen=True)
class DHCPRelay(ServiceSettings):
    """Takes what hosts ask by DHCP to a server on another network (RFC 1542).

    ``to`` is the server: a node, its name, or an IPv4 address.

    >>> Router("floor2", services=[DHCPRelay(to="office")])

    """

    to: Any = ""
    service: str = field(default="dhcp-relay", init=False, repr=False)

    def __post_init__(self) -> None:
        to = str(getattr(self.to, "name", self.to))
        if not to:
            raise TopologyError('a relay needs to know its server: DHCPRelay(to="office")')
        _set(self, "to", to)


def _checked_pool(pool: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(pool, (list, tuple)) or len(pool) not in (0, 2):
        raise TopologyError(
            f"DHCP: pool={shown(pool)} is no pair; write the first and the last address, as in "
            f'("192.168.1.100", "192.168.1.199")'
        )
    checked = tuple(_checked_ipv4("end of the pool", item) for item in pool)
    if checked and IPv4Address(checked[0]) > IPv4Address(checked[1]):
        raise TopologyError(f"DHCP: the pool's first address is above its last: {pool!r}")
    return checked


def _checked_ipv4(what: str, item: object) -> str:
    try:
        return str(IPv4Address(str(item)))
    except ValueError:
        raise TopologyError(f"DHCP: the {what} is {item!r}, which is no IPv4 address") from None


@dataclass(frozen=True)
class RoutingDaemon(ServiceSettings):
    """One of FRR's routing protocols, and the settings its daemon begins with.

    ``configuration`` is in FRR's own words (https://docs.frrouting.org).  A
    ``Router(routing="ospf")`` has its own from the lab; one that is declared as a
    service, ``Router("r1", services=["ospf"], routing=None)``, begins with none and
    is set up by hand: ``r1.vtysh("configure terminal", "router ospf", ...)``.  Beside each
    protocol run zebra and staticd, whose lines (``ip route``, ``interface lo``) may stand
    there too.  ``from_lab`` marks what a lab has written itself.

    FRR reads the text before its daemons start, and a lab with a line that it refuses does
    not start: `Lab.start` raises `TopologyError` with the line and its number.  A line of a
    protocol that the node does not run is refused before, by `Lab`.

    """

    configuration: str = ""
    from_lab: bool = field(default=False, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.configuration, str):
            raise TopologyError(
                f"{type(self).__name__}(configuration=...) is text in FRR's own words, such as "
                f'"router ospf", not {self.configuration!r}'
            )


@dataclass(frozen=True)
class FRR(RoutingDaemon):
    """Static routes and addresses in FRR's words, by zebra and staticd, without a protocol."""

    service: str = field(default="frr", init=False, repr=False)


@dataclass(frozen=True)
class OSPF(RoutingDaemon):
    """Open Shortest Path First, version 2 (RFC 2328), by FRR's ospfd."""

    service: str = field(default="ospf", init=False, repr=False)


@dataclass(frozen=True)
class OSPF6(RoutingDaemon):
    """Open Shortest Path First, version 3, for IPv6 (RFC 5340), by FRR's ospf6d."""

    service: str = field(default="ospf6", init=False, repr=False)


@dataclass(frozen=True)
class RIP(RoutingDaemon):
    """The Routing Information Protocol, version 2 (RFC 2453), by FRR's ripd."""

    service: str = field(default="rip", init=False, repr=False)


@dataclass(frozen=True)
class RIPng(RoutingDaemon):
    """The Routing Information Protocol for IPv6 (RFC 2080), by FRR's ripngd."""

    service: str = field(default="ripng", init=False, repr=False)


@dataclass(frozen=True)
class BGP(RoutingDaemon):
    """The Border Gateway Protocol, version 4 (RFC 4271), by FRR's bgpd on port 179."""

    service: str = field(default="bgp", init=False, repr=False)


@dataclass(frozen=True)
class ISIS(RoutingDaemon):
    """Intermediate System to Intermediate System (ISO 10589, RFC 1195), by FRR's isisd."""

    service: str = field(default="isis", init=False, repr=False)


@dataclass(frozen=True)
class OpenFabric(RoutingDaemon):
    """IS-IS for spines and leaves (draft-white-openfabric), by FRR's fabricd."""

    service: str = field(default="openfabric", init=False, repr=False)


@dataclass(frozen=True)
class EIGRP(RoutingDaemon):
    """The Enhanced Interior Gateway Routing Protocol (RFC 7868), by FRR's eigrpd."""

    service: str = field(default="eigrp", init=False, repr=False)


@dataclass(frozen=True)
class Babel(RoutingDaemon):
    """The Babel routing protocol (RFC 8966), by FRR's babeld."""

    service: str = field(default="babel", init=False, repr=False)


@dataclass(frozen=True)
class BFD(RoutingDaemon):
    """Bidirectional Forwarding Detection (RFC 5880), by FRR's bfdd."""

    service: str = field(default="bfd", init=False, repr=False)


@dataclass(frozen=True)
class PIM(RoutingDaemon):
    """Multicast: PIM sparse mode (RFC 7761) and IGMP (RFC 3376), by FRR's pimd."""

    service: str = field(default="pim", init=False, repr=False)


@dataclass(frozen=True)
class PIM6(RoutingDaemon):
    """Multicast of IPv6: PIM sparse mode and MLD (RFC 3810), by FRR's pim6d."""

    service: str = field(default="pim6", init=False, repr=False)


@dataclass(frozen=True)
class VRRP(RoutingDaemon):
    """The Virtual Router Redundancy Protocol (RFC 5798), by FRR's vrrpd."""

    service: str = field(default="vrrp", init=False, repr=False)


@dataclass(frozen=True)
class LDP(RoutingDaemon):
    """The Label Distribution Protocol of MPLS (RFC 5036), by FRR's ldpd."""

    service: str = field(default="ldp", init=False, repr=False)


@dataclass(frozen=True)
class PBR(RoutingDaemon):
    """Routing by policy, in pbr-maps, by FRR's pbrd."""

    service: str = field(default="pbr", init=False, repr=False)


@dataclass(frozen=True)
class NHRP(RoutingDaemon):
    """The Next Hop Resolution Protocol (RFC 2332), by FRR's nhrpd."""

    service: str = field(default="nhrp", init=False, repr=False)


@dataclass(frozen=True)
class Segments(RoutingDaemon):
    """Segment routing with policies (RFC 9256), by FRR's pathd."""

    service: str = field(default="segments", init=False, repr=False)


# ------------------------------------------------------- shapes of the table


class File(NamedTuple):
    """A file inside a host, with the numeric owner that it has there.

    ``programs`` read it when they start, and are started anew when it changes, unless
    ``live`` returns a command that tells them: it is given the old content and the new.
    One that is ``optional`` is left out where a host has no place for it.

    """

    path: str
    content: bytes
    mode: int = 0o644
    uid: int | str = 0  # or a name, from the host's own /etc/passwd
    gid: int = 0
    append: bool = False
    programs: tuple[str, ...] = ()
    live: Callable[[bytes, bytes], list[str] | None] | None = None
    optional: bool = False


class Port(NamedTuple):
    """A port that a service listens on; ``tls``: from the first byte."""

    number: int
    protocol: str = "tcp"  # or "udp"
    tls: bool = False


class Probe(NamedTuple):
    """A question to a port, and what a real answer to it looks like.

    ``send`` is what to say first (None: the server speaks first), ``expect``
    a regular expression for the beginning of the answer, read as latin-1.

    """

    port: int
    protocol: str = "tcp"
    tls: bool = False
    send: bytes | None = None
    expect: str = ""


@dataclass(frozen=True)
class ServiceContext:
    """The facts of its host and lab from which a service writes its files.

    ``users`` maps the lab's users to their uids (the gid is the same number).
    ``mail_domains`` are those whose mail this host keeps; ``mail_routes`` maps
    every other mail domain of the lab to its server and is empty where
    ``by_mx``: then the name server is asked.  ``records`` are the lab's own.
    ``dhcp`` holds the networks that it serves or relays, in dnsmasq's words.

    """

    name: str
    short: str
    users: Mapping[str, int] = field(default_factory=dict)
    records: tuple[tuple[str, str, str], ...] = ()
    mail_domains: tuple[str, ...] = ()
    mail_routes: Mapping[str, str] = field(default_factory=dict)
    by_mx: bool = False
    dhcp: tuple[str, ...] = ()


class Readiness(NamedTuple):
    """The sign that a program of a user's is ready, beside an answer on its port.

    ``command`` runs on the host until it succeeds, ``function`` is called here with the host
    until it returns something true.  Without either, one that has no port must not end at once.

    """

    command: tuple[str, ...] = ()
    function: Callable[[Any], object] | None = None


class ServiceRow(NamedTuple):
    """All that the rest of playground knows about one service."""

    name: str
    settings: type[ServiceSettings]
    layer: str | None  # directory under images/; None: in the base already
    programs: tuple[str, ...]  # runit names: /etc/sv/NAME
    ports: tuple[Port, ...]
    probes: tuple[Probe, ...]
    logs: tuple[str, ...]
    configure: Callable[[Any, ServiceContext], tuple[File, ...]]
    tls: bool = False  # needs a certificate of the lab's authority
    # It takes at least this of the machine, once it answers: processes with their
    # supervisors, and instances of inotify(7).  Counted in the miniature Internet.
    processes: int = 1
    inotify: int = 0
    accounts: tuple[str, ...] = ()  # users and groups that its layer adds
    packages: tuple[str, ...] = ()  # of Debian, in a layer of their own
    readiness: Readiness | None = None  # of a user's own service: when it is ready


# ------------------------------------------------- from settings to files


def _configure_nothing(settings: ServiceSettings, context: ServiceContext) -> tuple[File, ...]:
    return ()


def _configure_http(settings: HTTP, context: ServiceContext) -> tuple[File, ...]:
    files = _read_files(settings.files)
    if files is None:
        import html

        name = html.escape(context.name)
        page = (
            "<!doctype html>\n"
            f"<html lang=en><meta charset=utf-8><title>{name}</title>\n"
            f"<h1>{name}</h1>\n<p>A web server of the lab.</p></html>\n"
        )
        files = {"index.html": page.encode()}
    return tuple(File(f"/var/www/html/{name}", content) for name, content in files.items())


def _configure_ftp(settings: FTP, context: ServiceContext) -> tuple[File, ...]:
    files = _read_files(settings.files)
    if files is None:
        files = {"README.txt": f"This is the file server {context.name}.\n".encode()}
    return tuple(File(f"/srv/ftp/{name}", content) for name, content in files.items())


# A relay open to everybody is a fault on the Internet, where it serves senders
# of spam.  In a lab that no packet leaves it lets students send mail to any
# domain of the lab from any host, which is the exercise.
_MAIN_CF = """\
# https://www.postfix.org/postconf.5.html
compatibility_level = 3.10
myhostname = {name}
myorigin = {origin}
mydestination = {destinations}
mynetworks = 0.0.0.0/0 [::]/0
inet_protocols = {protocols}

alias_maps = texthash:/etc/postfix/aliases
alias_database =
home_mailbox = Maildir/
recipient_delimiter = +
biff = no
mailbox_size_limit = 0
message_size_limit = 52428800
smtputf8_enable = yes
maillog_file = /var/log/mail.log
maillog_file_permissions = 0644

# Names of clients are not looked up: no greeting ever waits for a name server.
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/playground/tls/key.pem, /etc/playground/tls/cert.pem
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = /etc/postfix/sasl
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_connection_count_limit = 0

# On the way to the next server: TLS where it is offered, as most of the
# Internet does, and short patience, so that a lesson sees the error.
smtp_tls_security_level = may
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
smtp_connect_timeout = 5s
smtp_address_preference = ipv4
minimal_backoff_time = 10s
maximal_backoff_time = 60s
queue_run_delay = 10s
"""

_BY_MX = "smtp_dns_support_level = enabled\nsmtp_host_lookup = dns, native\n"
_BY_MAP = """\
# There is no name server in this lab: /etc/hosts and a map take its place.
smtp_dns_support_level = disabled
smtp_host_lookup = native
transport_maps = texthash:/etc/postfix/transport
"""


def _configure_smtp(settings: SMTP, context: ServiceContext) -> tuple[File, ...]:
    destinations = dict.fromkeys(
        (*context.mail_domains, context.name, context.short, "localhost.localdomain", "localhost")
    )
    main = _MAIN_CF.format(
        name=context.name,
        origin=context.mail_domains[0] if context.mail_domains else context.name,
        destinations=", ".join(destinations),
        protocols="all",
    )
    main += _BY_MX if context.by_mx else _BY_MAP
    # RFC 5321 section 4.5.1: postmaster must be accepted everywhere.
    aliases = "postmaster root\nmailer-daemon root\nabuse root\n"
    if context.users:
        aliases += f"root {next(iter(context.users))}\n"
    transport = "".join(f"{domain} smtp:[{host}]\n" for domain, host in context.mail_routes.items())
    return (
        File("/etc/postfix/main.cf", main.encode()),
        File("/etc/postfix/aliases", aliases.encode()),
        File("/etc/postfix/transport", transport.encode()),
        File("/etc/mailname", f"{context.name}\n".encode()),
        *_mailbox_files("smtp", settings.mailboxes, context),
    )


def _configure_pop(settings: POP, context: ServiceContext) -> tuple[File, ...]:
    return _mailbox_files("pop", settings.mailboxes, context)


def _configure_imap(settings: IMAP, context: ServiceContext) -> tuple[File, ...]:
    return _mailbox_files("imap", settings.mailboxes, context)


def _mailbox_files(
    origin: str, mailboxes: Mailboxes | None, context: ServiceContext
) -> tuple[File, ...]:
    files = []
    for user, messages in (mailboxes or {}).items():
        if user not in context.users:
            known = ", ".join(context.users) or "none"
            raise TopologyError(
                f"{context.name} has a mailbox for {user!r}, who is no user of the lab "
                f"({known}): add them with Lab(users=...) or name another"
            )
        uid = context.users[user]
        for number, message in enumerate(messages):
            assert isinstance(message, bytes)  # made so by _checked_mailboxes
            # https://cr.yp.to/proto/maildir.html: any name unique in the directory;
            # mail readers sort by its first number, a time.
            path = f"/home/{user}/Maildir/new/{1_000_000_000 + number}.{origin}.{context.short}"
            files.append(File(path, message, 0o600, uid, uid))
    return tuple(files)


_DNSMASQ = """\
# No resolv.conf, no /etc/hosts, nobody to ask: what stands here is all there is.
no-resolv
no-hosts
no-poll
local-ttl=60
cache-size=0
port=53
user=root
pid-file=/run/dnsmasq.pid
log-queries
log-facility=/var/log/dnsmasq.log
dns-forward-max=1000

# Any other name does not exist.
address=/#/
"""


def _configure_dns(settings: DNS, context: ServiceContext) -> tuple[File, ...]:
    records = dict.fromkeys((*context.records, *settings.records))
    lines = _dnsmasq_lines(_checked_record(record) for record in records)
    return (File("/etc/dnsmasq.conf", (_DNSMASQ + "".join(f"{x}\n" for x in lines)).encode()),)


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


# dnsmasq(8): each type has an option of its own.
def _dnsmasq_lines(records: Iterable[tuple[str, str, str]]) -> list[str]:
    lines: list[str] = []
    for name, kind, data in records:
        if kind in ("A", "AAAA"):
            # Answers the reverse question as well, with the first name given.
            lines.append(f"host-record={name},{data}")
        elif kind == "CNAME":
            lines.append(f"cname={name},{data}")
        elif kind == "PTR":
            lines.append(f"ptr-record={name},{data}")
        elif kind == "MX":
            preference, host = data.split()
            lines.append(f"mx-host={name},{host},{preference}")
        elif kind == "TXT":
            lines.append(f"txt-record={name},{_quoted(data)}")
        elif kind == "SRV":
            priority, weight, port, host = data.split()
            lines.append(f"srv-host={name},{host},{port},{priority},{weight}")
        elif kind == "CAA":
            flags, tag, value = data.split(None, 2)
            lines.append(f"caa-record={name},{flags},{tag},{_quoted(value)}")
        elif kind == "NS":
            lines.append(f"dns-rr={name},2,{_wire_name(data).hex()}")
    return lines


def _quoted(data: str) -> str:
    text = data.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _wire_name(name: str) -> bytes:
    # RFC 1035 section 3.1: each label after its length, then an empty label.
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes((len(x),)) + x.encode("ascii") for x in labels) + b"\0"


# Users' own texts for FRR, each as it is; the image's `tell` reads them there.
FRR_TEXTS = "/etc/frr/texts"


def _configure_routing(settings: RoutingDaemon, context: ServiceContext) -> tuple[File, ...]:
    content = settings.configuration.encode()
    files = []
    for daemon in ROUTING[settings.service].programs:
        # zebra stays as it is, and so do the routes of another protocol; mgmtd reads for RIP's.
        readers = ("mgmtd", daemon) if daemon in ("ripd", "ripngd") else (daemon,)
        own = content if settings.from_lab else b""
        path = f"/etc/frr/{daemon}.conf"
        files.append(File(path, own, 0o640, programs=readers, live=_tell_daemon))
    if content and not settings.from_lab:
        files.append(File(f"{FRR_TEXTS}/{settings.service}.conf", content, 0o640))
    return tuple(files)


_COSTS = (" ip ospf cost ", " ipv6 ospf6 cost ")


def _tell_daemon(old: bytes, new: bytes) -> list[str] | None:
    """Return the vtysh(1) command by which a daemon that runs takes new settings.

    None where more than costs of interfaces differs: then it starts anew.

    """
    before, after = old.decode().splitlines(), new.decode().splitlines()
    if len(before) != len(after):
        return None
    commands, block = ["configure terminal"], ""
    for was, line in zip(before, after, strict=True):
        if not line.startswith(" "):
            block = line
        if was == line:
            continue
        if not (was.startswith(_COSTS) and line.startswith(_COSTS)):
            return None
        commands += [block, line.strip()]
    return ["vtysh", *(word for command in commands for word in ("-c", command))]


# ------------------------------------------------------------------ probes

# A query for `playground. A`; any answer to it, "no such name" too, has our
# number and the QR bit: RFC 1035 section 4.1.1.
_DNS_QUERY = b"pg\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0aplayground\x00\x00\x01\x00\x01"
_DNS_QUERY_TCP = len(_DNS_QUERY).to_bytes(2, "big") + _DNS_QUERY
_HTTP_REQUEST = b"HEAD / HTTP/1.0\r\nUser-Agent: playground-probe\r\n\r\n"

_BANNER_SMTP = r"220[ -]"
_BANNER_POP = r"\+OK"
_BANNER_IMAP = r"\* OK"
# Each of FRR's daemons has a terminal on the loopback interface.  What it says there
# depends on "password", "banner" and "line vty" in its settings.
_BANNER_FRR = r"."

# These run wherever one of FRR's daemons does, with the ports of their terminals: mgmtd
# keeps the settings of the other two, and of RIP's.
FRR_TERMINALS = {"mgmtd": 2623, "zebra": 2601, "staticd": 2616}


class Routing(NamedTuple):
    """One of FRR's protocols: its settings, and its programs with the ports of their terminals."""

    settings: type[RoutingDaemon]
    programs: Mapping[str, int]
    processes: int = 1  # as in `ServiceRow`


ROUTING: dict[str, Routing] = {
    "frr": Routing(FRR, {}),
    "ospf": Routing(OSPF, {"ospfd": 2604}, processes=6),
    "ospf6": Routing(OSPF6, {"ospf6d": 2606}, processes=6),
    "rip": Routing(RIP, {"ripd": 2602}, processes=12),
    "ripng": Routing(RIPng, {"ripngd": 2603}, processes=12),
    "bgp": Routing(BGP, {"bgpd": 2605}, processes=9),
    "isis": Routing(ISIS, {"isisd": 2608}),
    "openfabric": Routing(OpenFabric, {"fabricd": 2618}),
    "eigrp": Routing(EIGRP, {"eigrpd": 2613}),
    "babel": Routing(Babel, {"babeld": 2609}),
    "bfd": Routing(BFD, {"bfdd": 2617}),
    "pim": Routing(PIM, {"pimd": 2611}),
    "pim6": Routing(PIM6, {"pim6d": 2622}),
    "vrrp": Routing(VRRP, {"vrrpd": 2619}),
    "ldp": Routing(LDP, {"ldpd": 2612}),
    "pbr": Routing(PBR, {"pbrd": 2615}),
    "nhrp": Routing(NHRP, {"nhrpd": 2610}),
    "segments": Routing(Segments, {"pathd": 2621}),
}


def frr_services(text: str) -> tuple[ServiceSettings, ...]:
    """Return what a router runs that is told a text in FRR's words: zebra, and what it needs.

    >>> frr_services("router bgp 65001")
    (FRR(configuration='router bgp 65001'), BGP(configuration=''))

    """
    return (FRR(text), *(ROUTING[name].settings() for name in services_needed(text)))


def refuse_idle_lines(machine: str, services: Iterable[ServiceSettings]) -> None:
    """Refuse lines in FRR's words whose daemon is not one of a machine's services."""
    daemons = [item for item in services if isinstance(item, RoutingDaemon)]
    running = {item.service for item in daemons}
    for item in daemons:
        for line in () if item.from_lab else lines_needing(item.configuration):
            if line.service not in running:
                program = next(iter(ROUTING[line.service].programs))
                raise TopologyError(
                    f"{machine}: line {line.number} of {type(item).__name__}(configuration=...), "
                    f"{line.text!r}, is for {program}, which {machine} does not run; declare the "
                    f'service "{line.service}" beside it, or give all of it to the router: '
                    f"Router({machine!r}, frr=...)"
                )


# The order is also the order in which image layers are put on one another.
SERVICES: dict[str, ServiceRow] = {
    row.name: row
    for row in (
        ServiceRow(
            name="ssh",
            settings=SSH,
            layer=None,
            programs=("sshd",),
            ports=(Port(22),),
            probes=(Probe(22, expect=r"SSH-2\.0-"),),
            logs=("/var/log/sshd.log",),
            configure=_configure_nothing,
            processes=2,
        ),
        ServiceRow(
            name="http",
            settings=HTTP,
            layer="http",
            programs=("nginx",),
            ports=(Port(80), Port(443, tls=True)),
            probes=(
                Probe(80, send=_HTTP_REQUEST, expect=r"HTTP/1\."),
                Probe(443, tls=True, send=_HTTP_REQUEST, expect=r"HTTP/1\."),
            ),
            logs=("/var/log/nginx/access.log", "/var/log/nginx/error.log"),
            configure=_configure_http,
            tls=True,
            processes=3,
        ),
        ServiceRow(
            name="smtp",
            settings=SMTP,
            layer="smtp",
            programs=("saslauthd", "postfix"),
            ports=(Port(25), Port(465, tls=True), Port(587)),
            probes=(
                Probe(25, expect=_BANNER_SMTP),
                Probe(465, tls=True, expect=_BANNER_SMTP),
                Probe(587, expect=_BANNER_SMTP),
            ),
            logs=("/var/log/mail.log", "/var/log/saslauthd.log"),
            configure=_configure_smtp,
            tls=True,
            processes=14,
            accounts=("postdrop", "postfix", "sasl"),
        ),
        ServiceRow(
            name="pop",
            settings=POP,
            layer="pop",
            programs=("dovecot-pop",),
            ports=(Port(110), Port(995, tls=True)),
            probes=(Probe(110, expect=_BANNER_POP), Probe(995, tls=True, expect=_BANNER_POP)),
            logs=("/var/log/dovecot-pop.log",),
            configure=_configure_pop,
            tls=True,
            processes=8,
            accounts=("dovecot", "dovenull"),
        ),
        ServiceRow(
            name="imap",
            settings=IMAP,
            layer="imap",
            programs=("dovecot-imap",),
            ports=(Port(143), Port(993, tls=True)),
            probes=(Probe(143, expect=_BANNER_IMAP), Probe(993, tls=True, expect=_BANNER_IMAP)),
            logs=("/var/log/dovecot-imap.log",),
            configure=_configure_imap,
            tls=True,
            processes=8,
            # dovecot takes one for every reader who waits for mail.
            inotify=1,
            accounts=("dovecot", "dovenull"),
        ),
        ServiceRow(
            name="ftp",
            settings=FTP,
            layer="ftp",
            programs=("vsftpd",),
            ports=(Port(21),),
            probes=(Probe(21, expect=r"220[ -]"),),
            logs=("/var/log/vsftpd.log",),
            configure=_configure_ftp,
            tls=True,
            processes=2,
            accounts=("ftp",),
        ),
        ServiceRow(
            name="telnet",
            settings=Telnet,
            layer="telnet",
            programs=("telnetd",),
            ports=(Port(23),),
            # RFC 854: telnetd opens with options, each begun by the byte IAC.
            probes=(Probe(23, expect=r"\xff"),),
            logs=("/var/log/telnetd.log",),
            configure=_configure_nothing,
            processes=2,
        ),
        ServiceRow(
            name="dns",
            settings=DNS,
            layer="dns",
            programs=("dnsmasq",),
            ports=(Port(53, "udp"), Port(53, "tcp")),
            probes=(
                Probe(53, "udp", send=_DNS_QUERY, expect=r"pg[\x80-\xff]"),
                Probe(53, "tcp", send=_DNS_QUERY_TCP, expect=r"(?s)..pg[\x80-\xff]"),
            ),
            logs=("/var/log/dnsmasq.log",),
            configure=_configure_dns,
            processes=2,
            accounts=("dnsmasq",),
        ),
        *(
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
        ),
        *(
            ServiceRow(
                name=name,
                settings=settings,
                layer="frr",
                programs=(*FRR_TERMINALS, *programs),
                # mgmtd and staticd come last, and no network waits for them.
                ports=tuple(Port(number) for number in (2601, *programs.values())),
                probes=tuple(
                    Probe(number, expect=_BANNER_FRR) for number in (2601, *programs.values())
                ),
                logs=tuple(
                    f"/var/log/frr/{one}.log" for one in (*programs, *reversed(FRR_TERMINALS))
                ),
                configure=_configure_routing,
                processes=processes,
                accounts=("frr", "frrvty"),
            )
            for name, (settings, programs, processes) in ROUTING.items()
        ),
    )
}


def service(value: str | ServiceSettings) -> ServiceSettings:
    """Return the settings that a name stands for; settings pass unchanged.

    ``service("http") == HTTP()``.  Raises `TopologyError`, with the names that
    there are, for anything else.

    """
    if isinstance(value, ServiceSettings):
        if value.service in SERVICES or value.is_own:
            return value
    elif isinstance(value, str) and value in SERVICES:
        return SERVICES[value].settings()
    elif isinstance(value, type) and issubclass(value, ServiceSettings):
        raise TopologyError(f"{value.__name__} is a class: write {value.__name__}() instead")
    elif isinstance(value, str):
        added = load_plugin(value)
        if isinstance(added, ServiceSettings) and added.service == value:
            return service(added)
        if added is not None:
            raise TopologyError(
                f"the service {value!r} comes from {source_of(value)}, which gives {shown(added)} "
                f"instead of a Service({value!r}, ...); mend or uninstall it"
            )
    added_names = plugin_names()
    known = ", ".join(dict.fromkeys((*SERVICES, *added_names)))
    shadows = "".join(
        f"; {source_of(name)} adds {name!r}, which is playground's own and stays so"
        for name in added_names
        if name in SERVICES
    )
    raise TopologyError(f"there is no service {value!r}: choose from {known}{shadows}")


def mail_domain(settings: SMTP, host: str) -> str:
    """Return the domain whose mail this host takes.

    It is ``settings.domain``, else the domain that the host's name lies in
    (``example.com`` for ``mail.example.com``), else the name itself.

    """
    if settings.domain is not None:
        return settings.domain
    _, dot, parent = host.partition(".")
    # mail.example.com takes example.com's mail, but example.com not com's.
    return parent if dot and "." in parent else host


# ------------------------------------------------- validation of settings


def _set(settings: ServiceSettings, name: str, value: object) -> None:
    object.__setattr__(settings, name, value)


def _checked_files(who: str, files: Files | None) -> Path | dict[str, bytes] | None:
    if files is None:
        return None
    if isinstance(files, (str, os.PathLike)):
        directory = Path(files)
        try:
            missing = not directory.is_dir()
            what = "is not a directory" if directory.exists() else "does not exist"
        except (OSError, ValueError):  # longer than any name, for one
            missing, what = True, "can be no directory"
        if missing:
            raise TopologyError(
                f"{who}(files={shown(str(files))}): {str(directory.absolute())[:200]} {what}; "
                "give a directory, or a mapping of names to texts"
            )
        return directory.absolute()
    if not isinstance(files, Mapping):
        raise TopologyError(
            f"{who}(files=...) takes a directory or a mapping of names to texts, not {files!r}"
        )
    checked: dict[str, bytes] = {}
    for name, content in files.items():
        relative = _checked_file_name(who, name)
        if isinstance(content, str):
            checked[relative] = content.encode()
        elif isinstance(content, (bytes, bytearray, memoryview)):
            checked[relative] = bytes(content)
        else:
            raise TopologyError(
                f"{who}: the content of {name!r} must be text or bytes, not {content!r}"
            )
    for name in checked:
        for folder in map(str, Path(name).parents):
            if folder in checked:
                raise TopologyError(
                    f"{who}: {folder!r} cannot be a file and the directory of {name!r} as well; "
                    "give one of them another name"
                )
    _check_size(who, sum(map(len, checked.values())))
    return checked


def _checked_file_name(who: str, name: object) -> str:
    if not isinstance(name, str) or "\0" in name:
        raise TopologyError(f"{who}: {name!r} cannot be the name of a file")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name.endswith("/"):
        raise TopologyError(
            f"{who}: {name!r} cannot be the name of a file in the server's directory; "
            'write for example "docs/index.html"'
        )
    return "/".join(parts)


def _read_files(files: object) -> dict[str, bytes] | None:
    if files is None or isinstance(files, dict):
        return files
    assert isinstance(files, Path)  # made so by _checked_files
    found: dict[str, bytes] = {}
    size = 0
    try:
        for folder, folders, names in os.walk(files):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file():
                    size += path.stat().st_size
                    _check_size(str(files), size)
                    found[path.relative_to(files).as_posix()] = path.read_bytes()
    except OSError as exc:
        raise TopologyError(
            f"cannot read the files to serve from {files}: {exc.strerror} ({exc.filename})"
        ) from exc
    if not files.is_dir():
        raise TopologyError(f"the directory to serve, {files}, is gone")
    return found


def _check_size(who: str, size_bytes: int) -> None:
    if size_bytes > _MOST_FILES_BYTES:
        raise TopologyError(
            f"{who}: the files to serve come to more than {_MOST_FILES_BYTES >> 20} MiB; "
            "serve fewer, and copy large ones in with host.put() once the lab runs"
        )


def _checked_mailboxes(who: str, mailboxes: Mailboxes | None) -> dict[str, tuple[bytes, ...]]:
    if mailboxes is None:
        return {}
    from email.message import Message

    if not isinstance(mailboxes, Mapping):
        raise TopologyError(
            f"{who}(mailboxes=...) takes a mapping of users to lists of messages, not {mailboxes!r}"
        )
    checked = {}
    for user, messages in mailboxes.items():
        if not isinstance(user, str) or not user or "/" in user:
            raise TopologyError(f"{who}: {user!r} cannot be the user of a mailbox")
        if isinstance(messages, (str, bytes, Message)) or not isinstance(messages, Iterable):
            raise TopologyError(
                f"{who}: the mailbox of {user!r} must be a list of messages, not one message"
            )
        checked[user] = tuple(_checked_message(who, user, message) for message in messages)
    return checked


# RFC 5322 section 2.2: a field name is printable ASCII without the colon.
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")


def _checked_message(who: str, user: str, message: MailMessage) -> bytes:
    from email.message import Message
    from email.policy import SMTP as CRLF_POLICY

    if isinstance(message, Message):
        data = message.as_bytes(policy=message.policy or CRLF_POLICY)
    elif isinstance(message, str):
        data = message.encode()
    elif isinstance(message, bytes):
        data = message
    else:
        raise TopologyError(
            f"{who}: a message for {user!r} must be text, bytes or an EmailMessage, not {message!r}"
        )
    data = data.replace(b"\r\n", b"\n")
    if not _HEADER.match(data):
        raise TopologyError(
            f"{who}: a message for {user!r} must begin with a header, such as "
            f'"Subject: hello", and an empty line before its text; it begins with {data[:40]!r}'
        )
    return data if data.endswith(b"\n") else data + b"\n"


# Wider than a host's name (RFC 1123): owners such as _dmarc.
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


def _check_domain(name: object) -> None:
    if isinstance(name, str) and name.startswith("*"):
        raise TopologyError(
            f"{name!r} stands for many names (RFC 4592), which the lab's name server does not "
            "serve: give each name a record"
        )
    if not isinstance(name, str) or not _DOMAIN.fullmatch(name.lower().rstrip(".")):
        raise TopologyError(f"{name!r} is no domain name: write for example 'example.com'")


_RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT", "CAA")


def _checked_record(record: object) -> tuple[str, str, str]:
    if isinstance(record, (tuple, list)) and len(record) == 3:
        name, kind, data = record
    else:
        raise TopologyError(
            f"a DNS record is (name, type, data), such as ('example.com', 'MX', "
            f"'10 mail.example.com'), not {record!r}"
        )
    kind = str(kind).upper()
    if kind not in _RECORD_TYPES:
        raise TopologyError(
            f"DNS record {record!r}: the type must be one of {', '.join(_RECORD_TYPES)}"
        )
    if kind == "PTR" and isinstance(name, str):
        with contextlib.suppress(ValueError):  # an address, as one would write it
            name = ip_address(name).reverse_pointer
    _check_domain(name)
    return name.lower().rstrip("."), kind, _checked_data(record, kind, str(data).strip())


def _check_aliases(records: Iterable[tuple[str, str, str]]) -> None:
    """Refuse CNAME records that lead in a circle: no name server loads them."""
    aliases = {name: data for name, kind, data in records if kind == "CNAME"}
    for first in aliases:
        passed = [first]
        while (following := aliases.get(passed[-1])) is not None:
            if following in passed:
                raise TopologyError(
                    f"the CNAME records {' -> '.join((*passed, following))} lead in a circle; "
                    "let the last one name a host"
                )
            passed.append(following)


def _checked_data(record: object, kind: str, data: str) -> str:
    if not data or "\n" in data or "\0" in data:
        raise TopologyError(f"DNS record {record!r}: the data must be one line")
    if kind in ("A", "AAAA"):
        wanted = IPv4Address if kind == "A" else IPv6Address
        try:
            address = ip_address(data)
        except ValueError:
            address = None
        if not isinstance(address, wanted):
            version = 4 if kind == "A" else 6
            raise TopologyError(f"DNS record {record!r}: the data must be an IPv{version} address")
        return str(address)
    if kind in ("TXT", "CAA"):
        longest = 255  # of one character string, RFC 1035 section 3.3
        if kind == "CAA" and len(data.split(None, 2)) != 3:
            raise TopologyError(
                f"DNS record {record!r}: the data must be like '0 issue \"ca.org\"'"
            )
        if len(data.encode()) > longest:
            raise TopologyError(f"DNS record {record!r}: the text is over {longest} bytes")
        return data
    numbers = {"MX": 1, "SRV": 3}.get(kind, 0)
    fields = data.split()
    if (
        len(fields) != numbers + 1
        or not all(x.isdecimal() and int(x) < 65536 for x in fields[:-1])
        or not _DOMAIN.fullmatch(fields[-1].lower().rstrip("."))
    ):
        shape = {"MX": "'10 mail.example.com'", "SRV": "'0 5 5060 sip.example.com'"}.get(
            kind, "a domain name, such as 'www.example.com'"
        )
        raise TopologyError(f"DNS record {record!r}: the data must be like {shape}")
    return " ".join((*fields[:-1], fields[-1].lower().rstrip(".")))
