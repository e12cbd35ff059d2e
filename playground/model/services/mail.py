"""Mail: SMTP, POP and IMAP, the mailboxes that they share, and their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from playground.errors import TopologyError
from playground.model.records import dataclass
from playground.model.services.dns_records import check_domain
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

# email takes 10 ms to import, and only mailboxes need it.
if TYPE_CHECKING:
    from email.message import Message

    MailMessage = str | bytes | Message
    Mailboxes = Mapping[str, Sequence[MailMessage]]


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
            check_domain(self.domain)
            set_field(self, "domain", self.domain.lower().rstrip("."))
        set_field(self, "mailboxes", _checked_mailboxes("SMTP", self.mailboxes))

    @property
    def own_places(self) -> list[str]:
        return [_maildir(user) for user in self.mailboxes or ()]


@dataclass(frozen=True)
class POP(ServiceSettings):
    """A post office: port 110, with TLS from the start on 995.

    ``mailboxes`` is what it is for `SMTP`; services on one host share them.

    """

    mailboxes: Mailboxes | None = field(default=None, hash=False)
    service: str = field(default="pop", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "mailboxes", _checked_mailboxes("POP", self.mailboxes))

    @property
    def own_places(self) -> list[str]:
        return [_maildir(user) for user in self.mailboxes or ()]


@dataclass(frozen=True)
class IMAP(ServiceSettings):
    """Mailboxes on port 143, with TLS from the start on 993.

    ``mailboxes`` is what it is for `SMTP`; services on one host share them.

    """

    mailboxes: Mailboxes | None = field(default=None, hash=False)
    service: str = field(default="imap", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "mailboxes", _checked_mailboxes("IMAP", self.mailboxes))

    @property
    def own_places(self) -> list[str]:
        return [_maildir(user) for user in self.mailboxes or ()]


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


def _maildir(user: str) -> str:
    return f"/home/{user}/Maildir/new"


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
            path = f"{_maildir(user)}/{1_000_000_000 + number}.{origin}.{context.short}"
            files.append(File(path, message, 0o600, uid, uid))
    return tuple(files)


_BANNER_SMTP = r"220[ -]"
_BANNER_POP = r"\+OK"
_BANNER_IMAP = r"\* OK"

SMTP_ROW = ServiceRow(
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
)

POP_ROW = ServiceRow(
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
)

IMAP_ROW = ServiceRow(
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
)
