"""Services by which networks are looked after: the time, logs, counters; and their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import check_several, is_whole, shown
from playground.model.records import dataclass
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

_NODE = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"


def peer_names(here: str, value: object) -> tuple[str, ...]:
    """Return the names of hosts, given as hosts or as names, one or several."""
    names = []
    for item in check_several(here, value, TopologyError):
        name = item if isinstance(item, str) else getattr(item, "name", None)
        if not isinstance(name, str) or not re.fullmatch(_NODE, name, re.ASCII):
            raise TopologyError(
                f"{here}: {shown(item)} is no host; write the Host itself, or its name"
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


# -- the time ----------------------------------------------------------------


@dataclass(frozen=True)
class NTP(ServiceSettings):
    """A time server on UDP port 123 (RFC 5905), which gives the time of this machine.

    ``servers`` are others of the lab that it asks, as hosts or names; without them it is a source
    itself, with ``stratum``, by default 1.  It never sets a clock: that of a lab is the
    machine's.  ``chronyc sources`` on the host shows whom it asks, and how they agree.

    >>> time1 = Host("time1", services=[NTP()])
    >>> Host("time2", services=[NTP(servers=[time1])])
    Host('time2', services=['ntp'])

    """

    servers: Any = ()
    stratum: int = 1
    service: str = field(default="ntp", init=False, repr=False)

    def __post_init__(self) -> None:
        given = None if self.servers in ((), []) else self.servers
        set_field(self, "servers", peer_names("NTP: servers", given))
        if not is_whole(self.stratum, 1, 15):
            raise TopologyError(
                f"NTP: stratum={shown(self.stratum)} is no whole number from 1 to 15"
            )

    @property
    def peers(self) -> Iterable[str]:
        """The names of those that it asks."""
        return tuple(self.servers)


# chrony.conf(5).  "local" answers with the clock as it is; with -x no clock is ever set.
_CHRONY = """\
{sources}allow all
cmdport 0
bindcmdaddress /run/chrony/chronyd.sock
pidfile /run/chrony/chronyd.pid
driftfile /run/chrony/drift
logdir /var/log/chrony
"""

_CHRONY_RUN = """\
#!/bin/sh
mkdir -p /run/chrony /var/log/chrony
chmod 750 /run/chrony
exec chpst -P /usr/sbin/chronyd -d -x -u root -f /etc/chrony/playground.conf \\
    >>/var/log/chrony/chronyd.log 2>&1
