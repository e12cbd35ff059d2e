"""What is broken in a network, and whether `explain` names it.

One lab an engine; each test breaks one thing of it, asks, and mends it again.

::

    w1 w2 - office - r1 -- core -- r2 - farm - www db
                            |
                          modem - home - h1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from playground.engine import Engine
from playground.errors import BadArgument, NoSuchNode, NotRunning
from playground.examples import office_vlans
from playground.explanations import CAUSES, Explanation
from playground.lab import Lab
from playground.namespaces_engine import NamespacesEngine
from playground.topology import Host, Link, Machine, Router, Switch

SERVER = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
servers = [socket.create_server((address, port), family=family)]
if address == "0.0.0.0":
    servers.append(socket.create_server(("::", port), family=socket.AF_INET6))
print("up", flush=True)
time.sleep(1000)
"""


class Net:
    """The lab, its nodes by name, and what is often needed of them."""

    def __init__(self) -> None:
        office, farm, self.home = Switch("office"), Switch("farm"), Switch("home")
        self.w1, self.w2, self.db, self.h1 = (Host(name) for name in ("w1", "w2", "db", "h1"))
        self.www = Host("www.example.com")
        self.r1, self.core, self.r2 = (Router(name) for name in ("r1", "core", "r2"))
        self.modem = Router("modem")
        for node in (self.r1, self.w1, self.w2):
            Link(office, node, subnet=None)
        self.west, self.east = Link(self.r1, self.core), Link(self.core, self.r2)
        for node in (self.r2, self.www, self.db):
            Link(farm, node)
        self.uplink = Link(self.core, self.modem)
        for node in (self.modem, self.h1):
            Link(self.home, node)
        self.modem.masquerade(self.uplink)
        self.modem.forward(self.uplink, port=8080, to=(self.h1, 80))
        self.lab = Lab(office, name="explain", ipv6=True, quiet=True)

    def explain(self, source: Any, target: Any, **options: Any) -> Explanation:
        options.setdefault("version", 4)
        if options.get("protocol") != "icmp":
            options.setdefault("port", 80)
        return self.lab.explain(source, target, **options)


@pytest.fixture(scope="module")
def net(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Net]:
    net = Net()
    with net.lab, ExitStack() as servers:
        keep_lab(net.lab.id)
        for node in (net.www, net.h1):
            servers.enter_context(serving(node))
        yield net


@contextmanager
def serving(node: Machine, address: str = "0.0.0.0", port: int = 80) -> Iterator[None]:
    with node.start(["python3", "-c", SERVER, address, str(port)]) as server:
        assert server.stdout.readline() == "up"
        yield


@contextmanager
def changed(node: Machine, change: str, back: str) -> Iterator[None]:
    node.run(change)
    try:
        yield
    finally:
        node.run(back)


@contextmanager
def rules(node: Machine, hook: str, rule: str = "", policy: str = "accept") -> Iterator[None]:
    """Have rules typed by hand, without counters, in a table of their own."""
    chain = f"add chain inet hand rules {{ type filter hook {hook} priority 0; policy {policy}; }}"
    text = f"add table inet hand; {chain}" + (f"; add rule inet hand rules {rule}" if rule else "")
    with changed(node, f"nft '{text}'", "nft delete table inet hand"):
        yield


def gateway(node: Machine, version: int = 4) -> str:
    [found] = {
        str(route.via)
        for route in node.routes()
        if route.via and route.destination.version == version and not route.destination.prefixlen
    }
    return found


def assert_names(found: Explanation, node: str, cause: str, *words: str) -> None:
    """Assert that an explanation names this node, this cause, and says these words."""
    assert cause in CAUSES
    assert (found.node, found.cause) == (node, cause), found
    assert not found.ok and not found
    for word in words:
        assert word in found.sentence, found
    assert found.advice


# -- nothing is broken -------------------------------------------------------------


