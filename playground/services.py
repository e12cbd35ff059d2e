"""Settings of services, for scripts that import them by the name `playground.services`.

    from playground.services import OSPF

The classes themselves live in the folder `playground.model.services`, beside the table of all;
`from playground import OSPF` is the shorter way to the same class.

"""

from playground.model.arguments import tells_wrong_calls
from playground.model.containers.container import Volume
from playground.model.containers.own_service import Service
from playground.model.services.dhcp import DHCP, DHCPRelay
from playground.model.services.dns import DNS
from playground.model.services.frr import (
    BFD,
    BGP,
    EIGRP,
    FRR,
    ISIS,
    LDP,
    OSPF,
    OSPF6,
    PIM,
    PIM6,
    RIP,
    VRRP,
    RIPng,
)
from playground.model.services.ftp import FTP, TFTP
from playground.model.services.http import HTTP
from playground.model.services.ipv6.delegation import PrefixDelegation
from playground.model.services.ipv6.dhcpv6 import DHCPv6
from playground.model.services.ipv6.nat64 import DNS64
from playground.model.services.ipv6.radvd import RouterAdvertisements
from playground.model.services.ldap import LDAP
from playground.model.services.mail import IMAP, POP, SMTP
from playground.model.services.management import NTP, SNMP, Syslog
from playground.model.services.mqtt import MQTT
from playground.model.services.proxies import LoadBalancer, Proxy
from playground.model.services.resolver import Resolver
from playground.model.services.routing.keepalived import VirtualRouters
from playground.model.services.shells import SSH, Telnet

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
    "SMTP",
    "SNMP",
    "SSH",
    "TFTP",
    "VRRP",
    "DHCPRelay",
    "DHCPv6",
    "LoadBalancer",
    "PrefixDelegation",
    "Proxy",
    "RIPng",
    "Resolver",
    "RouterAdvertisements",
    "Service",
    "Syslog",
    "Telnet",
    "VirtualRouters",
    "Volume",
]

for _name in __all__:
    tells_wrong_calls(globals()[_name])
