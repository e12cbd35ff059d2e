"""radvd, the daemon of router advertisements: its settings and its row."""

from __future__ import annotations

from dataclasses import field

from playground.errors import TopologyError
from playground.model.records import dataclass
from playground.model.services.settings import File, ServiceContext, ServiceRow, ServiceSettings


@dataclass(frozen=True)
class RouterAdvertisements(ServiceSettings):
    """The router advertisements of IPv6 (RFC 4861), sent by radvd.

    ``configuration`` is that of radvd.conf(5).  What `Router.advertise` was told becomes such a
    text; declared as a service of a router it says what nobody has named.

    >>> Router("r1", services=[RouterAdvertisements("interface eth0 { AdvSendAdvert on; };")])
    Router('r1', services=['radvd'])

    """

    configuration: str = ""
    service: str = field(default="radvd", init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.configuration, str):
            raise TopologyError(
                "RouterAdvertisements(configuration=...) is text as in radvd.conf(5), such as "
                f'"interface eth0 {{ AdvSendAdvert on; }};", not {self.configuration!r}'
            )


def _configure(settings: RouterAdvertisements, context: ServiceContext) -> tuple[File, ...]:
    content = settings.configuration.encode()
    return (File("/etc/radvd.conf", content, live=_read_anew),)


def _read_anew(old: bytes, new: bytes) -> list[str]:
    """Return the command that lets radvd read its file anew (radvd(8), SIGHUP)."""
    return ["sv", "hup", "/run/service/radvd"]


RADVD_ROW = ServiceRow(
    name="radvd",
    settings=RouterAdvertisements,
    layer="radvd",
    programs=("radvd",),
    ports=(),
    probes=(),
    logs=("/var/log/radvd.log",),
    configure=_configure,
    accounts=("radvd",),
)