def test_a_way_on_which_nothing_is_broken(net: Net) -> None:
    found = net.explain(net.w1, net.www)
    assert found.ok, found
    assert found.path == ("w1", "r1", "core", "r2", "www.example.com")
    assert found.path_back == found.path[::-1]
    assert "All is well: w1 - r1 - core - r2 - www.example.com." in repr(found)
    asked = {(step.node, step.asked) for step in found.steps}
    for step in (
        ("w1", "name"),
        ("core", "route"),
        ("r2", "neighbour"),
        ("www.example.com", "socket"),
        ("core", "route back"),
        ("w1", "answer"),
    ):
        assert step in asked


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
@pytest.mark.parametrize("version", [4, 6])
def test_both_families_and_pings(net: Net, version: int, protocol: str) -> None:
    found = net.explain("w1", "www", protocol=protocol, version=version)
    assert found.ok, found
    assert len(found.path) == 5


def test_an_address_is_a_target_and_so_is_the_machine_itself(net: Net) -> None:
    assert net.explain(net.w1, str(net.www.address)).ok
    assert net.explain(net.www, net.www).ok
    assert net.explain(net.w1, net.w2, protocol="icmp").path == ("w1", "w2")


def test_nat_on_the_way_is_shown(net: Net) -> None:
    found = net.explain(net.h1, net.www)
    assert found.ok, found
    assert found.path == ("h1", "modem", "core", "r2", "www.example.com")
    assert any(step.node == "modem" and step.asked == "nat" for step in found.steps)


def test_a_forward_leads_to_the_host_inside_from_both_sides(net: Net) -> None:
    from_outside = net.explain(net.w1, net.modem, port=8080)
    assert from_outside.ok, from_outside
    assert from_outside.path[-2:] == ("modem", "h1")
    outside = str(net.modem.interfaces["eth0"].addresses[0].ip)
    hairpin = net.explain(net.h1, outside, port=8080)
    assert hairpin.ok, hairpin
    assert hairpin.path == ("h1", "modem", "h1")


def test_datagrams_need_no_answer(net: Net) -> None:
    listen = "import socket; s = socket.create_server; u = socket.socket(type=socket.SOCK_DGRAM);"
    listen += "u.bind(('', 7)); print('up', flush=True); u.recv(10); u.recv(10)"
    with net.www.start(["python3", "-c", listen]) as server:
        server.stdout.readline()
        found = net.explain(net.w1, net.www, port=7, protocol="udp")
    assert found.ok, found
    assert_names(
        net.explain(net.w1, net.www, port=7, protocol="udp"), "www.example.com", "server stopped"
    )


# -- names and servers ------------------------------------------------------------


def test_a_name_that_is_unknown(net: Net) -> None:
    assert_names(net.explain(net.w1, "wwww"), "w1", "name unknown", "wwww")
    before = net.w1.read("/etc/hosts")
    del net.w1.hosts["www.example.com"]
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.w1.write("/etc/hosts", before)
    assert_names(found, "w1", "name unknown", "the lab had written it")


def test_a_name_that_means_another_machine(net: Net) -> None:
    before = net.w1.read("/etc/hosts")
    net.w1.write("/etc/hosts", f"{net.db.address} www.example.com\n{before}")
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.w1.write("/etc/hosts", before)
    assert_names(found, "w1", "wrong name", "db")


def test_a_server_that_was_stopped(net: Net) -> None:
    found = net.explain(net.w1, net.www, port=81)
    assert_names(found, "www.example.com", "server stopped", "tcp port 81")


def test_a_server_for_its_own_machine_only(net: Net) -> None:
    with serving(net.db, "127.0.0.1"):
        found = net.explain(net.w1, net.db)
    assert_names(found, "db", "loopback only", "127.0.0.1:80")


def test_a_host_that_does_not_answer_pings(net: Net) -> None:
    name = "net.ipv4.icmp_echo_ignore_all"
    with changed(net.www, f"sysctl -qw {name}=1", f"sysctl -qw {name}=0"):
        assert_names(
            net.explain(net.w1, net.www, protocol="icmp"), "www.example.com", "ping ignored"
        )


# -- links ---------------------------------------------------------------------


def test_a_link_that_is_down(net: Net) -> None:
    net.east.down()
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.east.up()
    assert_names(found, "core", "link down", "core and r2")


def test_a_host_that_is_unplugged_at_its_switch(net: Net) -> None:
    for host in (net.www, net.w1):
        [link] = host.links
        link.down()
        try:
            found = net.explain(net.w1, net.www)
        finally:
            link.up()
        assert_names(found, host.name, "link down")


