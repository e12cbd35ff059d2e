"""Ready labs about routing: areas, policies, redundant routers."""

from __future__ import annotations

from typing import Any

from playground.lab.lab import Lab
from playground.model.routing.policy import Permit, RouteMap
from playground.operations.network import Host, Link, Node, Router, Switch


def multi_area_ospf(**options: Any) -> Lab:
    """Return an OSPF network of a backbone and three areas, each of another kind.

    Not yet started; ``options`` are those of `Lab`.

    >>> with multi_area_ospf() as lab:
    ...     print(lab["branch"].vtysh("show ip route ospf"))

    """
    options.setdefault("name", "multi-area-ospf")
    return Lab(*multi_area_ospf_nodes(), **options)


def multi_area_ospf_nodes() -> tuple[Node, ...]:
    """Return the declarations of a backbone with three areas.

    Area 1 is an ordinary one, whose networks its border tells of as one, area 2 is totally
    stubby, and area 3 a NSSA, whose router `partner` does not speak OSPF.

    ::

                        core1 ------- core2
                       /     \\          |
           (area 1)  /        \\ (3)     | (area 2)
          campus --'        factory   branch
           |  |              |   |       |
         lab office    machine partner  shop
                                 |
                              supplier

    """
    core1, core2, campus, branch, factory = (
        Router(name, routing="ospf") for name in ("core1", "core2", "campus", "branch", "factory")
    )
    partner = Router("partner")
    hosts = [Host(name) for name in ("lab", "office", "shop", "machine", "supplier")]
    Link(core1, core2, subnet="10.0.0.0/24")
    areas = {
        campus: (1, [Link(core1, campus, subnet="10.1.0.0/24")]),
        branch: (2, [Link(core2, branch, subnet="10.2.0.0/24")]),
        factory: (3, [Link(core1, factory, subnet="10.3.0.0/24")]),
    }
    for number, (router, host) in enumerate(
        [(campus, hosts[0]), (campus, hosts[1]), (branch, hosts[2]), (factory, hosts[3])], 1
    ):
        area, links = areas[router]
        links.append(Link(router, host, subnet=f"10.{area}.{number}.0/24"))
    areas[factory][1].append(Link(factory, partner, subnet="10.3.9.0/24"))
    Link(partner, hosts[4], subnet="172.20.0.0/24")
    for router, (area, links) in areas.items():
        for link in links:
            router.ospf(link, area=area)
    core1.ospf_area(1, ranges=["10.1.0.0/16"])
    core2.ospf_area(2, kind="totally stubby")
    core1.ospf_area(3, kind="nssa")
    return (*hosts, core1, core2, campus, branch, factory, partner)


def customers_and_peers(**options: Any) -> Lab:
    """Return providers and customers with the policies of the Internet: nobody works for nothing.

    Not yet started; ``options`` are those of `Lab`.

    >>> with customers_and_peers() as lab:
    ...     print(lab["alice"].traceroute("bob").hops)
    ...     print(lab["west"].vtysh("show bgp ipv4 unicast"))

    """
    options.setdefault("name", "customers-and-peers")
    return Lab(*customers_and_peers_nodes(), **options)


def customers_and_peers_nodes() -> tuple[Node, ...]:
    """Return the declarations of a transit, two providers that are its customers, and theirs.

    A route carries a community that says from whom it came: a customer (65000:1), a peer
    (65000:2) or a provider (65000:3).  Customers hear of all, peers and providers of customers
    only; a customer's way is preferred to a peer's, that to a provider's (Gao and Rexford,
    "Stable Internet Routing Without Global Coordination", 2001).  `both` buys from both
    providers, and is a way from one to the other for nobody; `east` is its backup.

    ::

                  transit  AS 65010 --- mirror
                 /       \\
        AS 65001 west === east  AS 65002        === peers
               /    \\   /   \\
           alice    both    bob
          AS 65003 AS 65005 AS 65004

    """
    numbers = {
        "transit": 65010,
        "west": 65001,
        "east": 65002,
        "r-alice": 65003,
        "r-bob": 65004,
        "r-both": 65005,
    }
    routers = {
        name: Router(name, routing="bgp", as_number=number) for name, number in numbers.items()
    }
    transit, west, east, alice, bob, both = routers.values()
    hosts = []
    for router, name in ((transit, "mirror"), (alice, "alice"), (bob, "bob"), (both, "both")):
        hosts.append(Host(name))
        Link(router, hosts[-1], subnet=f"10.{numbers[router.name] - 65000}.0.0/24")
    # The provider first, and its customer.
    sold = [(transit, west), (transit, east), (west, alice), (east, bob), (west, both)]
    sold.append((east, both))
    for number, (one, other) in enumerate([*sold, (west, east)]):
        Link(one, other, subnet=f"192.0.2.{4 * number}/30")

    from_customer = RouteMap(
        "from-customer", Permit(set_community="65000:1", set_local_preference=200)
    )
    from_peer = RouteMap("from-peer", Permit(set_community="65000:2", set_local_preference=100))
    from_provider = RouteMap(
        "from-provider", Permit(set_community="65000:3", set_local_preference=50)
    )
    own_and_customers = RouteMap(
        "own-and-customers", Permit(community="65000:1"), Permit(as_path="^$")
    )
    as_backup = RouteMap("as-backup", Permit(community="65000:1"), Permit(as_path="^$", prepend=2))
    for provider, customer in sold:
        provider.bgp_peer(customer, receive=from_customer)
        customer.bgp_peer(
            provider,
            receive=from_provider,
            send=as_backup if (provider, customer) == (east, both) else own_and_customers,
        )
    for one, other in ((west, east), (east, west)):
        one.bgp_peer(other, receive=from_peer, send=own_and_customers)
    return (*hosts, *routers.values())


