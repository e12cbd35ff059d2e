"""Terminals of a host over the network: SSH and Telnet."""

from __future__ import annotations

from dataclasses import field

from playground.model.records import dataclass
from playground.model.services.settings import (
    Port,
    Probe,
    ServiceRow,
    ServiceSettings,
    configure_nothing,
)


@dataclass(frozen=True)
class SSH(ServiceSettings):
    """A secure shell on port 22: ``Host("h1", services=["ssh"])``.

    The lab's users and root enter by the lab's key or by their password.

    """

    service: str = field(default="ssh", init=False, repr=False)


@dataclass(frozen=True)
class Telnet(ServiceSettings):
    """A terminal in clear text on port 23, for the lab's users and root."""

    service: str = field(default="telnet", init=False, repr=False)


SSH_ROW = ServiceRow(
    name="ssh",
    settings=SSH,
    layer=None,
    programs=("sshd",),
    ports=(Port(22),),
    probes=(Probe(22, expect=r"SSH-2\.0-"),),
    logs=("/var/log/sshd.log",),
    configure=configure_nothing,
    processes=2,
)

TELNET_ROW = ServiceRow(
    name="telnet",
    settings=Telnet,
    layer="telnet",
    programs=("telnetd",),
    ports=(Port(23),),
    # RFC 854: telnetd opens with options, each begun by the byte IAC.
    probes=(Probe(23, expect=r"\xff"),),
    logs=("/var/log/telnetd.log",),
    configure=configure_nothing,
    processes=2,
)