def test_an_interface_that_is_set_down(net: Net) -> None:
    way = gateway(net.w1)
    up = f"ip link set eth0 up && ip route replace default via {way}"
    up6 = f"ip -6 address replace {net.w1.interfaces['eth0'].addresses[1]} dev eth0 nodad"
    up6 += f" && ip -6 route replace default via {gateway(net.w1, 6)}"
    with changed(net.w1, "ip link set eth0 down", f"{up} && {up6}"):
        assert_names(net.explain(net.w1, net.www), "w1", "interface down", "eth0")


def test_a_link_that_loses_all_frames(net: Net) -> None:
    net.east.impair(loss_percent=100)
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.east.restore()
    assert_names(found, "core", "loss", "100 %")


# -- addresses and routes ---------------------------------------------------------


def test_a_node_without_a_route(net: Net) -> None:
    for version, options in ((4, ""), (6, "-6 ")):
        way = gateway(net.w1, version)
        back = f"ip {options}route add default via {way}"
        with changed(net.w1, f"ip {options}route del default", back):
            found = net.explain(net.w1, net.www, version=version)
        assert_names(found, "w1", "no route", f"via {way}")


def test_a_server_without_a_route_back(net: Net) -> None:
    way = gateway(net.www)
    with changed(net.www, "ip route del default", f"ip route add default via {way}"):
        assert_names(net.explain(net.w1, net.www), "www.example.com", "no route back")


def test_an_answer_that_nobody_sent_would_not_have_come_back(net: Net) -> None:
    way = gateway(net.www)
    listen = "import socket; u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('', 7));"
    listen += "print('up', flush=True); u.recv(10); u.recv(10)"
    with net.www.start(["python3", "-c", listen]) as server:
        server.stdout.readline()
        with changed(net.www, "ip route del default", f"ip route add default via {way}"):
            found = net.explain(net.w1, net.www, port=7, protocol="udp")
    assert_names(found, "www.example.com", "no route back")


def test_a_router_without_a_route_back(net: Net) -> None:
    office = net.w1.interfaces["eth0"].addresses[0].network
    [route] = [one for one in net.core.routes() if one.destination == office]
    with changed(net.core, f"ip route del {office}", f"ip route add {office} via {route.via}"):
        assert_names(net.explain(net.w1, net.www), "core", "no route back")


def test_a_route_that_throws_away(net: Net) -> None:
    farm = net.www.interfaces["eth0"].addresses[0].network
    [route] = [one for one in net.core.routes() if one.destination == farm]
    back = f"ip route del {farm} && ip route add {farm} via {route.via}"
    with changed(net.core, f"ip route del {farm} && ip route add blackhole {farm}", back):
        assert_names(net.explain(net.w1, net.www), "core", "forbidden route", "blackhole")


def test_a_route_that_prohibits_is_no_firewall(net: Net) -> None:
    route = f"prohibit {net.www.address}"
    with changed(net.core, f"ip route add {route}", f"ip route del {route}"):
        assert_names(net.explain(net.w1, net.www), "core", "forbidden route", "prohibit")