"""


def _configure_ntp(settings: NTP, context: ServiceContext) -> tuple[File, ...]:
    sources = "".join(
        f"server {context.peers[name]} iburst minpoll 0 maxpoll 4\n" for name in settings.servers
    )
    conf = _CHRONY.format(sources=sources or f"local stratum {settings.stratum}\n")
    return (
        File("/etc/chrony/playground.conf", conf.encode()),
        File("/etc/sv/chronyd/run", _CHRONY_RUN.encode(), 0o755),
    )


# RFC 5905 section 7.3: version 4, mode 3 asks; mode 4 answers, whatever its leap indicator.
NTP_ROW = ServiceRow(
    name="ntp",
    settings=NTP,
    layer=None,
    programs=("chronyd",),
    ports=(Port(123, "udp"),),
    probes=(Probe(123, "udp", send=b"\x23" + bytes(47), expect=r"^[\x24\x64\xa4\xe4]"),),
    logs=("/var/log/chrony/chronyd.log",),
    configure=_configure_ntp,
    processes=2,
    accounts=("_chrony",),
    packages=("chrony",),
)


# -- logs ----------------------------------------------------------------------


@dataclass(frozen=True)
class Syslog(ServiceSettings):
    """A system log (RFC 5424), which takes messages on port 514 by UDP and TCP.

    What programs of its host log by /dev/log, and what others send, lies in
    /var/log/syslog, which ``host.services["syslog"].log()`` shows.  ``to`` names hosts to which
    it sends all of its own on, by ``protocol`` "udp" or "tcp": a host with
    ``Syslog(to=[logs])`` beside ``logs`` with ``Syslog()``.

    >>> logs = Host("logs", services=[Syslog()])
    >>> Host("www", services=["http", Syslog(to=[logs])])
    Host('www', services=['http', 'syslog'])

    """

    to: Any = ()
    protocol: str = "udp"
    service: str = field(default="syslog", init=False, repr=False)

    def __post_init__(self) -> None:
        given = None if self.to in ((), []) else self.to
        set_field(self, "to", peer_names("Syslog: to", given))
        if self.protocol not in ("udp", "tcp"):
            raise TopologyError(
                f'Syslog: protocol={shown(self.protocol)} is neither "udp" nor "tcp"'
            )

    @property
    def peers(self) -> Iterable[str]:
        """The names of those that it sends to."""
        return tuple(self.to)


# rsyslog.conf(5)
_RSYSLOG = """\
module(load="imuxsock")
module(load="imudp")
module(load="imtcp")
global(workDirectory="/var/lib/rsyslog" localHostname="{name}" maxMessageSize="8k")
input(type="imudp" port="514")
input(type="imtcp" port="514")
action(type="omfile" file="/var/log/syslog" template="RSYSLOG_FileFormat" fileCreateMode="0644")
"""

_RSYSLOG_TO = """\
if $inputname == "imuxsock" then {{
    action(type="omfwd" target="{address}" port="514" protocol="{protocol}"
        action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList"
        queue.size="1000")
}}
"""

_RSYSLOG_RUN = """\
#!/bin/sh
mkdir -p /var/lib/rsyslog
exec chpst -P /usr/sbin/rsyslogd -n -i /run/rsyslogd.pid -f /etc/rsyslog-playground.conf
"""


def _configure_syslog(settings: Syslog, context: ServiceContext) -> tuple[File, ...]:
    conf = _RSYSLOG.format(name=context.name)
    for name in settings.to:
        conf += _RSYSLOG_TO.format(address=context.peers[name], protocol=settings.protocol)
    return (
        File("/etc/rsyslog-playground.conf", conf.encode()),
        File("/etc/sv/rsyslogd/run", _RSYSLOG_RUN.encode(), 0o755),
    )


SYSLOG_ROW = ServiceRow(
    name="syslog",
    settings=Syslog,
    layer=None,
    programs=("rsyslogd",),
    ports=(Port(514, "udp"), Port(514)),
    # It never answers anything: that it takes a connection is all there is to see.
    probes=(Probe(514),),
    logs=("/var/log/syslog",),
    configure=_configure_syslog,
    processes=2,
    packages=("rsyslog",),
)


# -- counters ------------------------------------------------------------------

_COMMUNITY = r"[\w.-]{1,32}"
_LINE = r"[^\n\r\0]{0,200}"


@dataclass(frozen=True)
class SNMP(ServiceSettings):
    """An agent on UDP port 161 that tells of its host, by SNMPv2c (RFC 3416): MIB-II (RFC 1213).

    ``community`` is the word with which anybody may read; with ``write`` another lets them write.
    ``location`` and ``contact`` are what it says of itself.

    >>> Router("r1", services=[SNMP(location="rack 3")])
    Router('r1', services=['snmp'])

    """

    community: str = "public"
    write: str | None = None
    location: str = "a lab"
    contact: str = "root"
    service: str = field(default="snmp", init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("community", "write"):
            value = getattr(self, name)
            if name == "write" and value is None:
                continue
            if not isinstance(value, str) or not re.fullmatch(_COMMUNITY, value, re.ASCII):
                raise TopologyError(
                    f"SNMP: {name}={shown(value)} is no word of letters, digits, dots and hyphens; "
                    f'write {name}="secret"'
                )
        for name in ("location", "contact"):
            value = getattr(self, name)
            if not isinstance(value, str) or not re.fullmatch(_LINE, value):
                raise TopologyError(f"SNMP: {name}={shown(value)} is no line of text")

    def fitted(self, row: ServiceRow) -> ServiceRow:
        """Return the row with a question in the word that it knows."""
        send = _get_request(self.community)
        return row._replace(probes=(Probe(161, "udp", send=send, expect=r"^0.*\xa2"),))


def _get_request(community: str) -> bytes:
    """Return a question for sysName.0 in BER (ITU-T X.690), as RFC 3416 section 3 has it."""

    def item(tag: int, content: bytes) -> bytes:
        return bytes((tag, len(content))) + content

    name = item(0x06, bytes((0x2B, 6, 1, 2, 1, 1, 5, 0)))  # 1.3.6.1.2.1.1.5.0
    number = item(0x02, b"\1")
    zero = item(0x02, b"\0")
    bindings = item(0x30, item(0x30, name + item(0x05, b"")))
    asked = item(0xA0, number + zero + zero + bindings)
    return item(0x30, number + item(0x04, community.encode()) + asked)


# snmpd.conf(5)
_SNMPD = """\
agentAddress {addresses}
rocommunity {community}
{ipv6}{write}sysName {name}
sysLocation {location}
sysContact {contact}
sysServices 72
"""

_SNMPD_RUN = """\
#!/bin/sh
exec chpst -P /usr/sbin/snmpd -f -Lf /var/log/snmpd.log -I -smux -C -c /etc/snmp/playground.conf \\
    -p /run/snmpd.pid
"""


def _configure_snmp(settings: SNMP, context: ServiceContext) -> tuple[File, ...]:
    six = any(":" in address for address in context.addresses)
    write = "" if settings.write is None else f"rwcommunity {settings.write}\n"
    if six and settings.write is not None:
        write += f"rwcommunity6 {settings.write}\n"
    conf = _SNMPD.format(
        addresses="udp:161,udp6:161" if six else "udp:161",
        community=settings.community,
        ipv6=f"rocommunity6 {settings.community}\n" if six else "",
        write=write,
        name=context.name,
        location=settings.location,
        contact=settings.contact,
    )
    return (
        File("/etc/snmp/playground.conf", conf.encode(), 0o600),
        File("/etc/sv/snmpd/run", _SNMPD_RUN.encode(), 0o755),
    )


SNMP_ROW = ServiceRow(
    name="snmp",
    settings=SNMP,
    layer=None,
    programs=("snmpd",),
    ports=(Port(161, "udp"),),
    probes=(),
    logs=("/var/log/snmpd.log",),
    configure=_configure_snmp,
    processes=2,
    accounts=("Debian-snmp",),
    # With the commands that ask: snmpget(1), snmpwalk(1).
    packages=("snmp", "snmpd"),
)

MANAGEMENT_ROWS: Sequence[ServiceRow] = (NTP_ROW, SYSLOG_ROW, SNMP_ROW)
