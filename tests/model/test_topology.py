"""Declarations: what they hold, how they read, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from playground.errors import TopologyError
from playground.model.containers.limits import NO_LIMITS, Limits
from playground.model.containers.own_service import Service
from playground.model.services.ftp import FTP
from playground.model.services.http import HTTP
from playground.model.topology import End
from playground.operations.network import Host, Link, Machine, Node, Router, Switch


class Bench:
    """A few nodes and links to try things on."""

    def __init__(self) -> None:
        self.home = Switch("home", subnet="192.168.1.0/24")
        self.plain = Switch("plain")
        self.h1 = Host("h1")
        self.h2 = Host("h2")
        self.modem = Router("modem")
        self.isp = Router("isp")
        self.inner = Link(self.home, self.modem, address="192.168.1.1", names=(None, "lan0"))
        self.uplink = Link(self.modem, self.isp)

    def links(self) -> list[list[Link]]:
        return [
            list(n.links) for n in (self.home, self.plain, self.h1, self.h2, self.modem, self.isp)
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- what they hold ---------------------------------------------------------


def test_a_name_with_dots_gives_a_short_name() -> None:
    www = Host("www.example.com")
    assert (www.name, www.short) == ("www.example.com", "www")
    assert Host("h1").short == "h1"


def test_services_are_settings_once_declared() -> None:
    www = Host("www", services=["http", FTP(files={"a": "b"})])
    assert [item.service for item in www.declared_services] == ["http", "ftp"]
    assert www.declared_services[0] == HTTP()


@pytest.mark.parametrize("kind", [Host, Router])
def test_limits_are_said_with_the_machine(kind: type[Machine]) -> None:
    machine = kind("m", ["http"], memory_mb=64, cpus=0.5, processes=100)
    assert machine.limits == Limits(64, 0.5, 100)
    assert repr(machine).endswith("('m', services=['http'], memory_mb=64, cpus=0.5, processes=100)")
    assert kind("m").limits == NO_LIMITS


def test_declarations_are_equal_only_to_themselves() -> None:
    assert Host("h1") != Host("h1")
    a, b = Host("a"), Host("b")
    assert Link(a, b) != Link(a, b)
    assert len({a, b, a}) == 2


def test_a_link_is_known_to_both_its_nodes(bench: Bench) -> None:
    link = Link(bench.h1, bench.h2)
    assert bench.h1.links == [link] and bench.h2.links == [link]
    assert link.end(bench.h1).node is bench.h1
    assert link.peer(bench.h1).node is bench.h2
    with pytest.raises(KeyError):
        link.end(bench.isp)


def test_two_links_may_join_the_same_nodes(bench: Bench) -> None:
    first, second = Link(bench.h1, bench.h2), Link(bench.h1, bench.h2)
    assert bench.h1.links == [first, second]


def test_addresses_are_parsed_and_kept_as_given(bench: Bench) -> None:
    link = Link(
        bench.isp, bench.h1, addresses=("10.25.1.1/32", ["10.25.1.65/16", "2001:db8::1/64"])
    )
    assert link.ends[0].addresses == (ip_interface("10.25.1.1/32"),)
    assert link.ends[1].addresses == (
        ip_interface("10.25.1.65/16"),
        ip_interface("2001:db8::1/64"),
    )
    assert Link(bench.home, bench.h2, address="192.168.1.9").ends[1].addresses == (
        ip_address("192.168.1.9"),
    )


def test_the_same_point_to_point_address_may_be_on_several_links(bench: Bench) -> None:
    for number, host in enumerate((bench.h1, bench.h2)):
        Link(bench.isp, host, addresses=("10.1.1.1/32", f"10.2.2.{number}/32"))
    assert [link.end(bench.isp).addresses for link in bench.isp.links[1:]] == [
        (ip_interface("10.1.1.1/32"),)
    ] * 2


def test_address_objects_do_as_well_as_strings(bench: Bench) -> None:
    switch = Switch("s", subnet=ip_network("10.5.0.0/24"))
    link = Link(switch, bench.h1, address=ip_address("10.5.0.7"))
    assert link.ends[1].addresses == (ip_address("10.5.0.7"),)
    Link(bench.h1, bench.h2, addresses=(ip_interface("10.6.0.1/24"), None))


@pytest.mark.parametrize(
    ("written", "kept"),
    [("02:AB:00:00:00:01", "02:ab:00:00:00:01"), ("02-ab-00-00-00-01", "02:ab:00:00:00:01")],
    ids=["capitals", "hyphens"],
)
def test_macs_are_written_one_way(bench: Bench, written: str, kept: str) -> None:
    assert Link(bench.h1, bench.h2, macs=(written, None)).ends[0].mac == kept


def test_nat_is_kept_in_the_order_declared(bench: Bench) -> None:
    Link(bench.home, bench.h1)
    bench.modem.masquerade(bench.uplink)
    bench.modem.forward(bench.uplink, port=8080, to=(bench.h1, 80))
    bench.modem.forward(bench.uplink, port=53, to=bench.h1, protocol="udp")
    assert bench.modem.uplinks == (bench.uplink,)
    assert [(f.port, f.host, f.to_port, f.protocol) for f in bench.modem.forwards] == [
        (8080, bench.h1, 80, "tcp"),
        (53, bench.h1, 53, "udp"),
    ]


def test_saying_nat_twice_is_saying_it_once(bench: Bench) -> None:
    for _ in range(2):
        bench.modem.masquerade(bench.uplink)
        bench.modem.forward(bench.uplink, port=8080, to=(bench.h1, 80))
    assert len(bench.modem.nat) == 2


def test_kinds(bench: Bench) -> None:
    assert isinstance(bench.h1, Machine) and isinstance(bench.isp, Machine)
    assert not isinstance(bench.home, Machine)
    assert all(isinstance(node, Node) for node in (bench.h1, bench.isp, bench.home))


# -- how they read ----------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda b: b.h1, "Host('h1')"),
        (
            lambda b: Host("www.example.com", services=["http", FTP(files={})]),
            "Host('www.example.com', services=['http', 'ftp'])",
        ),
        (lambda b: Router("r", routing=None), "Router('r', routing=None)"),
        (lambda b: Router("r", services=["dns"]), "Router('r', services=['dns'])"),
        (lambda b: b.plain, "Switch('plain')"),
        (lambda b: b.home, "Switch('home', subnet='192.168.1.0/24')"),
        (
            lambda b: Switch("s", subnet=["10.1.0.0/24", "2001:db8:1::/64"]),
            "Switch('s', subnet=['10.1.0.0/24', '2001:db8:1::/64'])",
        ),
        (lambda b: b.uplink, "Link(modem, isp)"),
        (
            lambda b: b.inner,
            "Link(home, modem, address='192.168.1.1', names=(None, 'lan0'))",
        ),
        (
            lambda b: Link(b.h1, b.h2, subnet="203.0.113.0/24", mtu=1400, offload=True),
            "Link(h1, h2, subnet='203.0.113.0/24', mtu=1400, offload=True)",
        ),
        (
            lambda b: Link(
                b.isp,
                b.h1,
                addresses=("10.25.1.1/32", "10.25.1.65/16"),
                names=("eth1", "eth0"),
                macs=(None, "02:00:00:00:00:01"),
            ),
            "Link(isp, h1, addresses=('10.25.1.1/32', '10.25.1.65/16'), names=('eth1', 'eth0'), "
            "macs=(None, '02:00:00:00:00:01'))",
        ),
        (lambda b: b.inner.end(b.modem), "End(modem, 'lan0', ['192.168.1.1'])"),
        (lambda b: b.uplink.end(b.isp), "End(isp)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_repr(bench: Bench, build: Callable[[Bench], object], text: str) -> None:
    assert repr(build(bench)) == text


# -- what they refuse -------------------------------------------------------

Build = Callable[[Bench], object]


def refused(build: Build, bench: Bench) -> str:
    before = bench.links()
    with pytest.raises(TopologyError) as caught:
        build(bench)
    assert bench.links() == before, "a refused link must leave nothing behind"
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "h_1",
        "-h",
        "h-",
        "h 1",
        "h1.",
        ".h1",
        "a..b",
        "h" * 64,
        ".".join(["h" * 60] * 5),
        "10",
        "10.0.0.1",
        "0x10",
        "hôte",
        "localhost",
    ],
)
@pytest.mark.parametrize("kind", [Host, Router, Switch])
def test_a_name_that_is_no_host_name(kind: type[Node], name: str) -> None:
    with pytest.raises(TopologyError, match=r"no host name \(RFC 1123\)"):
        kind(name)


@pytest.mark.parametrize("name", ["h1", "1h", "a-b", "www.example.com", "h" * 63, "X1"])
def test_a_name_that_is_a_host_name(name: str) -> None:
    assert Host(name).name == name


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda b: Host(7),
            'a host\'s name is a string, not an int: hosts need a name such as "h1"',
        ),
        (
            lambda b: Host("x", services=["htp"]),
            "x: there is no service 'htp': did you mean 'http'?",
        ),
        (
            lambda b: Host("x", services="http"),
            'x: services is a list, such as services=["http"], not a str',
        ),
        (lambda b: Host("x", services=["http", HTTP()]), "x: service 'http' is listed twice"),
        (
            lambda b: Host("x", services=["http", Service("api", "serve", port=80)]),
            "'http' and 'api' both listen on tcp port 80; give 'api' another port",
        ),
        (
            lambda b: Host("x", services=[Service(name, "serve", port=53) for name in "ab"]),
            "'a' and 'b' both listen on tcp port 53; give 'b' another port",
        ),
        (
            lambda b: Router("r", routing="eigrp"),
            "router r: routing='eigrp' is not known; use routing=\"static\"",
        ),
        (lambda b: Router("r", memory_mb=1), "r: memory_mb=1 is no whole number of megabytes"),
    ],
    ids=[
        *("number for a name", "unknown service", "service no list", "twice", "port of ours"),
        *("port twice", "routing", "limit"),
    ],
)
def test_bad_nodes(bench: Bench, build: Build, sentence: str) -> None:
    assert sentence in refused(build, bench)


@pytest.mark.parametrize(
    ("subnet", "sentence"),
    [
        (
            "192.168.1.1/24",
            "switch s: '192.168.1.1/24' is an address in a subnet, not a subnet; "
            'did you mean "192.168.1.0/24"?',
        ),
        ("192.168.1.0", "does not say how long its prefix is"),
        ("home", "does not say how long its prefix is"),
        ("300.1.1.0/24", "'300.1.1.0/24' is no subnet"),
        ("10.0.0.0/33", "is no subnet"),
        ("127.0.0.0/8", "a loopback address"),
        ("224.0.1.0/24", "a multicast address"),
        ("0.0.0.0/0", "'this network'"),
        ("fe80::/64", "a link-local address"),
        ("10.0.0.1/32", "holds one address only"),
        (["10.1.0.0/24", "10.2.0.0/24"], "two IPv4 subnets, 10.1.0.0/24 and 10.2.0.0/24"),
        (7, 'a subnet is written as a string, such as "10.0.5.0/24", not an int'),
    ],
    ids=str,
)
def test_bad_subnets(bench: Bench, subnet: object, sentence: str) -> None:
    assert sentence in refused(lambda b: Switch("s", subnet=subnet), bench)
    assert "link h1 - h2" in refused(lambda b: Link(b.h1, b.h2, subnet=subnet), bench)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda b: Link(b.h1, b.h1),
            "link h1 - h1: both ends are the same node; link it to another one",
        ),
        (
            lambda b: Link(b.h1, "h2"),
            "a Link joins two nodes, and 'h2' is a str; give it a Host, a Router or a Switch",
        ),
        (lambda b: Link(b.h1, None), "a Link joins two nodes, and None is None"),
        (
            lambda b: Link(b.h1, b.h2, names="eth1"),
            "names is a pair, the first for h1 and the second for h2, with None where there is "
            "nothing to say; not 'eth1'",
        ),
        (lambda b: Link(b.h1, b.h2, addresses=["10.0.0.1/24"]), "addresses is a pair"),
        (
            lambda b: Link(b.h1, b.h2, mtu=20),
            "link h1 - h2: mtu=20 is not a number of bytes between 68 and 65535",
        ),
        (lambda b: Link(b.h1, b.h2, mtu="1500"), "mtu='1500' is not a number"),
        (lambda b: Link(b.h1, b.h2, mtu=True), "mtu=True is not a number"),
        (lambda b: Link(b.h1, b.h2, offload=1), "offload=1 is neither True nor False"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_links(bench: Bench, build: Build, sentence: str) -> None:
    assert sentence in refused(build, bench)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda b: Link(b.home, b.h1, subnet="10.1.0.0/24"),
            "the subnet belongs to the switch; write Switch('home', subnet='10.1.0.0/24')",
        ),
        (
            lambda b: Link(b.home, b.h1, addresses=(None, "192.168.1.5")),
            "a switch has no address; write address= for h1 alone",
        ),
        (
            lambda b: Link(b.home, b.plain, address="192.168.1.5"),
            "a switch has no address; leave address= out",
        ),
        (
            lambda b: Link(b.home, b.h1, names=("port1", "eth0")),
            "names gives 'port1' to the switch home, whose ports the lab names by itself",
        ),
        (
            lambda b: Link(b.h1, b.home, macs=(None, "02:00:00:00:00:01")),
            "macs gives '02:00:00:00:00:01' to the switch home",
        ),
        (
            lambda b: Link(b.h1, b.h2, address="10.0.0.1/24"),
            "address= is for a link to a switch; between two nodes write addresses=",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_switch_does_not_have(bench: Bench, build: Build, sentence: str) -> None:
    assert sentence in refused(build, bench)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("interface0123456", "has 16 characters, and Linux allows 15; shorten it"),
        ("eth/0", "cannot be used"),
        ("eth 0", "cannot be used"),
        ("eth\t0", "cannot be used"),
        ("eth0:1", "cannot be used"),
        (".", "cannot be used"),
        ("..", "cannot be used"),
        ("", "cannot be used"),
        ("eth*", "cannot be used"),
        ("lo", "has a meaning of its own in Linux"),
        ("all", "has a meaning of its own in Linux"),
        ("queue2", "is one that a lab gives to what delays frames and queues them"),
        ("relay2", "is one that a lab gives to what delays frames and queues them"),
        ("relay2x", "is one that a lab gives to what delays frames and queues them"),
        ("lan0", "is used twice: Link(home, modem, address='192.168.1.1', names=(None, 'lan0'))"),
        (3, "is an int; write a string"),
    ],
    ids=repr,
)
def test_bad_interface_names(bench: Bench, name: object, sentence: str) -> None:
    message = refused(lambda b: Link(b.modem, b.h1, names=(name, None)), bench)
    assert message.startswith(f"modem: interface name {name!r}")
    assert sentence in message


def test_an_interface_name_of_15_characters(bench: Bench) -> None:
    assert Link(bench.h1, bench.h2, names=("interface012345", None)).ends[0].name


@pytest.mark.parametrize(
    ("mac", "sentence"),
    [
        ("03:00:00:00:00:01", "is a multicast address, because its first pair is odd"),
        ("ff:ff:ff:ff:ff:ff", "is a multicast address"),
        ("00:00:00:00:00:00", "means none"),
        ("02:00:00:00:00", "write six pairs"),
        ("02:00:00:00:00:0g", "write six pairs"),
        (2, "write six pairs"),
    ],
    ids=str,
)
def test_bad_macs(bench: Bench, mac: object, sentence: str) -> None:
    message = refused(lambda b: Link(b.h1, b.h2, macs=(None, mac)), bench)
    assert message.startswith("h2: MAC address") and sentence in message


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("192.168.2.5", "192.168.2.5 lies outside its subnet 192.168.1.0/24"),
        ("192.168.1.0", "192.168.1.0 is the name of the network 192.168.1.0/24 itself"),
        ("192.168.1.255", "192.168.1.255 is the broadcast address of 192.168.1.0/24"),
        ("192.168.1.5/32", "makes a point-to-point link, which a switch is not"),
        ("2001:db8::5", "is IPv6, and switch home has only the subnet 192.168.1.0/24"),
        (["192.168.1.5", "192.168.1.5"], "address 192.168.1.5 is given twice"),
        ("192.168.1.500", "'192.168.1.500' is no address"),
        ("h2", "'h2' is no address"),
        ("", "'' is no address"),
        ("224.0.0.5", "a multicast address"),
        ("127.0.0.1", "a loopback address"),
        ("255.255.255.255", "the broadcast address of every network"),
        ("fe80::1", "a link-local address"),
        ("2001:db8::1%eth0", "names a zone"),
        (5, "an address is written as a string"),
    ],
    ids=str,
)
def test_bad_addresses_at_a_switch(bench: Bench, address: object, sentence: str) -> None:
    message = refused(lambda b: Link(b.home, b.h1, address=address), bench)
    assert message.startswith("link home - h1, for h1: ") and sentence in message


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"addresses": ("10.0.0.1", None)}, 'write "10.0.0.1/24", or give the link a subnet='),
        ({"addresses": ("10.0.0.0/24", None)}, "is the name of the network"),
        ({"addresses": ("", "")}, "'' is no address"),
        ({"addresses": []}, "with None for none, 'auto' to choose; not []"),
        ({"subnet": []}, "[] holds no subnet; write one, or leave it out"),
        ({"address": None}, "between two nodes write addresses=(None, None)"),
        ({"addresses": ("10.0.0.255/24", None)}, "is the broadcast address"),
        (
            {"addresses": ("10.0.0.1/32", None)},
            "the IPv4 addresses make it point-to-point, so h2 needs one too",
        ),
        (
            {"addresses": ("10.0.0.1/32", "2001:db8::1/128")},
            "the IPv4 addresses make it point-to-point, so h2 needs one too",
        ),
        (
            {"subnet": "10.0.0.0/24", "addresses": ("10.0.0.1/32", "10.0.0.2/32")},
            "address 10.0.0.1/32 is point-to-point, yet the link has the subnet 10.0.0.0/24",
        ),
        (
            {"subnet": "10.0.0.0/24", "addresses": ("10.0.5.1", None)},
            "lies outside its subnet 10.0.0.0/24",
        ),
        (
            {"subnet": "10.0.0.0/24", "addresses": ("2001:db8::1", None)},
            "is IPv6, and the link has only the subnet 10.0.0.0/24",
        ),
        ({"addresses": (["10.0.0.1/24", "10.0.0.1/24"], None)}, "is given twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_addresses_between_nodes(
    bench: Bench, arguments: dict[str, object], sentence: str
) -> None:
    message = refused(lambda b: Link(b.h1, b.h2, **arguments), bench)
    assert message.startswith("link h1 - h2") and sentence in message


def test_both_addresses_of_a_slash_31_are_usable(bench: Bench) -> None:
    link = Link(bench.h1, bench.h2, addresses=("10.0.0.0/31", "10.0.0.1/31"))
    assert [str(end.addresses[0]) for end in link.ends] == ["10.0.0.0/31", "10.0.0.1/31"]


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda b: b.isp.masquerade(b.inner),
            "router isp cannot masquerade through Link(home, modem",
        ),
        (
            lambda b: b.modem.masquerade(b.isp),
            "masquerade() takes a Link, not the router isp; keep the link: uplink = Link(modem",
        ),
        (
            lambda b: b.isp.forward(b.inner, port=80, to=b.h1),
            "router isp cannot forward through Link(home, modem",
        ),
        (
            lambda b: b.modem.forward(b.uplink, port=0, to=b.h1),
            "router modem: port is 0, which is no number between 1 and 65535",
        ),
        (lambda b: b.modem.forward(b.uplink, port=70000, to=b.h1), "port is 70000"),
        (lambda b: b.modem.forward(b.uplink, port="80", to=b.h1), "port is '80'"),
        (
            lambda b: b.modem.forward(b.uplink, port=80, to=(b.h1, 0)),
            "the port in to= is 0",
        ),
        (
            lambda b: b.modem.forward(b.uplink, port=80, to=("h1", 80)),
            "to=('h1', 80) is no host and port; write to=(h1, 80) with the Host itself",
        ),
        (lambda b: b.modem.forward(b.uplink, port=80, to=b.home), "is no host and port"),
        (
            lambda b: b.modem.forward(b.uplink, port=80, to=b.h1, protocol="icmp"),
            'protocol=\'icmp\' cannot be forwarded; use "tcp" or "udp"',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_nat(bench: Bench, build: Build, sentence: str) -> None:
    assert sentence in refused(build, bench)
    assert bench.modem.nat == [] and bench.isp.nat == []


def test_a_port_forwarded_twice(bench: Bench) -> None:
    bench.modem.forward(bench.uplink, port=80, to=bench.h1)
    bench.modem.forward(bench.uplink, port=80, to=bench.h1, protocol="udp")
    assert "tcp port 80 is forwarded to h1 already; choose another port" in refused(
        lambda b: b.modem.forward(b.uplink, port=80, to=b.h2), bench
    )


def test_an_end_is_plain_data(bench: Bench) -> None:
    end = End(bench.h1)
    assert (end.name, end.addresses, end.mac) == (None, (), None)


@pytest.mark.parametrize("kind", [Host, Router, Switch])
def test_a_node_keeps_its_name(kind: type[Node]) -> None:
    node = kind("old")
    with pytest.raises(
        TopologyError, match=rf"old keeps the name.*declare .*{kind.__name__}\('new'\)"
    ):
        node.name = "new"
    assert node.name == "old"
