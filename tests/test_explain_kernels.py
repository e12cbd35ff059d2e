"""More that is broken in a network, and whether `explain` names it: on one engine.

As `test_explain`, for what kernels alone decide.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import office_vlans
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from tests.faulty import Net, assert_names, changed, gateway, rules, serving


@pytest.fixture(scope="module")
def net(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Net]:
    net = Net(namespaces_engine)
    with net.lab, ExitStack() as servers:
        keep_lab(net.lab.id)
        for node in (net.www, net.h1):
            servers.enter_context(serving(node))
        yield net


def test_a_name_that_means_another_machine(net: Net) -> None:
    before = net.w1.read("/etc/hosts")
    net.w1.write("/etc/hosts", f"{net.db.address} www.example.com\n{before}")
    try:
        found = net.explain(net.w1, net.www)
    finally:
        net.w1.write("/etc/hosts", before)
    assert_names(found, "w1", "wrong name", "db")


def test_a_host_that_does_not_answer_pings(net: Net) -> None:
    name = "net.ipv4.icmp_echo_ignore_all"
    with changed(net.www, f"sysctl -qw {name}=1", f"sysctl -qw {name}=0"):
        assert_names(
            net.explain(net.w1, net.www, protocol="icmp"), "www.example.com", "ping ignored"
        )


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


def test_an_answer_that_nobody_sent_would_not_have_come_back(net: Net) -> None:
    way = gateway(net.www)
    listen = "import socket; u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('', 7));"
    listen += "print('up', flush=True); u.recv(10); u.recv(10)"
    with net.www.start(["python3", "-c", listen]) as server:
        server.stdout.readline()
        with changed(net.www, "ip route del default", f"ip route add default via {way}"):
            found = net.explain(net.w1, net.www, port=7, protocol="udp")
    assert_names(found, "www.example.com", "no route back")


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


def test_a_gateway_that_is_a_host(net: Net) -> None:
    back = f"ip route replace default via {gateway(net.w1)}"
    with changed(net.w1, f"ip route replace default via {net.w2.address}", back):
        assert_names(net.explain(net.w1, net.www), "w1", "wrong gateway", "w2")


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


def test_a_packet_that_leaves_the_lab_is_followed_no_further(net: Net) -> None:
    """By an interface that is none of the lab's links, as that of an uplink."""
    out = "ip link add out0 type veth peer name out1 && ip link set out0 up && ip link set out1 up"
    out += " && ip route add 198.51.100.0/24 dev out0"
    out += " && ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev out0"
    with changed(net.r1, out, "ip link del out0"):
        found = net.explain(net.w1, "198.51.100.9")
    assert_names(found, "r1", "no answer", "left the lab at r1")
    assert any("leaves the lab by out0" in step.found for step in found.steps)


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
