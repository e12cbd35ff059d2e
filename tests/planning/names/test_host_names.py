"""Names and addresses that nodes know of each other, and what a DNS host serves."""

from __future__ import annotations

from playground.model.services.dns import DNS
from playground.model.services.mail import SMTP
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


def hosts(plan: Plan, node: str) -> list[str]:
    return [" ".join((str(e.address), *e.names)) for e in plan.node(node).hosts]


def records(plan: Plan) -> list[str]:
    return [f"{record.name} {record.type} {record.data}" for record in plan.records]


def nameservers(plan: Plan, node: str) -> list[str]:
    return [str(address) for address in plan.node(node).nameservers]


def test_a_line_holds_the_full_and_the_short_name() -> None:
    a, www = Host("a"), Host("www.example.com")
    Link(a, www)
    assert hosts(make_plan([a]), "a") == ["10.0.1.1 a", "10.0.1.2 www.example.com www"]


def test_lines_stand_in_the_order_declared_and_are_shared() -> None:
    nodes = [Host("c"), Host("a"), Host("b")]
    lan = Switch("lan")
    for node in nodes:
        Link(lan, node)
    plan = make_plan([lan])
    assert hosts(plan, "b") == ["10.0.1.1 c", "10.0.1.2 a", "10.0.1.3 b"]
    # A thousand hosts of a thousand lines each fit into memory only as one text.
    assert plan.node("a").hosts is plan.node("b").hosts


def test_who_stands_elsewhere_sees_a_router_elsewhere() -> None:
    core, hosts_of = Router("core"), {}
    for name in ("left", "right"):
        switch = Switch(name)
        Link(switch, core)
        hosts_of[name] = [Host(f"{name}{number}") for number in range(3)]
        for host in hosts_of[name]:
            Link(switch, host)
    plan = make_plan([core])
    for name, line in (("left", "10.0.1.1 core"), ("right", "10.0.2.1 core")):
        assert all(line in hosts(plan, host.name) for host in hosts_of[name])
        assert len({id(plan.node(host.name).hosts) for host in hosts_of[name]}) == 1


def test_a_neighbour_on_two_networks_is_known_by_the_first() -> None:
    first, second, a, b = Switch("first"), Switch("second"), Host("a"), Host("b")
    Link(second, b)
    Link(first, a)
    Link(second, a)
    Link(first, b)
    plan = make_plan([a])
    # Each by the first of its own links: a met b on `first`, b met a on `second`.
    assert hosts(plan, "a") == ["10.0.2.1 a", "10.0.2.2 b"]
    assert hosts(plan, "b") == ["10.0.1.2 a", "10.0.1.1 b"]


def test_a_neighbour_is_known_by_its_address_on_the_same_network() -> None:
    a, r1, r2, b = Host("a"), Router("r1"), Router("r2"), Host("b")
    Link(a, r1)
    Link(r1, r2)
    Link(r2, b)
    plan = make_plan([a])
    assert hosts(plan, "a") == ["10.0.1.2 a", "10.0.1.1 r1", "10.0.2.2 r2", "10.0.3.2 b"]
    assert hosts(plan, "b") == ["10.0.1.2 a", "10.0.1.1 r1", "10.0.3.1 r2", "10.0.3.2 b"]
    assert hosts(plan, "r2") == ["10.0.1.2 a", "10.0.2.1 r1", "10.0.2.2 r2", "10.0.3.2 b"]


def test_a_node_in_both_families_has_two_lines() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    assert hosts(make_plan([a], ipv6=True), "a") == [
        "10.0.1.1 a",
        "2001:db8:0:1::1 a",
        "10.0.1.2 b",
        "2001:db8:0:1::2 b",
    ]


def test_a_node_without_links_knows_itself() -> None:
    assert hosts(make_plan([Host("alone.example.com")]), "alone") == [
        "127.0.1.1 alone.example.com alone"
    ]


# -- NAT --------------------------------------------------------------------


def two_homes() -> tuple[Router, list[Host]]:
    isp = Router("isp")
    Link(isp, Host("www"))
    hosts = []
    for name in ("one", "two"):
        lan = Switch(f"lan-{name}", subnet="192.168.1.0/24")
        modem, pc = Router(name), Host(f"pc-{name}")
        Link(lan, modem)
        Link(lan, pc)
        modem.masquerade(Link(isp, modem))
        hosts.append(pc)
    return isp, hosts


def test_what_lies_behind_another_modem_has_no_name() -> None:
    isp, _ = two_homes()
    plan = make_plan([isp])
    assert hosts(plan, "pc-one") == [
        "10.0.1.1 isp",
        "10.0.1.2 www",
        "192.168.1.1 one",
        "192.168.1.2 pc-one",
        "10.0.3.2 two",
    ]
    assert hosts(plan, "www") == ["10.0.1.1 isp", "10.0.1.2 www", "10.0.2.2 one", "10.0.3.2 two"]
    assert hosts(plan, "one") == [
        "10.0.2.1 isp",
        "10.0.1.2 www",
        "192.168.1.1 one",
        "192.168.1.2 pc-one",
        "10.0.3.2 two",
    ]


def test_the_same_holds_in_ipv6() -> None:
    isp, _ = two_homes()
    plan = make_plan([isp], ipv6=True)
    assert not any("pc-" in line for line in hosts(plan, "www"))


# -- DNS --------------------------------------------------------------------


