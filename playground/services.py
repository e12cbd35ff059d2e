"""Settings of services, for scripts that import them by the name `playground.services`.

    from playground.services import OSPF

The classes themselves, and the table of all services, live in `playground.model.services`;
`from playground import OSPF` is the shorter way to the same class.

"""

from playground.model.own_service import Service
from playground.model.services import (
    BFD,
    BGP,
    DHCP,
    DNS,
    EIGRP,
    FRR,
    FTP,
    HTTP,
    IMAP,
    ISIS,
    LDP,
    OSPF,
    OSPF6,
    PIM,
    PIM6,
    POP,
    RIP,
    SMTP,
    SSH,
    VRRP,
    DHCPRelay,
    RIPng,
    Telnet,
)

__all__ = [
    "BFD",
    "BGP",
    "DHCP",
    "DNS",
    "EIGRP",
    "FRR",
    "FTP",
    "HTTP",
    "IMAP",
    "ISIS",
    "LDP",
    "OSPF",
    "OSPF6",
    "PIM",
    "PIM6",
    "POP",
    "RIP",
    "SMTP",
    "SSH",
    "VRRP",
    "DHCPRelay",
    "RIPng",
    "Service",
    "Telnet",
]
