"""The table of all services that a host can offer, by their names."""

from __future__ import annotations

from playground.errors import TopologyError
from playground.model.arguments import check_text, shown
from playground.model.plugins.entry_points import load_plugin, plugin_names, source_of
from playground.model.services.dhcp import DHCP_ROWS
from playground.model.services.dns import DNS_ROW
from playground.model.services.frr import FRR_ROWS
from playground.model.services.ftp import FTP_ROW, TFTP_ROW
from playground.model.services.http import HTTP_ROW
from playground.model.services.ipv6.delegation import DELEGATION_ROW
from playground.model.services.ipv6.dhcpv6 import DHCPV6_ROWS
from playground.model.services.ipv6.nat64 import NAT64_ROWS
from playground.model.services.ipv6.radvd import RADVD_ROW
from playground.model.services.ldap import LDAP_ROW
from playground.model.services.links.wireguard import WIREGUARD_ROW
from playground.model.services.mail import IMAP_ROW, POP_ROW, SMTP_ROW
from playground.model.services.management import MANAGEMENT_ROWS
from playground.model.services.mqtt import MQTT_ROW
from playground.model.services.proxies import BALANCER_ROW, PROXY_ROW
from playground.model.services.resolver import RESOLVER_ROW
from playground.model.services.routing.keepalived import KEEPALIVED_ROW
from playground.model.services.settings import ServiceRow, ServiceSettings
from playground.model.services.shells import SSH_ROW, TELNET_ROW
from playground.model.services.zones import ZONES_ROW

# The order is also the order in which image layers are put on one another.
SERVICES: dict[str, ServiceRow] = {
    row.name: row
    for row in (
        SSH_ROW,
        WIREGUARD_ROW,
        HTTP_ROW,
        SMTP_ROW,
        POP_ROW,
        IMAP_ROW,
        FTP_ROW,
        TELNET_ROW,
        DNS_ROW,
        *DHCP_ROWS,
        *DHCPV6_ROWS,
        RADVD_ROW,
        KEEPALIVED_ROW,
        *NAT64_ROWS,
        DELEGATION_ROW,
        *FRR_ROWS,
        ZONES_ROW,
        RESOLVER_ROW,
        BALANCER_ROW,
        PROXY_ROW,
        *MANAGEMENT_ROWS,
        LDAP_ROW,
        TFTP_ROW,
        MQTT_ROW,
    )
}


def row_of(settings: ServiceSettings) -> ServiceRow:
    """Return the service as the rest of playground knows it.

    >>> row_of(service("http")).programs
    ('nginx',)

    """
    return settings.own_row or settings.fitted(SERVICES[settings.service])


def service(value: str | ServiceSettings) -> ServiceSettings:
    """Return the settings that a name stands for; settings pass unchanged.

    ``service("http") == HTTP()``.  Raises `TopologyError` for anything else, with the name
    that is nearest, or all that there are.

    """
    if isinstance(value, ServiceSettings):
        if value.service in SERVICES or value.is_own:
            for name, said in vars(value).items():
                check_text(f"{type(value).__name__}: {name}", said, TopologyError)
            return value
    elif isinstance(value, str) and value in SERVICES:
        return _by_name(value)
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
    from difflib import get_close_matches  # only who asked in vain waits for it

    added_names = plugin_names()
    known = [*dict.fromkeys((*SERVICES, *added_names))]
    near = get_close_matches(value.lower(), known, n=1) if isinstance(value, str) else []
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
    shadows = "".join(
        f"; {source_of(name)} adds {name!r}, which is playground's own and stays so"
        for name in added_names
        if name in SERVICES
    )
    raise TopologyError(f"there is no service {value!r}: {hint}{shadows}")


def _by_name(name: str) -> ServiceSettings:
    kind = SERVICES[name].settings
    try:
        made = kind()
    except TypeError:  # it has settings that must be said
        made = None
    if made is None or made.service != name:
        raise TopologyError(
            f"the service {name!r} needs settings: see help({kind.__name__}), and write "
            f"{kind.__name__}(...) instead of its name"
        )
    return made
