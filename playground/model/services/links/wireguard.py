"""WireGuard's keys and peers as a service: what tunnels of that kind run on their nodes."""

from __future__ import annotations

from dataclasses import field

from playground.model.records import dataclass
from playground.model.services.settings import (
    File,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)

# Where each interface has its keys and its peer, as wg(8) reads them.
WIREGUARD_FILES = "/etc/wireguard"


@dataclass(frozen=True)
class WireGuard(ServiceSettings):
    """The programs of WireGuard: wg(8), and wireguard-go for kernels without the module.

    Each end of a `Tunnel` of kind "wireguard" has it by itself.  Declare it where a node that
    runs already shall get its first such tunnel later: programs come with the node's image.

    >>> Router("gw", services=["wireguard"])
    Router('gw', services=['wireguard'])

    """

    service: str = field(default="wireguard", init=False, repr=False)


def _configure(settings: WireGuard, context: ServiceContext) -> tuple[File, ...]:
    return tuple(
        File(f"{WIREGUARD_FILES}/{interface}.conf", text.encode(), 0o600)
        for interface, text in context.wireguard
    )


WIREGUARD_ROW = ServiceRow(
    name="wireguard",
    settings=WireGuard,
    layer="wireguard",
    programs=("wireguard",),
    ports=(),
    # That both ends know each other is the probe: `Lab.start` waits for that.
    probes=(),
    logs=("/var/log/wireguard.log",),
    configure=_configure,
    processes=2,
)
