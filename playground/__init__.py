"""A small, real network on one machine: hosts, routers, switches and links.

>>> from playground import Host, Lab, Link, Router, Switch
>>> home = Switch("home", subnet="192.168.1.0/24")
>>> h1, h2 = Host("h1"), Host("h2")
>>> for node in (h1, h2):
...     Link(home, node)
>>> with Lab(home) as lab:
...     h1.ping(h2)
Ping(sent=3, received=3, rtt_ms=...)

"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from playground.errors import (
    AgentError,
    AgentGone,
    BadArgument,
    CallFailed,
    CheckFailed,
    CommandFailed,
    CommandTimeout,
    EngineError,
    ImageError,
    LabNotFound,
    LabWarning,
    NodeDied,
    NoSuchNode,
    NotReady,
    NotRunning,
    PlaygroundError,
    TooMuchOutput,
    TopologyError,
    TransferFailed,
    UnknownName,
    WrongCall,
)

if TYPE_CHECKING:
    from playground.display import how_to
    from playground.engines.docker.engine import DockerEngine
    from playground.engines.namespaces.engine import NamespacesEngine
    from playground.lab.exercises.exercise import exercise
    from playground.lab.formats.compose import from_compose
    from playground.lab.formats.load import load
    from playground.lab.lab import Lab
    from playground.lab.plug import plug, plugged, unplug, wait_plugged
    from playground.model.ipv6.slaac import SLAAC
    from playground.model.queues.classes import TrafficClass
    from playground.model.queues.discipline import Queue
    from playground.model.routing.policy import Deny, Permit, PrefixList, RouteMap
    from playground.operations.network import Bond, Host, Link, Router, Switch, Tunnel
    from playground.planning.plan import Plan
    from playground.services import (
        BFD,
        BGP,
        DHCP,
        DNS,
        DNS64,
        EIGRP,
        FRR,
        FTP,
        HTTP,
        IMAP,
        ISIS,
        LDAP,
        LDP,
        MQTT,
        NTP,
        OSPF,
        OSPF6,
        PIM,
        PIM6,
        POP,
        RIP,
        SMTP,
        SNMP,
        SSH,
        TFTP,
        VRRP,
        DHCPRelay,
        DHCPv6,
        LoadBalancer,
        PrefixDelegation,
        Proxy,
        Resolver,
        RIPng,
        RouterAdvertisements,
        Service,
        Syslog,
        Telnet,
        Volume,
    )

    help = how_to.help_page  # noqa: A001

__all__ = [
    "BFD",
    "BGP",
    "DHCP",
    "DNS",
    "DNS64",
    "EIGRP",
    "FRR",
    "FTP",
    "HTTP",
    "IMAP",
    "ISIS",
    "LDAP",
    "LDP",
    "MQTT",
    "NTP",
    "OSPF",
    "OSPF6",
    "PIM",
    "PIM6",
    "POP",
    "RIP",
    "SLAAC",
    "SMTP",
    "SNMP",
    "SSH",
    "TFTP",
    "VRRP",
    "AgentError",
    "AgentGone",
    "BadArgument",
    "Bond",
    "CallFailed",
    "CheckFailed",
    "CommandFailed",
    "CommandTimeout",
    "DHCPRelay",
    "DHCPv6",
    "Deny",
    "DockerEngine",
    "EngineError",
    "Host",
    "ImageError",
    "Lab",
    "LabNotFound",
    "LabWarning",
    "Link",
    "LoadBalancer",
    "NamespacesEngine",
    "NoSuchNode",
    "NodeDied",
    "NotReady",
    "NotRunning",
    "Permit",
    "Plan",
    "PlaygroundError",
    "PrefixDelegation",
    "PrefixList",
    "Proxy",
    "Queue",
    "RIPng",
    "Resolver",
    "RouteMap",
    "Router",
    "RouterAdvertisements",
    "Service",
    "Switch",
    "Syslog",
    "Telnet",
    "TooMuchOutput",
    "TopologyError",
    "TrafficClass",
    "TransferFailed",
    "Tunnel",
    "UnknownName",
    "VirtualRouters",
    "Volume",
    "WrongCall",
    "exercise",
    "from_compose",
    "load",
    "plug",
    "plugged",
    "unplug",
    "wait_plugged",
]


def load_ipython_extension(ipython: Any) -> None:
    """Bring ``%%host`` to a notebook or to IPython: ``%load_ext playground``."""
    from playground.frontends.notebook import load

    load(ipython)


# Where each name lives; `playground.services` has those that are not here.
_ROOMS = {
    "playground.operations.network": ("Bond", "Host", "Link", "Router", "Switch", "Tunnel"),
    "playground.lab.lab": ("Lab",),
    "playground.lab.plug": ("plug", "plugged", "unplug", "wait_plugged"),
    "playground.lab.exercises.exercise": ("exercise",),
    "playground.lab.formats.compose": ("from_compose",),
    "playground.lab.formats.load": ("load",),
    "playground.model.ipv6.slaac": ("SLAAC",),
    "playground.model.queues.classes": ("Queue", "TrafficClass"),
    "playground.model.routing.policy": ("Deny", "Permit", "PrefixList", "RouteMap"),
    "playground.planning.plan": ("Plan",),
    "playground.engines.docker.engine": ("DockerEngine",),
    "playground.engines.namespaces.engine": ("NamespacesEngine",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    # Only who asks for something waits for its rooms (PEP 562).
    if name == "help":  # not in __all__: `import *` leaves Python's own
        return import_module("playground.display.how_to").help_page
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(_ROOM_OF.get(name, "playground.services"))
    value = globals()[name] = vars(room)[name]
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