def site(dns: Host | Router) -> tuple[Router, Host]:
    """A home behind a modem, a provider, and a DNS host outside."""
    isp, modem, pc = Router("isp"), Router("modem"), Host("pc")
    Link(pc, modem)
    modem.masquerade(Link(modem, isp))
    Link(isp, dns)
    return isp, pc


def test_who_reaches_a_dns_host_asks_it() -> None:
    isp, _ = site(Host("ns", services=["dns"]))
    plan = make_plan([isp])
    assert nameservers(plan, "isp") == nameservers(plan, "pc") == ["10.0.3.2"]
    assert nameservers(plan, "ns") == ["10.0.3.2"]
    assert plan.node("pc").search == ()


def test_then_only_what_the_dns_host_cannot_know_is_written_down() -> None:
    isp, _ = site(Host("ns", services=["dns"]))
    plan = make_plan([isp])
    assert hosts(plan, "isp") == ["10.0.2.2 isp"]
    assert hosts(plan, "pc") == ["10.0.1.2 pc", "10.0.1.1 modem"]
    assert hosts(plan, "modem") == ["10.0.1.1 modem", "10.0.1.2 pc"]
    assert hosts(plan, "ns") == ["10.0.3.2 ns"]


def test_the_zone_holds_what_the_dns_host_reaches() -> None:
    isp, _ = site(Host("ns.example.com", services=["dns"]))
    assert records(make_plan([isp])) == [
        "ns.example.com A 10.0.3.2",
        "ns A 10.0.3.2",
        "isp A 10.0.3.1",
        "modem A 10.0.2.1",
    ]


def test_without_a_dns_host_there_is_no_zone_and_nobody_to_ask() -> None:
    isp, _ = site(Host("other"))
    plan = make_plan([isp])
    assert (plan.records, plan.node("pc").nameservers) == ((), ())


def test_a_dns_host_inside_is_not_asked_from_outside() -> None:
    isp, modem, ns, www = Router("isp"), Router("modem"), Host("ns", services=["dns"]), Host("www")
    Link(ns, modem)
    modem.masquerade(Link(modem, isp))
    Link(isp, www)
    plan = make_plan([isp])
    assert nameservers(plan, "www") == []
    assert hosts(plan, "www") == ["10.0.3.1 isp", "10.0.2.1 modem", "10.0.3.2 www"]
    assert nameservers(plan, "modem") == nameservers(plan, "ns") == ["10.0.1.2"]
    assert "www A 10.0.3.2" in records(plan)


def test_dns_hosts_of_two_realms_serve_what_each_of_them_sees() -> None:
    outer = Host("outer", services=["dns"])
    isp, pc = site(outer)
    inner = Host("inner", services=["dns"])
    modem = pc.links[0].peer(pc).node
    Link(modem, inner)
    plan = make_plan([isp])
    assert nameservers(plan, "pc") == ["10.0.4.2"]
    assert nameservers(plan, "isp") == ["10.0.3.2"]
    assert {r.name for r in plan.node("outer").records} == {"outer", "isp", "modem"}
    assert {r.name for r in plan.node("inner").records} >= {"outer", "isp", "modem", "pc", "inner"}
    assert plan.records == plan.node("outer").records


def test_two_dns_hosts_that_see_the_same_are_both_asked() -> None:
    lan = Switch("lan")
    for name in ("ns1", "ns2"):
        Link(lan, Host(name, services=["dns"]))
    Link(lan, Host("pc"))
    plan = make_plan([lan])
    assert nameservers(plan, "pc") == ["10.0.1.1", "10.0.1.2"]
    assert nameservers(plan, "ns2") == ["10.0.1.2", "10.0.1.1"]


def test_mail_hosts_have_mx_records() -> None:
    lan = Switch("lan")
    Link(lan, Host("ns", services=["dns"]))
    for name, service in (
        ("mail.example.com", "smtp"),
        ("mx.example.org", SMTP(domain="example.net")),
        ("post", "smtp"),
    ):
        Link(lan, Host(name, services=[service]))
    assert [line for line in records(make_plan([lan])) if " MX " in line] == [
        "example.com MX 10 mail.example.com",
        "example.net MX 10 mx.example.org",
        "post MX 10 post",
    ]


def test_records_set_by_hand_win() -> None:
    lan = Switch("lan")
    explicit = (
        ("example.com", "MX", "5 elsewhere.example.com"),
        ("www.example.com.", "a", "10.9.9.9"),
        ("alias.example.com", "CNAME", "www.example.com"),
    )
    Link(lan, Host("ns", services=[DNS(records=explicit)]))
    Link(lan, Host("mail.example.com", services=["smtp"]))
    Link(lan, Host("www.example.com"))
    assert records(make_plan([lan])) == [
        "ns A 10.0.1.1",
        "mail.example.com A 10.0.1.2",
        "mail A 10.0.1.2",
        "www A 10.0.1.3",
        "example.com MX 5 elsewhere.example.com",
        "www.example.com A 10.9.9.9",
        "alias.example.com CNAME www.example.com",
    ]


def test_ipv6_has_records_of_its_own() -> None:
    lan = Switch("lan", subnet="2001:db8:9::/64")
    Link(lan, Host("ns", services=["dns"]))
    plan = make_plan([lan])
    assert records(plan) == ["ns AAAA 2001:db8:9::1"]
    assert nameservers(plan, "ns") == ["2001:db8:9::1"]
