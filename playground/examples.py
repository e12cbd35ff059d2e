"""Labs that are ready to start: for tests, benchmarks, the README and a first look.

Each comes twice: as a function that returns a `Lab`, not yet started, and as
one that returns its declarations alone.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from typing import Any

from playground.lab.examples.anycast import (
    anycast_dns as anycast_dns,
)
from playground.lab.examples.anycast import (
    anycast_dns_nodes as anycast_dns_nodes,
)
from playground.lab.examples.bufferbloat import (
    bufferbloat as bufferbloat,
)
from playground.lab.examples.bufferbloat import (
    bufferbloat_nodes as bufferbloat_nodes,
)
from playground.lab.examples.ipv6_networks import dual_stack_campus as dual_stack_campus
from playground.lab.examples.ipv6_networks import (
    dual_stack_campus_nodes as dual_stack_campus_nodes,
)
from playground.lab.examples.routed_networks import (
    customers_and_peers as customers_and_peers,
)
from playground.lab.examples.routed_networks import (
    customers_and_peers_nodes as customers_and_peers_nodes,
)
from playground.lab.examples.routed_networks import (
    data_centre as data_centre,
)
from playground.lab.examples.routed_networks import (
    data_centre_nodes as data_centre_nodes,
)
from playground.lab.examples.routed_networks import (
    multi_area_ospf as multi_area_ospf,
)
from playground.lab.examples.routed_networks import (
    multi_area_ospf_nodes as multi_area_ospf_nodes,
)
from playground.lab.examples.routed_networks import multicast_tree as multicast_tree
from playground.lab.examples.routed_networks import (
    multicast_tree_nodes as multicast_tree_nodes,
)
from playground.lab.examples.routed_networks import (
    vrrp_pair as vrrp_pair,
)
from playground.lab.examples.routed_networks import (
    vrrp_pair_nodes as vrrp_pair_nodes,
)
from playground.lab.examples.shared_addresses import (
    balanced_site as balanced_site,
)
from playground.lab.examples.shared_addresses import (
    balanced_site_nodes as balanced_site_nodes,
)
from playground.lab.examples.shared_addresses import (
    carrier_grade_nat as carrier_grade_nat,
)
from playground.lab.examples.shared_addresses import (
    carrier_grade_nat_nodes as carrier_grade_nat_nodes,
)
from playground.lab.lab import Lab
from playground.model.services.dns import DNS
from playground.model.services.ftp import FTP
from playground.model.services.http import HTTP
from playground.model.services.mail import IMAP
from playground.model.services.resolver import Resolver
from playground.operations.network import Host, Link, Node, Router, Switch, Tunnel

_WEB_SITE = {
    "index.html": """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Welcome to example.com</title>
  </head>
  <body>
    <h1>Welcome to example.com</h1>
    <p>This page comes from a small Internet that runs on one machine.</p>
    <ul>
      <li><a href="about.html">About this network</a></li>
      <li><a href="ftp://ftp.example.com/">Files</a></li>
      <li><a href="mailto:student@example.com">Mail</a></li>
    </ul>
  </body>
</html>
""",
    "about.html": """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>About this network</title>
  </head>
  <body>
    <h1>About this network</h1>
    <p>From h1, your packets passed modemA, isp, backbone and example.com.</p>
    <p><a href="index.html">Back</a></p>
  </body>
</html>
""",
}

_FTP_FILES = {
    "README": """\
Welcome to ftp.example.com.

poem.txt   a few lines of text, to fetch in ASCII mode
""",
    "poem.txt": """\
