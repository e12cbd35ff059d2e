"""FRR's daemons of a node by hand: the commands that start them and tell them their settings.

Pure.  Each node's daemons have files of their own, by the option -N of frr(8).

"""

# https://docs.frrouting.org/en/stable-10.3/setup.html; zebra(8): -N, --pathspace

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playground.model.services.frr import FRR_TERMINALS, ROUTING, RoutingDaemon
from playground.model.services.settings import ServiceSettings
from playground.planning.here_documents import here_document


def routing_daemons(services: Iterable[ServiceSettings]) -> list[RoutingDaemon]:
    """Return the services that FRR's daemons are."""
    return [item for item in services if isinstance(item, RoutingDaemon)]


def frr_commands(space: str, services: Iterable[ServiceSettings]) -> Iterator[str]:
    """Yield the commands that start the daemons of a network namespace; none where it has none.

    >>> print("\\n".join(frr_commands("r1", [ROUTING["ospf"].settings("router ospf")])))
    install -d -o frr -g frr /etc/frr/r1 /var/run/frr/r1
    touch /etc/frr/r1/vtysh.conf
    cat > /etc/frr/r1/frr.conf <<'END'
    router ospf
    END
    for daemon in mgmtd zebra staticd ospfd; do
        ip netns exec r1 /usr/lib/frr/$daemon -d -N r1
    done
    vtysh -N r1 -f /etc/frr/r1/frr.conf

    """
    items = routing_daemons(services)
    if not items:
        return
    programs = [
        *FRR_TERMINALS,
        *(name for item in items for name in ROUTING[item.service].programs),
    ]
    text = "\n".join(item.configuration.rstrip("\n") for item in items if item.configuration)
    yield f"install -d -o frr -g frr /etc/frr/{space} /var/run/frr/{space}"
    yield f"touch /etc/frr/{space}/vtysh.conf"
    yield here_document(f"cat > /etc/frr/{space}/frr.conf", text)
    yield f"for daemon in {' '.join(dict.fromkeys(programs))}; do"
    yield f"    ip netns exec {space} /usr/lib/frr/$daemon -d -N {space}"
    yield "done"
    yield f"vtysh -N {space} -f /etc/frr/{space}/frr.conf"