def data_centre(**options: Any) -> Lab:
    """Return a data centre of spines and leaves, with BGP on links that have no addresses.

    Not yet started; ``options`` are those of `Lab`.

    >>> with data_centre() as lab:
    ...     print(lab["leaf1"].run("ip route show 10.0.3.0/24").stdout)

    """
    options.setdefault("name", "data-centre")
    return Lab(*data_centre_nodes(), **options)


def data_centre_nodes(spines: int = 2, leaves: int = 3) -> tuple[Node, ...]:
    """Return the declarations of spines, leaves, and a server at each leaf.

    Each router is an AS of its own (RFC 7938 gives all spines one number: then a spine has no
    way at all to a leaf whose cable is out).  Links between them have no addresses but the
    link-local ones of IPv6 (RFC 8950), and each leaf sends by all spines at once (ECMP).

    ::

            spine1      spine2        AS 65101, 65102
            /  |  \\    /  |  \\
        leaf1  leaf2  leaf3           AS 65001, 65002, 65003
          |      |      |
         s1     s2     s3

    """
    tops = [
        Router(f"spine{n}", routing="bgp", as_number=65100 + n, loopback=f"10.255.0.{n}/32")
        for n in range(1, spines + 1)
    ]
    found: list[Node] = [*tops]
    for number in range(1, leaves + 1):
        leaf = Router(
            f"leaf{number}",
            routing="bgp",
            as_number=65000 + number,
            loopback=f"10.255.1.{number}/32",
        )
        for top in tops:
            Link(top, leaf, addresses=(None, None))
        leaf.bgp_options(paths=spines)
        Link(leaf, server := Host(f"s{number}"), subnet=f"10.0.{number}.0/24")
        found += [leaf, server]
    return tuple(found)


def vrrp_pair(**options: Any) -> Lab:
    """Return a network whose two routers share the address that its hosts send by.

    Not yet started; ``options`` are those of `Lab`.

    >>> with vrrp_pair() as lab:
    ...     print(lab["pc1"].traceroute("www").hops)

    """
    options.setdefault("name", "vrrp-pair")
    return Lab(*vrrp_pair_nodes(), **options)


def vrrp_pair_nodes() -> tuple[Node, ...]:
    """Return the declarations of two routers with the shared address 192.168.1.254.

    `gate1` is preferred, and gives the address up while its link to `core` carries nothing.

    ::

        pc1 --.       .-- gate1 --.
               switch              core --- www
        pc2 --'       '-- gate2 --'

    """
    lan = Switch("lan", subnet="192.168.1.0/24")
    gate1, gate2, core = (Router(name, routing="ospf") for name in ("gate1", "gate2", "core"))
    hosts = [Host("pc1"), Host("pc2")]
    inside = [Link(lan, gate) for gate in (gate1, gate2)]
    for host in hosts:
        Link(lan, host)
    uplink = Link(gate1, core)
    Link(gate2, core)
    Link(core, www := Host("www"))
    gate1.vrrp(inside[0], address="192.168.1.254", priority=150, track=[uplink])
    gate2.vrrp(inside[1], address="192.168.1.254")
    return (lan, gate1, gate2, core, *hosts, www)


def multicast_tree(**options: Any) -> Lab:
    """Return routers that carry a group's packets from a camera to whoever watches.

    Not yet started; ``options`` are those of `Lab`.

    >>> with multicast_tree() as lab:
    ...     print(lab["core"].vtysh("show ip pim neighbor"))

    """
    options.setdefault("name", "multicast-tree")
    return Lab(*multicast_tree_nodes(), **options)


def multicast_tree_nodes() -> tuple[Node, ...]:
    """Return the declarations of a tree of four routers that forward multicast.

    `core` is the rendezvous point; unicast routes are found by OSPF.

    ::

        camera --- studio --- core --- west --- tv1
                               |          '---- tv2
                               '------ east --- tv3

    """
    core, studio, west, east = (
        Router(name, routing="ospf") for name in ("core", "studio", "west", "east")
    )
    camera, *watching = (Host(name) for name in ("camera", "tv1", "tv2", "tv3"))
    for router in (studio, west, east):
        Link(core, router)
    Link(studio, camera)
    for router, host in zip((west, west, east), watching, strict=True):
        Link(router, host)
    for router in (core, studio, west, east):
        router.multicast(rendezvous_point=core)
    return (camera, studio, core, west, east, *watching)
