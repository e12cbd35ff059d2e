"""Ready labs in which many share one address: servers behind a balancer, homes behind a carrier."""

from __future__ import annotations

from typing import Any

from playground.lab.lab import Lab
from playground.model.services.http import HTTP
from playground.model.services.proxies import LoadBalancer
from playground.operations.network import Host, Link, Node, Router, Switch


def balanced_site(**options: Any) -> Lab:
    """Return a web site of one address and three servers.

    Not yet started; ``options`` are those of `Lab`.

    >>> with balanced_site() as lab:
    ...     print(lab["client"].run("curl -s http://www.example.com/"))

    """
    options.setdefault("name", "balanced-site")
    return Lab(*balanced_site_nodes(), **options)


def balanced_site_nodes() -> tuple[Node, ...]:
    """Return the declarations of a load balancer before three web servers, and of two clients.

    Each server says who it is, and has a page ``health`` that the balancer asks for.

    ::

        client ----.                                     .-- web1
                    internet -- edge -- www.example.com -+-- web2
        visitor ---'                                     '-- web3

    """
    internet = Switch("internet", subnet="198.51.100.0/24")
    site = Switch("site", subnet="10.20.0.0/24")
    edge = Router("edge")
    webs = [
        Host(
            f"web{number}",
            services=[HTTP(files={"index.html": f"I am web{number}\n", "health": "well\n"})],
        )
        for number in (1, 2, 3)
    ]
    front = Host("www.example.com", services=[LoadBalancer(to=webs, page="/health", check_s=0.5)])
    for host in (edge, Host("client"), Host("visitor")):
        Link(internet, host)
    Link(edge, front, subnet="203.0.113.0/30")
    for host in (front, *webs):
        Link(site, host)
    return (edge, front, *webs)


def carrier_grade_nat(**options: Any) -> Lab:
    """Return two homes whose provider has one address for both (RFC 6888).

    Not yet started; ``options`` are those of `Lab`.

    >>> with carrier_grade_nat() as lab:
    ...     print(lab["anna"].run("curl -s http://www.example.com/"))

    """
    options.setdefault("name", "carrier-grade-nat")
    return Lab(*carrier_grade_nat_nodes(), **options)


def carrier_grade_nat_nodes() -> tuple[Node, ...]:
    """Return the declarations of two homes behind a carrier's NAT, and of the Internet beyond.

    Packets are translated twice on their way out: by the modem, into the shared address space of
    RFC 6598, and by the carrier, into its only address and one of the ports 20000 to 29999.
    Nothing comes in: the modem's owner cannot open a port of the carrier.  Both uplinks have a
    smaller MTU, which the modems tell TCP of.

    ::

        anna -- modem1 --.
                          access -- carrier -- internet -- www.example.com
        ben --- modem2 --'

    """
    access = Switch("access", subnet="100.64.0.0/24")
    internet = Switch("internet", subnet="203.0.113.0/24")
    carrier = Router("carrier")
    www = Host("www.example.com", services=["http"])
    Link(access, carrier, address="100.64.0.1", mtu=1480)
    out = Link(internet, carrier, address="203.0.113.1")
    Link(internet, www, address="203.0.113.80")
    carrier.masquerade(out, ports="20000-29999")
    modems = []
    for number, name in ((1, "anna"), (2, "ben")):
        home = Switch(f"home{number}", subnet="192.168.1.0/24")
        modem = Router(f"modem{number}")
        Link(home, modem)
        Link(home, Host(name))
        uplink = Link(access, modem, address=f"100.64.0.{10 + number}", mtu=1480)
        modem.masquerade(uplink, clamp_mss=True)
        modems.append(modem)
    return (carrier, *modems, www)
