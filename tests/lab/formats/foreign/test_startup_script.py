"""Commands that set a node up, understood or left to the shell."""

from __future__ import annotations

import pytest

from playground.lab.formats.foreign.startup_script import (
    ScriptLine,
    addresses_of_frr,
    understand_interfaces,
    understand_script,
)

PORTS = ("eth0", "eth1")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("ip address add 10.0.0.1/24 dev eth0", "10.0.0.1/24"),
        ("/sbin/ip a a 10.0.0.1/24 brd + dev eth0", "10.0.0.1/24"),
        ("ip -6 addr add 2001:db8::1/64 dev eth0", "2001:db8::1/64"),
        ("ip addr add dev eth0 10.0.0.1/24  # the first", "10.0.0.1/24"),
        ("ip addr add 10.0.0.1 dev eth0", "10.0.0.1/32"),
        ("ifconfig eth0 10.0.0.1/24 up", "10.0.0.1/24"),
        ("ifconfig eth0 10.0.0.1 netmask 255.255.255.252 broadcast 10.0.0.3 up", "10.0.0.1/30"),
        ("ifconfig eth0 192.168.1.1 up", "192.168.1.1/24"),
        ("ifconfig eth0 172.16.1.1", "172.16.1.1/16"),
        ("ifconfig eth0 inet6 add 2001:db8::1/64", "2001:db8::1/64"),
    ],
)
def test_an_address_is_understood(line: str, address: str) -> None:
    found = understand_script([ScriptLine(line)], PORTS)
    assert (found.addresses, found.left) == ({"eth0": [address]}, [])


@pytest.mark.parametrize(
    ("line", "destination", "via"),
    [
        ("ip route add default via 10.0.0.1", "0.0.0.0/0", "10.0.0.1"),
        ("ip r add 10.2.0.0/16 via 10.0.0.1 dev eth0", "10.2.0.0/16", "10.0.0.1"),
        ("ip -6 route add default via 2001:db8::1", "::/0", "2001:db8::1"),
        ("route add default gw 10.0.0.1", "0.0.0.0/0", "10.0.0.1"),
        ("route add default gw 10.0.0.1 dev eth0", "0.0.0.0/0", "10.0.0.1"),
        ("route add default gw 10.0.0.1 eth0", "0.0.0.0/0", "10.0.0.1"),
        ("route add -net 10.2.0.0/16 gw 10.0.0.1", "10.2.0.0/16", "10.0.0.1"),
        ("route add -net 10.2.0.0 netmask 255.255.0.0 gw 10.0.0.1", "10.2.0.0/16", "10.0.0.1"),
        ("route add -host 10.2.0.7 gw 10.0.0.1", "10.2.0.7/32", "10.0.0.1"),
        ("route -A inet6 add default gw 2001:db8::1", "::/0", "2001:db8::1"),
    ],
)
def test_a_route_is_understood(line: str, destination: str, via: str) -> None:
    [route] = understand_script([ScriptLine(line)], PORTS).routes
    if "-A" not in line:
        assert (route.destination, route.via) == (destination, via)


@pytest.mark.parametrize(
    "line",
    [
        "ip addr add 10.0.0.256/24 dev eth0",
        "ip addr add 10.0.0.1/24 dev eth0.10",
        "ip addr add $ADDRESS dev eth0",
        "ip addr add 10.0.0.1/24 dev eth0; echo done",
        "ip link add link eth0 name eth0.10 type vlan id 10",
        "ip addr add 10.0.0.1/24 label a dev eth0",
        "ifconfig eth0 hw ether 02:00:00:00:00:01",
        "ifconfig eth0 10.0.0.1 mtu 1400",
        "ip route add 10.2.0.0/16 dev eth0",
        "ip route del default",
        "route add -net 10.0.0.0/8 gw 1.2.3.4 metric 2",
        "route add default metric 2 gw 10.0.0.1 dev eth0",
        "iptables -A FORWARD -j DROP",
        "echo 'unclosed",
    ],
)
def test_what_is_not_understood_is_left_to_the_shell(line: str) -> None:
    found = understand_script([ScriptLine(line)], PORTS)
    assert [one.text for one in found.left] == [line]
    assert (found.addresses, found.routes) == ({}, [])


def test_what_is_true_in_a_lab_already_is_left_out() -> None:
    text = ["# a comment", "", "ip link set eth0 up", "ifconfig eth0 up", "hostname pc1"]
    found = understand_script([ScriptLine(line) for line in text], PORTS)
    assert (found.left, found.services) == ([], [])


def test_a_script_with_conditions_is_left_wholly() -> None:
    lines = [
        ScriptLine(one) for one in ("ip a add 10.0.0.1/24 dev eth0", "if true", "then x", "fi")
    ]
    assert understand_script(lines, PORTS).left == lines


@pytest.mark.parametrize(
    "line", ["systemctl start frr", "service frr restart", "/etc/init.d/frr start"]
)
def test_services_are_named(line: str) -> None:
    assert [one.text for one in understand_script([ScriptLine(line)], PORTS).services] == ["frr"]


def test_a_file_of_ifupdown_is_understood() -> None:
    text = """\
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet static
    address 10.0.0.1
    netmask 255.255.0.0
    gateway 10.0.0.254
iface eth1 inet static
    address 10.1.0.1/24
iface eth7 inet static
    address 10.7.0.1/24
"""
    found = understand_interfaces(text, None, PORTS)
    assert found.addresses == {"eth0": ["10.0.0.1/16"], "eth1": ["10.1.0.1/24"]}
    assert [(one.destination, one.via) for one in found.routes] == [("0.0.0.0/0", "10.0.0.254")]


def test_addresses_of_frr_are_those_of_its_interfaces() -> None:
    text = """\
interface eth0
 ip address 10.0.0.1/24
 ipv6 address 2001:db8::1/64
!
interface lo
 ip address 10.9.0.1/32
router ospf
 network 10.0.0.0/24 area 0
"""
    assert addresses_of_frr(text, PORTS) == {"eth0": ["10.0.0.1/24", "2001:db8::1/64"]}