def test_a_gateway_that_nobody_is(net: Net) -> None:
    way = gateway(net.w1)
    wrong = f"{way.rpartition('.')[0]}.99"
    back = f"ip route replace default via {way}"
    with changed(net.w1, f"ip route replace default via {wrong}", back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong gateway", wrong)


def test_a_gateway_that_is_a_host(net: Net) -> None:
    back = f"ip route replace default via {gateway(net.w1)}"
    with changed(net.w1, f"ip route replace default via {net.w2.address}", back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong gateway", "w2")


def test_a_mask_that_is_too_wide(net: Net) -> None:
    own, way = net.w1.interfaces["eth0"].addresses[0], gateway(net.w1)
    wide = f"ip addr add {own.ip}/8 dev eth0 && ip addr del {own} dev eth0"
    back = f"ip addr add {own} dev eth0 && ip addr del {own.ip}/8 dev eth0"
    back += f" && ip route replace default via {way}"
    with changed(net.w1, wide, back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong mask", "/8")


def test_an_ipv6_prefix_that_is_too_wide(net: Net) -> None:
    own, way = net.w1.interfaces["eth0"].addresses[1], gateway(net.w1, 6)
    swap = "ip addr del {0} dev eth0; ip addr add {1} dev eth0 nodad"
    swap += f"; ip -6 route replace default via {way}"
    with changed(net.w1, swap.format(own, f"{own.ip}/32"), swap.format(f"{own.ip}/32", own)):
        assert_names(net.explain(net.w1, net.www, version=6), "w1", "wrong mask", "/32")


def test_a_mask_that_is_too_narrow(net: Net) -> None:
    own, way = net.www.interfaces["eth0"].addresses[0], gateway(net.www)
    # As after a restart with that mask: the gateway is not on the link, and refused.
    narrow = f"ip route del default; ip addr add {own.ip}/31 dev eth0; ip addr del {own} dev eth0"
    narrow += f"; ! ip route add default via {way}"
    back = f"ip addr add {own} dev eth0; ip addr del {own.ip}/31 dev eth0"
    back += f"; ip route replace default via {way}"
    with changed(net.www, narrow, back):
        assert_names(net.explain(net.www, net.w1), "www.example.com", "wrong mask", "/31")


def test_routers_that_send_in_a_ring(net: Net) -> None:
    farm = net.www.interfaces["eth0"].addresses[0].network
    wrong = next(one.via for one in net.core.routes() if one.destination == farm)
    ring = next(
        route.via
        for route in net.core.routes()
        if route.destination == net.w1.interfaces["eth0"].addresses[0].network
    )
    replace = "ip route replace {} via {}"
    with changed(net.core, replace.format(farm, ring), replace.format(farm, wrong)):
        found = net.explain(net.w1, net.www)
    assert found.cause == "routing loop", found
    assert "core" in found.sentence and "r1" in found.sentence


def test_two_machines_with_one_address(net: Net) -> None:
    taken = f"{net.db.address}/24 dev eth0"
    with changed(net.www, f"ip addr add {taken}", f"ip addr del {taken}"):
        found = net.explain(net.w1, net.db, protocol="icmp")
    assert_names(found, "www.example.com", "duplicate address", "db and www.example.com")


# -- routers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name"), [(4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding")]
)
def test_a_router_that_does_not_forward(net: Net, version: int, name: str) -> None:
    with changed(net.core, f"sysctl -qw {name}=0", f"sysctl -qw {name}=1"):
        assert_names(net.explain(net.w1, net.www, version=version), "core", "forwarding off", name)


def test_a_filter_of_reverse_paths(net: Net) -> None:
    office = net.w1.interfaces["eth0"].addresses[0].network
    [route] = [one for one in net.core.routes() if one.destination == office]
    east = next(one.ip for one in net.r2.interfaces["eth0"].addresses if one.version == 4)
    name = "net.ipv4.conf.all.rp_filter"
    wrong = f"sysctl -qw {name}=1 && ip route replace {office} via {east}"
    back = f"sysctl -qw {name}=0 && ip route replace {office} via {route.via}"
    with changed(net.core, wrong, back):
        assert_names(net.explain(net.w1, net.www), "core", "reverse path filter", "rp_filter")


@pytest.mark.parametrize(
    ("node", "hook", "rule", "whose"),
    [
        ("w1", "output", "tcp dport 80 drop", "The packet"),
        ("core", "forward", "tcp dport 80 reject", "The packet"),
        ("core", "forward", "tcp sport 80 drop", "The answer"),
        ("www.example.com", "input", "tcp dport 80 drop", "The packet"),
        ("www.example.com", "output", "tcp sport 80 drop", "The answer"),
        ("w1", "input", "tcp sport 80 drop", "The answer"),
    ],
    ids=["client", "router", "router-back", "server", "server-back", "client-back"],
)
def test_a_firewall_with_rules_that_count_nothing(
    net: Net, node: str, hook: str, rule: str, whose: str
) -> None:
    with rules(net.lab.node(node), hook, rule):
        assert_names(net.explain(net.w1, net.www), node, "firewall", rule, whose)
    # What told of it is gone.
    assert "playground_trace" not in net.lab.node(node).run("nft list tables").stdout


@pytest.mark.parametrize("protocol", ["icmp", "udp"])
def test_a_firewall_that_drops_what_has_no_connection(net: Net, protocol: str) -> None:
    with rules(net.core, "forward", f"meta l4proto {protocol} drop"):
        found = net.explain(net.w1, net.www, protocol=protocol)
    assert_names(found, "core", "firewall", f"meta l4proto {protocol} drop")


def test_a_firewall_whose_policy_is_to_drop(net: Net) -> None:
    with rules(net.r2, "forward", policy="drop"):
        found = net.explain(net.w1, net.www, version=6)
    assert_names(found, "r2", "firewall", "policy is drop")


def test_a_firewall_of_ours(net: Net) -> None:
    rule = net.www.firewall.drop(port=80)
    try:
        found = net.explain(net.w1, net.www)
    finally:
        rule.remove()
    assert_names(found, "www.example.com", "firewall", "dport 80")


def test_an_inside_that_cannot_be_reached_from_outside(net: Net) -> None:
    assert_names(net.explain(net.w1, net.h1), "modem", "NAT", "h1 lies behind modem")
    assert_names(net.explain(net.w1, net.modem, port=22), "modem", "NAT", "no forward")
    # Even who knows a way to it is kept outside.
    inside = net.h1.interfaces["eth0"].addresses[0]
    via = net.modem.interfaces["eth0"].addresses[0].ip
    way = f"{inside.network} via {via}"
    with changed(net.core, f"ip route add {way}", f"ip route del {way}"):
        assert_names(net.explain(net.core, str(inside.ip)), "modem", "NAT")


@pytest.mark.parametrize("sends", ["core", "r2"])
def test_a_black_hole_for_large_packets(net: Net, sends: str) -> None:
    """A router's next link takes less, and its rules drop what would tell so."""
    ends = [(net.core, "eth1"), (net.r2, "eth0")]
    source, target = (net.w1, net.www)
    with ExitStack() as narrow:
        for node, interface in ends:
            mtu = f"ip link set {interface} mtu "
            narrow.enter_context(changed(node, mtu + "1300", mtu + "1500"))
        told = net.explain(source, target)
        assert told.ok, told
        assert any(step.asked == "mtu" and "1300" in step.found for step in told.steps)
        for host in (net.w1, net.www):  # what they have been told
            host.run("ip route flush cache")
        drop = "icmp type destination-unreachable drop"
        narrow.enter_context(rules(net.lab.node(sends), "output", drop))
        found = net.explain(source, target)
    for host in (net.w1, net.www):
        host.run("ip route flush cache")
    assert_names(found, sends, "mtu", "1500 bytes")


def test_ends_of_a_link_that_take_frames_of_different_sizes(net: Net) -> None:
    with changed(net.w2, "ip link set eth0 mtu 1300", "ip link set eth0 mtu 1500"):
        found = net.explain(net.w1, net.w2, protocol="icmp")
    assert_names(found, "w2", "mtu", "same MTU")


def test_a_neighbour_that_is_remembered_wrongly(net: Net) -> None:
    address = net.w2.address
    for mac, words in (
        ("02:00:00:00:00:99", "nobody has that"),
        (net.db.interfaces["eth0"].mac, "db's"),
    ):
        wrong = f"ip neigh replace {address} lladdr {mac} dev eth0"
        with changed(net.w1, wrong, f"ip neigh del {address} dev eth0"):
            found = net.explain(net.w1, net.w2, protocol="icmp")
        assert_names(found, "w1", "stale neighbour", words)


def test_an_ipv6_address_that_another_machine_had_first(net: Net) -> None:
    own, taken = (node.interfaces["eth0"].addresses[1] for node in (net.w2, net.w1))
    # Links of a lab are silent, and nobody asks whether an address is free.
    dad = "net.ipv6.conf.eth0.accept_dad={0} net.ipv6.conf.eth0.dad_transmits={0}"
    steal = f"sysctl -qw {dad.format(1)}; ip addr del {own} dev eth0; ip addr add {taken} dev eth0"
    steal += (
        "; timeout 5 sh -c 'until ip addr show dev eth0 | grep -q dadfailed; do sleep 0.05; done'"
    )
    back = f"sysctl -qw {dad.format(0)}; ip addr del {taken} dev eth0"
    back += (
        f"; ip addr add {own} dev eth0 nodad; ip -6 route replace default via {gateway(net.w2, 6)}"
    )
    with changed(net.w2, f"ip addr del {own} dev eth0", f"ip addr add {own} dev eth0 nodad"):
        found = net.explain(net.w2, net.www, version=6)
    assert_names(found, "w2", "no address", "fe80::")
    with changed(net.w2, steal, back):
        found = net.explain(net.w2, net.www, version=6)
    assert_names(found, "w2", "duplicate address", str(taken.ip))


# -- other shapes ---------------------------------------------------------------


def test_networks_in_vlans_are_told_apart(namespaces_engine: NamespacesEngine) -> None:
    with office_vlans(quiet=True, engine=namespaces_engine) as lab:
        found = lab.explain("pc1", "phone2")
        assert found.ok and found.path == ("pc1", "gateway", "phone2"), found
        [trunk] = [
            link for link in lab.links if all(isinstance(end.node, Switch) for end in link.ends)
        ]
        trunk.down()
        for _ in range(2):  # what asked for a neighbour just now does not ask again at once
            assert lab.explain("pc1", "phone2").cause == "link down"
        trunk.up()
        gateway = lab.node("gateway")
        with changed(gateway, "ip link set eth0.20 down", "ip link set eth0.20 up"):
            assert_names(lab.explain("pc1", "phone2"), "gateway", "interface down", "eth0.20")
        # One address in two VLANs is no conflict, and in one it is.
        own = lab.node("pc1").address
        for name, cause in (("phone1", ""), ("pc2", "duplicate address")):
            taken = f"{own}/24 dev eth0"
            with changed(lab.node(name), f"ip addr add {taken}", f"ip addr del {taken}"):
                assert lab.explain("pc1", "gateway").cause == cause


def test_equal_paths_are_told_apart_by_where_packets_went(
    namespaces_engine: NamespacesEngine,
) -> None:
    a, b = Host("a"), Host("b")
    r1, r2, r3, r4 = (Router(f"r{number}", routing=None) for number in range(1, 5))
    for number, ends in enumerate(((a, r1), (r1, r2), (r1, r3), (r2, r4), (r3, r4), (r4, b))):
        Link(*ends, subnet=f"10.{number}.0.0/24")
    a.route("0.0.0.0/0", via=r1)
    b.route("0.0.0.0/0", via=r4)
    for router, there, back in (
        (r1, [r2, r3], None),
        (r2, r4, r1),
        (r3, r4, r1),
        (r4, None, [r2, r3]),
    ):
        if there:
            router.route("10.5.0.0/24", via=there)
        if back:
            router.route("10.0.0.0/24", via=back)
    with Lab(a, name="paths", quiet=True, engine=namespaces_engine) as lab, serving(b):
        r1.sysctls["net.ipv4.fib_multipath_hash_policy"] = 1  # by ports too
        used = set()
        for _ in range(40):  # which of the two is up to the port, which is up to chance
            found = lab.explain(a, str(b.address), port=80)
            assert found, found
            used.add(found.path[2])
            if len(used) == 2:
                break
        assert used == {"r2", "r3"}


# -- asking -------------------------------------------------------------------


def test_what_is_no_question_is_refused(net: Net) -> None:
    with pytest.raises(BadArgument, match="needs a port"):
        net.lab.explain(net.w1, net.www, protocol="udp")
    with pytest.raises(BadArgument, match="icmp has no ports"):
        net.lab.explain(net.w1, net.www, protocol="icmp", port=80)
    with pytest.raises(BadArgument, match="not of 'smoke'"):
        net.lab.explain(net.w1, net.www, protocol="smoke")
    with pytest.raises(BadArgument, match="host or router"):
        net.lab.explain(net.home, net.www, port=80)
    with pytest.raises(BadArgument, match="send to"):
        net.lab.explain(net.w1, net.home, port=80)
    with pytest.raises(BadArgument, match="version"):
        net.lab.explain(net.w1, net.www, port=80, version=5)
    with pytest.raises(NoSuchNode):
        net.lab.explain("w9", net.www, port=80)
    a, b = Host("a"), Host("b")
    Link(a, b)
    with pytest.raises(NotRunning):
        Lab(a).explain(a, b)
    with pytest.raises(NotRunning, match="a is not running"):
        net.lab.explain(a, net.www)