The sea is calm to-night.
The tide is full, the moon lies fair
Upon the straits; on the French coast the light
Gleams and is gone; the cliffs of England stand,
Glimmering and vast, out in the tranquil bay.
""",
}


def miniature_internet(users: Mapping[str, str] | None = None, **options: Any) -> Lab:
    """Return the Internet in miniature: two homes, a provider, a backbone, example.com.

    ``users`` maps user names to passwords, by default one user, ``student``,
    with a password made for the lab; further ``options`` are those of `Lab`,
    such as ``keep=True``.  The lab is not yet started, and nothing is made.

    >>> with miniature_internet() as lab:
    ...     print(lab["h1"].traceroute("www").hops)
    ['192.168.1.1', '10.25.1.1', '10.1.1.1', '10.130.1.1', '10.130.1.4']

    """
    nodes = miniature_internet_nodes(users or ("student",))
    options.setdefault("name", "miniature-internet")
    return Lab(*nodes, users=users, **options)


def miniature_internet_nodes(users: Iterable[str] = ("student",)) -> tuple[Node, ...]:
    """Return the declarations of the Internet in miniature.

    ``users`` are those who find a first message in their mailbox.

    ::

        h1 h2 h3                                          ftp mail www
           |                                                   |
         homeA - modemA ---.                              exampleCOM
                            isp --- backbone --- example.com --'
         homeB - modemB ---'
           |
          h4

    """
    # After the network of "Foundations of Python Network Programming"
    # (Brandon Rhodes and John Goerzen), whose addresses these are.
    home_a = Switch("homeA", subnet="192.168.1.0/24")
    home_b = Switch("homeB", subnet="192.168.1.0/24")
    example_com = Switch("exampleCOM", subnet="10.130.1.0/24")

    h1, h2, h3, h4 = (Host(name, services=["ssh"]) for name in ("h1", "h2", "h3", "h4"))
    modem_a = Router("modemA", services=["ssh"])
    modem_b = Router("modemB", services=["ssh"])
    isp = Router("isp", services=["ssh"])
    backbone = Router("backbone", services=["ssh", "dns"])
    example = Router("example.com", services=["ssh"])
    ftp = Host("ftp.example.com", services=["ssh", FTP(files=_FTP_FILES), "telnet"])
    mail = Host(
        "mail.example.com",
        services=["ssh", "smtp", "pop", IMAP(mailboxes={user: [_welcome(user)] for user in users})],
    )
    www = Host("www.example.com", services=["ssh", HTTP(files=_WEB_SITE)])

    # Every machine's eth0 faces the backbone.
    Link(backbone, isp, addresses=("10.1.1.1/32", "10.25.1.1/32"), names=("eth0", "eth0"))
    to_isp = []
    for number, (modem, home) in enumerate([(modem_a, home_a), (modem_b, home_b)]):
        uplink = Link(
            isp,
            modem,
            addresses=("10.25.1.1/32", f"10.25.1.{65 + number}/16"),
            names=(f"eth{number + 1}", "eth0"),
        )
        Link(home, modem, address="192.168.1.1", names=(None, "eth1"))
        to_isp.append((modem, uplink))
    Link(backbone, example, addresses=("10.1.1.1/32", "10.130.1.1/32"), names=("eth1", "eth0"))
    for number, host in enumerate([h1, h2, h3]):
        Link(home_a, host, address=f"192.168.1.{11 + number}", names=(None, "eth1"))
    Link(home_b, h4, address="192.168.1.14", names=(None, "eth1"))
    Link(example_com, example, address="10.130.1.1", names=(None, "eth1"))
    for number, host in enumerate([ftp, mail, www]):
        Link(example_com, host, address=f"10.130.1.{2 + number}", names=(None, "eth0"))

    for modem, uplink in to_isp:
        modem.masquerade(uplink)
    return (
        *(h1, h2, h3, home_a, modem_a, h4, home_b, modem_b),
        *(isp, backbone, example, example_com, ftp, mail, www),
    )


def coffee_shop(**options: Any) -> Lab:
    """Return a first network: two hosts behind a modem, and a web server outside.

    ``options`` are those of `Lab`.

    >>> with coffee_shop() as lab:
    ...     print(lab["h1"].run("curl -s http://www.example.com/").stdout)

    """
    options.setdefault("name", "coffee-shop")
    return Lab(*coffee_shop_nodes(), **options)


def coffee_shop_nodes() -> tuple[Node, ...]:
    """Return the declarations of the first network.

    ::

        h1 --.
              home --- modem --- www.example.com
        h2 --'

    """
    home = Switch("home", subnet="192.168.1.0/24")
    h1 = Host("h1")
    h2 = Host("h2")
    modem = Router("modem")
    www = Host("www.example.com", services=["http"])

    for node in (modem, h1, h2):
        Link(home, node)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)
    return (home, h1, h2, modem, www)


def ospf_rings(**options: Any) -> Lab:
    """Return 20 routers that find their ways by OSPF, and two hosts far from each other.

    ``options`` are those of `Lab`.

    >>> with ospf_rings() as lab:
    ...     print(lab["h1"].traceroute("h2").hops)
    ...     print(lab["in1"].vtysh("show ip ospf neighbor"))

    """
    options.setdefault("name", "ospf-rings")
    return Lab(*ospf_rings_nodes(), **options)


def ospf_rings_nodes() -> tuple[Node, ...]:
    """Return the declarations of two rings of ten OSPF routers with ten spokes between them.

    The outer ring is slow: each of its links costs ten times what others cost.

    ::

        h1 - out0 --- out1 ... out5 - h2
               |        |        |
              in0 ---- in1 ... in5

    """
    inner = [Router(f"in{number}", routing="ospf") for number in range(10)]
    outer = [Router(f"out{number}", routing="ospf") for number in range(10)]
    for number in range(10):
        following = (number + 1) % 10
        Link(inner[number], inner[following], subnet=f"10.1.{number}.0/24")
        slow = Link(outer[number], outer[following], subnet=f"10.2.{number}.0/24")
        Link(inner[number], outer[number], subnet=f"10.3.{number}.0/24")
        outer[number].ospf(slow, cost=100)
        outer[following].ospf(slow, cost=100)
    h1, h2 = Host("h1"), Host("h2")
    Link(outer[0], h1, subnet="192.168.1.0/24")
    Link(outer[5], h2, subnet="192.168.2.0/24")
    return (h1, h2, *inner, *outer)


def site_to_site(**options: Any) -> Lab:
    """Return two sites of one company that a tunnel of WireGuard joins through the Internet.

    OSPF is spoken inside both sites and through the tunnel; the provider between them knows
    nothing of their networks, and sees nothing but encrypted packets.  ``options`` are those
    of `Lab`.

    >>> with site_to_site() as lab:
    ...     print(lab["desk"].traceroute("files").hops)
    ...     print(lab["paris"].run("wg show").stdout)

    """
    options.setdefault("name", "site-to-site")
    return Lab(*site_to_site_nodes(), **options)


def site_to_site_nodes() -> tuple[Node, ...]:
    """Return the declarations of two sites and the provider between them.

    ::

        desk - floor - paris --- isp --- rome - cellar - files
                         \\__ wireguard __/

    """
    paris, rome = Router("paris", routing="ospf"), Router("rome", routing="ospf")
    floor, cellar = Router("floor", routing="ospf"), Router("cellar", routing="ospf")
    desk, files = Host("desk"), Host("files")
    isp = Router("isp")
    Link(desk, floor, subnet="10.1.1.0/24")
    Link(floor, paris, subnet="10.1.0.0/30")
    Link(files, cellar, subnet="10.2.1.0/24")
    Link(cellar, rome, subnet="10.2.0.0/30")
    for gateway, subnet in ((paris, "203.0.113.0/30"), (rome, "198.51.100.0/30")):
        gateway.masquerade(Link(isp, gateway, subnet=subnet))
    Tunnel(paris, rome, kind="wireguard", subnet="10.0.0.0/30")
    return (desk, floor, paris, isp, rome, cellar, files)


def autonomous_systems(**options: Any) -> Lab:
    """Return six autonomous systems that tell each other of their networks by BGP.

    ``options`` are those of `Lab`.

    >>> with autonomous_systems() as lab:
    ...     print(lab["alice"].traceroute("dave").hops)
    ...     print(lab["r64511"].vtysh("show ip bgp"))

    """
    options.setdefault("name", "autonomous-systems")
    return Lab(*autonomous_systems_nodes(), **options)


def autonomous_systems_nodes() -> tuple[Node, ...]:
    """Return the declarations of six autonomous systems with BGP.

    AS 64501 and AS 64502 carry what others send; each has two routers, which find
    each other by OSPF.  AS 64512 is a customer of both, AS 64514 one of AS 64513.

    ::

        alice - r64511 - [ west1 - west2 ] --- [ east1 - east2 ] - r64513 - r64514 - dave
                              |   64501           64502  |
                              '--------- r64512 ---------'
                                           |
                                          www

    """
    west1, west2 = (Router(name, routing="bgp", as_number=64501) for name in ("west1", "west2"))
    east1, east2 = (Router(name, routing="bgp", as_number=64502) for name in ("east1", "east2"))
    customers = {
        number: Router(f"r{number}", routing="bgp", as_number=number)
        for number in (64511, 64512, 64513, 64514)
    }
    hosts = {64511: Host("alice"), 64512: Host("www"), 64514: Host("dave")}
    Link(west1, west2, subnet="10.101.0.0/24")
    Link(east1, east2, subnet="10.102.0.0/24")
    for number, (one, other) in enumerate(
        [
            (west2, east1),
            (west1, customers[64511]),
            (west1, customers[64512]),
            (east2, customers[64512]),
            (east2, customers[64513]),
            (customers[64513], customers[64514]),
        ]
    ):
        Link(one, other, subnet=f"172.16.{number}.0/24")
    for number, host in hosts.items():
        Link(customers[number], host, subnet=f"10.{number - 64500}.0.0/24")
    return (*hosts.values(), west1, west2, east1, east2, *customers.values())


def office_vlans(**options: Any) -> Lab:
    """Return two floors of an office whose computers and phones are kept apart by VLANs.

    Not yet started; ``options`` are those of `Lab`.

    >>> with office_vlans() as lab:
    ...     print(lab["pc1"].traceroute("phone2").hops)
    ['192.168.10.1', '192.168.20.3']

    """
    options.setdefault("name", "office-vlans")
    return Lab(*office_vlans_nodes(), **options)


def office_vlans_nodes() -> tuple[Node, ...]:
    """Return the declarations of two switches with a trunk between, and a router on a stick.

    VLAN 10 is for computers, VLAN 20 for phones, on both floors; only through the
    gateway, which has an interface for each, does one reach the other.

    ::

        pc1 (10) ----+          +---- pc2 (10)
                   floor1 === floor2
        phone1 (20) -+          +---- phone2 (20)
                     |
                  gateway

    """
    floor1 = Switch("floor1", vlans={10: "192.168.10.0/24", 20: "192.168.20.0/24"})
    floor2 = Switch("floor2", vlans=(10, 20))
    gateway = Router("gateway")
    Link(floor1, gateway, trunk=True)
    Link(floor1, floor2, trunk=True)
    for number, floor in ((1, floor1), (2, floor2)):
        Link(floor, Host(f"pc{number}"), vlan=10)
        Link(floor, Host(f"phone{number}"), vlan=20)
    return (floor1, floor2, gateway)


def small_office(**options: Any) -> Lab:
    """Return a small company, for puzzles: two offices' networks with three routers between.

    `puzzles.pose` breaks something in it.  Further ``options`` are those of `Lab`.

    >>> with small_office() as lab:
    ...     puzzle = puzzles.pose(lab, 1)

    """
    options.setdefault("name", "small-office")
    return Lab(*small_office_nodes(), **options)


def small_office_nodes() -> tuple[Node, ...]:
    """Return the declarations of a small company.

    ::

        w1 ---.                                       .--- www
             office --- r1 --- core --- r2 --- servers
        w2 ---'                                       '--- db

    """
    office, servers = (
        Switch("office", subnet="10.1.0.0/24"),
        Switch("servers", subnet="10.2.0.0/24"),
    )
    w1, w2, db = Host("w1"), Host("w2"), Host("db")
    page = "<h1>Welcome to the company</h1>"
    www = Host("www.example.com", services=[HTTP(files={"index.html": page})])
    r1, core, r2 = (Router(name) for name in ("r1", "core", "r2"))
    for node in (r1, w1, w2):
        Link(office, node)
    Link(r1, core, subnet="10.9.1.0/24")
    Link(core, r2, subnet="10.9.2.0/24")
    for server in (r2, www, db):
        Link(servers, server)
    return w1, w2, r1, core, r2, www, db, office, servers


def dns_from_the_root(**options: Any) -> Lab:
    """Return the tree of names: a root server, com, example.com on two servers, a resolver.

    All zones are signed.  Further ``options`` are those of `Lab`.

    >>> with dns_from_the_root() as lab:
    ...     print(lab["client"].run("dig +short www.example.com"))
    203.0.113.80

    """
    options.setdefault("name", "dns-from-the-root")
    return Lab(*dns_from_the_root_nodes(), **options)


def dns_from_the_root_nodes() -> tuple[Node, ...]:
    """Return the declarations of name servers from the root down, and of those who ask.

    ::

        client ----.               .-- a.root-servers.net    .
                  home -- core -- registries
        resolver --'        |      '-- ns.nic.com            com.
                            |
                          site ---- ns1.example.com, ns2.example.com    example.com.
                            '------ www.example.com

    """
    core = Router("core")
    home = Switch("home", subnet="192.0.2.0/24")
    registries = Switch("registries", subnet="198.51.100.0/24")
    site = Switch("site", subnet="203.0.113.0/24")
    for switch in (home, registries, site):
        Link(switch, core)
    records = [
        ("example.com", "TXT", "names from the root"),
        ("*.people.example.com", "CNAME", "www.example.com"),
    ]
    places: tuple[tuple[Switch, Host, int], ...] = (
        (home, Host("resolver", services=[Resolver()]), 53),
        (home, Host("client"), 10),
        (registries, Host("a.root-servers.net", services=[DNS(zone=".", dnssec=True)]), 1),
        (registries, Host("ns.nic.com", services=[DNS(zone="com.", dnssec=True)]), 30),
        (
            site,
            Host(
                "ns1.example.com",
                services=[DNS(zone="example.com.", records=records, dnssec=True, ttl_s=300)],
            ),
            53,
        ),
        (site, Host("ns2.example.com", services=[DNS(secondary="example.com.")]), 54),
        (site, Host("www.example.com", services=["http"]), 80),
    )
    for switch, host, number in places:
        Link(switch, host, address=str(switch.subnets[0][number]))
    return (core, *(host for _, host, _ in places))


def _welcome(user: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "postmaster@example.com"
    message["To"] = f"{user}@example.com"
    message["Subject"] = "Welcome to example.com"
    # A date and an id of its own, so that the declarations are always the same.
    message["Date"] = "Mon, 01 Jan 2024 09:00:00 +0000"
    message["Message-ID"] = f"<welcome.{user}@mail.example.com>"
    message.set_content(
        f"Dear {user},\n\n"
        "this mailbox is yours.  Read it with POP or IMAP at mail.example.com,\n"
        "and send mail from any machine of this network by SMTP.\n\n"
        "The postmaster\n"
    )
    return message
