"""What every service has: its settings, and its row, from which the rest of playground knows it.

A service of ours is a row, not a class of its own: which image layer it needs, which programs
run it, on which ports it answers and what a real answer looks like, where its logs are, and
a function that turns its settings into configuration files.  Settings are frozen dataclasses,
validated when they are built.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from playground.model.records import dataclass
from playground.model.services.served_files import read_files


@dataclass(frozen=True)
class ServiceSettings:
    """The common part of all services' settings: the name of their row in the table.

    ``service`` is readable on the class as well: ``HTTP.service == "http"``.

    """

    service: str = field(default="", init=False, repr=False)

    @property
    def own_row(self) -> ServiceRow | None:
        """The row of a user's own service; None for one of ours, which `table` has."""
        return None

    def fitted(self, row: ServiceRow) -> ServiceRow:
        """Return the service's row as these settings have it: other ports, other questions."""
        return row

    @property
    def peers(self) -> Iterable[str]:
        """The names of other nodes whose addresses it needs."""
        return ()

    def together(self) -> tuple[ServiceSettings, ...]:
        """Return the services that these settings declare: itself, or several said as one."""
        return (self,)

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, and no row of `table.SERVICES`."""
        return self.own_row is not None

    @property
    def label(self) -> str:
        """What a picture calls it."""
        return self.service

    @property
    def own_places(self) -> Iterable[str]:
        """The paths on the host of the files that the user named for it; folders are read."""
        return ()

    def with_contents(self) -> ServiceSettings:
        """Return the same settings with the contents of a directory in its place.

        So they mean the same on another day or another machine.  Raises
        `TopologyError` if the directory cannot be read.

        """
        files = getattr(self, "files", None)
        if not isinstance(files, Path):
            return self
        return dataclasses.replace(self, files=read_files(files))  # type: ignore[call-arg]


def set_field(settings: ServiceSettings, name: str, value: object) -> None:
    object.__setattr__(settings, name, value)


class File(NamedTuple):
    """A file inside a host, with the numeric owner that it has there.

    ``programs`` read it when they start, and are started anew when it changes, unless
    ``live`` returns a command that tells them: it is given the old content, b"" where the file
    was not there, and the new.
    One that is ``optional`` is left out where a host has no place for it.
    One that is ``common`` is the same for all hosts, who see it where the lab keeps it.

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
    common: bool = False


class Port(NamedTuple):
    """A port that a service listens on; ``tls``: from the first byte."""

    number: int
    protocol: str = "tcp"  # or "udp"
    tls: bool = False


class Probe(NamedTuple):
    """A question to a port, and what a real answer to it looks like.

    ``send`` is what to say first (None: the server speaks first), ``expect``
    a regular expression for the beginning of the answer, read as latin-1.  With
    ``other_port`` the answer to a datagram may come from another port.

    """

    port: int
    protocol: str = "tcp"
    tls: bool = False
    send: bytes | None = None
    expect: str = ""
    other_port: bool = False


class ServedZone(NamedTuple):
    """A zone as a name server has it.

    ``text`` is that of its file, None on a secondary, which has it from ``primaries``;
    ``keys`` are files that sign it, by name.  ``secondaries`` may fetch it, and are told of
    changes; with ``transfer`` anybody may.

    """

    name: str
    text: str | None
    primaries: tuple[str, ...] = ()
    secondaries: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    transfer: bool = False


@dataclass(frozen=True)
class ServiceContext:
    """The facts of its host and lab from which a service writes its files.

    ``users`` maps the lab's users to their uids (the gid is the same number), ``wireguard``
    are the interfaces of its tunnels, each with what wg(8) is told of it.
    ``mail_domains`` are those whose mail this host keeps; ``mail_routes`` maps
    every other mail domain of the lab to its server and is empty where
    ``by_mx``: then the name server is asked.  ``records`` are the lab's own.
    ``dhcp`` holds the networks that it serves or relays, in dnsmasq's words, ``dhcpv6``
    those of IPv6, ``delegated`` what Kea is told of prefixes.
    ``addresses`` are the host's own, ``peers`` those of other nodes by name, as
    seen from it.
    ``zones`` are those that it serves; ``root_hints`` and ``trust_anchors`` lines of zone files
    with which a resolver begins, ``zone_serials`` the state of each zone of the lab.

    """

    name: str
    short: str
    users: Mapping[str, int] = field(default_factory=dict)
    wireguard: tuple[tuple[str, str], ...] = ()
    records: tuple[tuple[str, str, str], ...] = ()
    mail_domains: tuple[str, ...] = ()
    mail_routes: Mapping[str, str] = field(default_factory=dict)
    by_mx: bool = False
    dhcp: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    zones: tuple[ServedZone, ...] = ()
    root_hints: tuple[str, ...] = ()
    trust_anchors: tuple[str, ...] = ()
    dhcpv6: tuple[str, ...] = ()
    delegated: str = ""
    zone_serials: tuple[str, ...] = ()


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


def configure_nothing(settings: ServiceSettings, context: ServiceContext) -> tuple[File, ...]:
    return ()
