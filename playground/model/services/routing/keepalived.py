"""keepalived, the daemon of virtual routers: its settings and its row."""

from __future__ import annotations

from dataclasses import field

from playground.errors import TopologyError
from playground.model.records import dataclass
from playground.model.services.settings import File, ServiceContext, ServiceRow, ServiceSettings


@dataclass(frozen=True)
class VirtualRouters(ServiceSettings):
    """Virtual routers (VRRP version 3, RFC 5798), by keepalived.

    ``configuration`` is that of keepalived.conf(5).  What `Router.vrrp` was told becomes such a
    text; declared as a service of a node it says what nobody has named.

    >>> Router("r1", services=[VirtualRouters("global_defs { vrrp_version 3 }")])
    Router('r1', services=['keepalived'])

    """

    configuration: str = ""
    service: str = field(default="keepalived", init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.configuration, str):
            raise TopologyError(
                "VirtualRouters(configuration=...) is text as in keepalived.conf(5), such as "
                f'"global_defs {{ vrrp_version 3 }}", not {self.configuration!r}'
            )


def _configure(settings: VirtualRouters, context: ServiceContext) -> tuple[File, ...]:
    content = settings.configuration.encode()
    return (File("/etc/keepalived/keepalived.conf", content, live=_read_anew),)


def _read_anew(old: bytes, new: bytes) -> list[str]:
    """Return the command that lets keepalived read its file anew (keepalived(8), SIGHUP)."""
    return ["sv", "hup", "/run/service/keepalived"]


KEEPALIVED_ROW = ServiceRow(
    name="keepalived",
    settings=VirtualRouters,
    layer="keepalived",
    programs=("keepalived",),
    ports=(),
    probes=(),
    logs=("/var/log/keepalived.log",),
    configure=_configure,
    processes=2,
)
