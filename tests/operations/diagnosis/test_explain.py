"""Broken networks, and whether `explain` names the fault: on both engines.

One lab an engine; each test breaks one thing of it, asks, and mends it again.  What kernels
alone decide, and kernels are the same on both, is in `test_explain_kernels`.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from playground.engines.seam import Engine
from playground.errors import BadArgument, NoSuchNode, NotRunning
from playground.lab.lab import Lab
from playground.operations.network import Host, Link
from tests.faulty import Net, assert_names, changed, gateway, rules, serving


@pytest.fixture(scope="module")
def net(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Net]:
    net = Net()
    with net.lab, ExitStack() as servers:
        keep_lab(net.lab.id)
        for node in (net.www, net.h1):
            servers.enter_context(serving(node))
        yield net


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


def test_a_server_that_was_stopped(net: Net) -> None:
    found = net.explain(net.w1, net.www, port=81)
    assert_names(found, "www.example.com", "server stopped", "tcp port 81")


def test_a_server_for_its_own_machine_only(net: Net) -> None:
    with serving(net.db, "127.0.0.1"):
        found = net.explain(net.w1, net.db)
    assert_names(found, "db", "loopback only", "127.0.0.1:80")


# -- links ---------------------------------------------------------------------


def test_a_link_that_is_down(net: Net) -> None:
    net.east.down()
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.plug_in(net.east)
    assert_names(found, "core", "link down", "core and r2")


def test_a_host_that_is_unplugged_at_its_switch(net: Net) -> None:
    for host in (net.www, net.w1):
        [link] = host.links
        link.down()
        try:
            found = net.explain(net.w1, net.www)
        finally:
            net.plug_in(link)
        assert_names(found, host.name, "link down")


# -- addresses and routes ---------------------------------------------------------


def test_a_cable_that_was_plugged_in_again_just_now(net: Net) -> None:
    """Who asked for a neighbour in vain asks again a second later only."""
    [link] = net.w1.links
    net.w1.run("ip neigh flush dev eth0")
    link.down()
    try:
        assert net.explain(net.w1, net.www).cause == "link down"
    finally:
        net.plug_in(link)
    assert net.explain(net.w1, net.www).ok


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


def test_a_router_without_a_route_back(net: Net) -> None:
    office = net.w1.interfaces["eth0"].addresses[0].network
    [route] = [one for one in net.core.routes() if one.destination == office]
    with changed(net.core, f"ip route del {office}", f"ip route add {office} via {route.via}"):
        assert_names(net.explain(net.w1, net.www), "core", "no route back")


def test_a_gateway_that_nobody_is(net: Net) -> None:
    way = gateway(net.w1)
    wrong = f"{way.rpartition('.')[0]}.99"
    back = f"ip route replace default via {way}"
    with changed(net.w1, f"ip route replace default via {wrong}", back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong gateway", wrong)


def test_a_mask_that_is_too_wide(net: Net) -> None:
    own, way = net.w1.interfaces["eth0"].addresses[0], gateway(net.w1)
    wide = f"ip addr add {own.ip}/8 dev eth0 && ip addr del {own} dev eth0"
    back = f"ip addr add {own} dev eth0 && ip addr del {own.ip}/8 dev eth0"
    back += f" && ip route replace default via {way}"
    with changed(net.w1, wide, back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong mask", "/8")


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
    # The announcement of it is gone.
    assert "playground_trace" not in net.lab.node(node).run("nft list tables").stdout


def test_several_explain_at_once(net: Net) -> None:
    with rules(net.core, "forward", "tcp dport 80 drop"), ThreadPoolExecutor(3) as threads:
        for found in threads.map(lambda _: net.explain(net.w1, net.www), range(3)):
            assert_names(found, "core", "firewall", "tcp dport 80 drop")


def test_an_inside_that_cannot_be_reached_from_outside(net: Net) -> None:
    assert_names(net.explain(net.w1, net.h1), "modem", "NAT", "h1 lies behind modem")
    assert_names(net.explain(net.w1, net.modem, port=22), "modem", "NAT", "no forward")
    # Even who knows a way to it is kept outside.
    inside = net.h1.interfaces["eth0"].addresses[0]
    via = net.modem.interfaces["eth0"].addresses[0].ip
    way = f"{inside.network} via {via}"
    with changed(net.core, f"ip route add {way}", f"ip route del {way}"):
        assert_names(net.explain(net.core, str(inside.ip)), "modem", "NAT")


def test_nat_made_by_hand_is_known_by_what_it_does(net: Net) -> None:
    def table(chain: str, rule: str) -> str:
        return f"nft 'table ip hand {{ chain c {{ type {chain}; {rule}; }}; }}'"

    gone = "nft delete table ip hand"
    address = net.core.interfaces["eth0"].addresses[0].ip
    hides = table("nat hook postrouting priority 100", f'oifname "eth7" snat to {address}')
    with changed(net.core, hides, gone):
        found = net.explain(net.w1, net.core, port=8080)
        assert_names(found, "core", "NAT", f"snat to {address}", "by hand")
    named = table("filter hook input priority 0", 'accept comment "masquerade me snat"')
    with changed(net.core, named, gone):
        assert_names(net.explain(net.w1, net.core, port=8080), "core", "server stopped")


def test_a_rule_is_not_what_its_comment_says(net: Net) -> None:
    with rules(net.core, "forward", 'tcp dport 80 drop comment "outside"'):
        assert_names(net.explain(net.w1, net.www), "core", "firewall", "drops it")
    with rules(net.core, "forward", 'tcp dport 80 drop comment "reject"'):
        assert_names(net.explain(net.w1, net.www), "core", "firewall", "drops it")


def test_a_black_hole_for_large_packets(net: Net) -> None:
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
        narrow.enter_context(rules(net.core, "output", drop))
        found = net.explain(source, target)
    for host in (net.w1, net.www):
        host.run("ip route flush cache")
    assert_names(found, "core", "mtu", "1500 bytes")


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
    for address, sentence in (
        ("224.0.0.5", "'224.0.0.5' is a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "is the broadcast address: "),
        ("10.0.1.255", "the broadcast address of a network"),
        ("fe80::1%eth0", "an address with an interface"),
    ):
        with pytest.raises(BadArgument, match=sentence):
            net.lab.explain(net.w1, address, port=80)
    with pytest.raises(NoSuchNode):
        net.lab.explain("w9", net.www, port=80)
    a, b = Host("a"), Host("b")
    Link(a, b)
    with pytest.raises(NotRunning):
        Lab(a).explain(a, b)
    with pytest.raises(NotRunning, match="a is not running"):
        net.lab.explain(a, net.www)
