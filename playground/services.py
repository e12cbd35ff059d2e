"""The services that a host can offer: their settings, and one table of rows.

A service is a row of `SERVICES`, not a class of its own: which image layer it
needs, which programs run it, on which ports it answers and what a real answer
looks like, where its logs are, and a function that turns its settings into
configuration files.  Settings are frozen dataclasses, validated when they are
built.  Nothing here touches a network or an engine; the only thing read from
the machine is a directory handed to ``HTTP(files=...)`` or ``FTP(files=...)``.

"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from playground.errors import TopologyError


@dataclass(frozen=True)
class ServiceSettings:
    """What every service's settings have: the name of their row in `SERVICES`."""

    service: str = field(default="", init=False, repr=False)


@dataclass(frozen=True)
class SSH(ServiceSettings):
    """A secure shell on port 22; it needs no settings."""

    service: str = field(default="ssh", init=False, repr=False)


@dataclass(frozen=True)
class HTTP(ServiceSettings):
    """A web server on ports 80 and 443."""

    files: Any = None
    service: str = field(default="http", init=False, repr=False)


@dataclass(frozen=True)
class SMTP(ServiceSettings):
    """A mail server on ports 25, 465 and 587."""

    domain: str | None = None
    mailboxes: Any = None
    service: str = field(default="smtp", init=False, repr=False)


@dataclass(frozen=True)
class POP(ServiceSettings):
    """A post office on ports 110 and 995."""

    mailboxes: Any = None
    service: str = field(default="pop", init=False, repr=False)


@dataclass(frozen=True)
class IMAP(ServiceSettings):
    """Mailboxes on ports 143 and 993."""

    mailboxes: Any = None
    service: str = field(default="imap", init=False, repr=False)


@dataclass(frozen=True)
class FTP(ServiceSettings):
    """A file server on port 21."""

    files: Any = None
    service: str = field(default="ftp", init=False, repr=False)


@dataclass(frozen=True)
class Telnet(ServiceSettings):
    """A remote terminal on port 23; it needs no settings."""

    service: str = field(default="telnet", init=False, repr=False)


@dataclass(frozen=True)
class DNS(ServiceSettings):
    """A name server on port 53."""

    records: Any = ()
    service: str = field(default="dns", init=False, repr=False)


@dataclass(frozen=True)
class File:
    """A file inside a host, with the numeric owner that it has there."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    append: bool = False


@dataclass(frozen=True)
class Port:
    """A port that a service listens on."""

    number: int
    protocol: str = "tcp"  # or "udp"
    tls: bool = False


@dataclass(frozen=True)
class Probe:
    """A question and what a real answer to it matches.

    ``send`` is what to say first (None: the server speaks first), ``expect``
    a regular expression for the bytes of the answer, as latin-1 text.

    """

    port: int
    protocol: str = "tcp"
    tls: bool = False
    send: bytes | None = None
    expect: str = ""


@dataclass(frozen=True)
class ServiceContext:
    """What a service may know of its host and lab to write its files."""

    name: str


@dataclass(frozen=True)
class ServiceRow:
    """All that the rest of playground knows about one service."""

    name: str
    settings: type[ServiceSettings]
    layer: str | None  # directory under images/; None: in the base already
    programs: tuple[str, ...]  # runit names: /etc/sv/NAME
    ports: tuple[Port, ...]
    probes: tuple[Probe, ...]
    logs: tuple[str, ...]
    configure: Callable[[Any, ServiceContext], tuple[File, ...]]

    @property
    def tls(self) -> bool:
        """Whether the service needs a certificate of the lab's authority."""
        return self.name in ("http", "smtp", "pop", "imap", "ftp")


def _no_files(settings: Any, context: ServiceContext) -> tuple[File, ...]:
    return ()


def _rows(rows: Iterable[ServiceRow]) -> dict[str, ServiceRow]:
    return {row.name: row for row in rows}


# The order is also the order in which image layers are put on one another.
SERVICES: dict[str, ServiceRow] = _rows(
    (
        ServiceRow("ssh", SSH, None, ("sshd",), (Port(22),), (), ("/var/log/sshd.log",), _no_files),
        ServiceRow(
            "http",
            HTTP,
            "http",
            ("nginx",),
            (Port(80), Port(443, tls=True)),
            (),
            ("/var/log/nginx/access.log", "/var/log/nginx/error.log"),
            _no_files,
        ),
        ServiceRow(
            "smtp",
            SMTP,
            "smtp",
            ("saslauthd", "postfix"),
            (Port(25), Port(465, tls=True), Port(587)),
            (),
            ("/var/log/mail.log",),
            _no_files,
        ),
        ServiceRow(
            "pop",
            POP,
            "pop",
            ("dovecot-pop",),
            (Port(110), Port(995, tls=True)),
            (),
            ("/var/log/dovecot-pop.log",),
            _no_files,
        ),
        ServiceRow(
            "imap",
            IMAP,
            "imap",
            ("dovecot-imap",),
            (Port(143), Port(993, tls=True)),
            (),
            ("/var/log/dovecot-imap.log",),
            _no_files,
        ),
        ServiceRow(
            "ftp", FTP, "ftp", ("vsftpd",), (Port(21),), (), ("/var/log/vsftpd.log",), _no_files
        ),
        ServiceRow(
            "telnet",
            Telnet,
            "telnet",
            ("telnetd",),
            (Port(23),),
            (),
            ("/var/log/telnetd.log",),
            _no_files,
        ),
        ServiceRow(
            "dns",
            DNS,
            "dns",
            ("dnsmasq",),
            (Port(53, "udp"), Port(53)),
            (),
            ("/var/log/dnsmasq.log",),
            _no_files,
        ),
    )
)


def service(value: str | ServiceSettings) -> ServiceSettings:
    """Return the settings that a name stands for; settings pass unchanged.

    Raises `TopologyError`, with the names there are, for anything else.

    """
    if isinstance(value, ServiceSettings):
        if value.service in SERVICES:
            return value
    elif isinstance(value, str) and value in SERVICES:
        return SERVICES[value].settings()
    known = ", ".join(SERVICES)
    raise TopologyError(f"there is no service {value!r}: choose from {known}")


def mail_domain(settings: SMTP, host: str) -> str:
    """Return the domain whose mail this host takes.

    It is ``settings.domain``, else the domain that the host's name lies in
    (``example.com`` for ``mail.example.com``), else the name itself.

    """
    if settings.domain is not None:
        return settings.domain
    return _parent_domain(host)


def _parent_domain(host: str) -> str:
    _, dot, parent = host.partition(".")
    # mail.example.com takes example.com's mail, but example.com does not take com's.
    return parent if dot and "." in parent else host


__all__ = [
    "DNS",
    "FTP",
    "HTTP",
    "IMAP",
    "POP",
    "SERVICES",
    "SMTP",
    "SSH",
    "File",
    "Port",
    "Probe",
    "ServiceContext",
    "ServiceRow",
    "ServiceSettings",
    "Telnet",
    "mail_domain",
    "service",
]
