"""The tree of zones: what each has of the lab's names, and what cannot be one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.services.dns import DNS
from playground.model.services.dns_records import SOA, question
from playground.model.services.http import HTTP
from playground.model.services.mail import SMTP
from playground.model.services.resolver import Resolver
from playground.model.services.settings import Probe
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.names.zone_texts import (
    root_hints,
    serial_probe,
    trust_anchors,
    zone_text,
)
from playground.planning.plan import Plan
from playground.planning.plan_parts import ZonePlan
from playground.planning.planner import make_plan

ROOT = Host("a.root-servers.net", services=[DNS(zone=".")])


def plan(*hosts: Host, previous: Plan | None = None) -> Plan:
    lan = Switch("lan", subnet="10.0.0.0/24")
    for host in hosts:
        Link(lan, host)
    return make_plan([lan], previous=previous)


def server(name: str, *zones: str, **settings: Any) -> Host:
    return Host(name, services=[DNS(zone=list(zones), **settings)])


def zone(plan: Plan, name: str) -> ZonePlan:
    return next(zone for zone in plan.zones if zone.name == name)


def lines(plan: Plan, name: str, *kinds: str) -> list[str]:
    return [
        f"{record.name} {record.type} {record.data}"
        for record in zone(plan, name).records
        if record.type in (kinds or ("A", "AAAA", "NS", "CNAME", "TXT", "MX"))
    ]


def test_each_name_lies_in_its_deepest_zone() -> None:
    found = plan(
        server("a.root", "."),
        server("nic.com", "com."),
        server("ns.example.com", "example.com."),
        Host("www.example.com"),
        Host("h1"),
    )
    assert [item.name for item in found.zones] == [".", "com.", "example.com."]
    assert lines(found, "example.com.") == [
        "ns.example.com A 10.0.0.3",
        "www.example.com A 10.0.0.4",
    ]
    assert lines(found, "com.") == [
        "nic.com A 10.0.0.2",
        "example.com NS ns.example.com",
        "ns.example.com A 10.0.0.3",  # glue: its name lies in the zone that it serves
    ]
    assert lines(found, ".") == [
        "a.root A 10.0.0.1",
        "h1 A 10.0.0.5",
        "com NS nic.com",
        "nic.com A 10.0.0.2",
    ]
    assert "4.0.0.10.in-addr.arpa PTR www.example.com" in lines(found, ".", "PTR")


def test_names_of_addresses_may_have_a_zone_of_their_own() -> None:
    found = plan(server("ns", "."), server("reverse", "0.0.10.in-addr.arpa"), Host("h1"))
    assert "3.0.0.10.in-addr.arpa PTR h1" in lines(found, "0.0.10.in-addr.arpa.", "PTR")
    assert lines(found, ".", "PTR") == []


def test_a_server_elsewhere_needs_no_glue() -> None:
    found = plan(server("ns.host.net", ".", "example.com."))
    assert lines(found, ".", "NS", "A") == [
        "ns.host.net A 10.0.0.1",
        "example.com NS ns.host.net",
    ]


def test_what_is_said_stands_in_place_of_what_the_lab_would_write() -> None:
    records = [
        ("com", "NS", "lame.test"),
        ("h1", "CNAME", "h2.test"),
        ("lame.test", "A", "10.9.9.9"),
    ]
    found = plan(server("a", ".", records=records), server("b", "com."), Host("h1"))
    assert lines(found, ".") == [
        "a A 10.0.0.1",
        "b A 10.0.0.2",
        "com NS lame.test",
        "h1 CNAME h2.test",
        "lame.test A 10.9.9.9",
    ]


def test_several_hosts_share_one_server_name() -> None:
    records = [("ns.example.com", "A", "192.0.2.53")]
    sites = [
        server(f"site{n}", "example.com.", server="ns.example.com", records=records) for n in (1, 2)
    ]
    found = plan(server("root", "."), *sites)
    assert zone(found, "example.com.").servers == ("ns.example.com",)
    assert zone(found, "example.com.").primaries == ("site1", "site2")
    assert "ns.example.com A 192.0.2.53" in lines(found, ".")


def test_mail_of_a_zone_has_its_exchanger() -> None:
    mail = Host("mail.example.com", services=[SMTP()])
    found = plan(server("root", "."), server("ns.example.com", "example.com"), mail)
    assert lines(found, "example.com.", "MX") == ["example.com MX 10 mail.example.com"]


def test_the_serial_grows_with_the_zone() -> None:
    lan = Switch("lan")
    Link(lan, server("root", "."))
    Link(lan, server("ns.com", "com."))
    first = make_plan([lan])
    assert [item.serial for item in first.zones] == [1, 1]
    assert make_plan([lan], previous=first).zones == first.zones
    Link(lan, Host("h1"))
    grown = make_plan([lan], previous=first)
    assert [(item.name, item.serial) for item in grown.zones] == [(".", 2), ("com.", 1)]


def test_hosts_ask_a_resolver_and_keep_what_no_zone_has() -> None:
    resolver, inner, outer = Host("r", services=[Resolver()]), Host("inner"), Host("w.example.com")
    modem, lan, home = Router("modem"), Switch("lan"), Switch("home")
    for host in (resolver, outer, server("root", ".")):
        Link(lan, host)
    modem.masquerade(Link(lan, modem))
    Link(home, modem)
    other = Host("other")
    Link(home, inner)
    Link(home, other)
    found = make_plan([lan])
    names = {name for entry in found.node("inner").hosts for name in entry.names}
    # The root server sees nothing of the home, and no tree has short names.
    assert names == {"inner", "other", "w"} | {"modem"}
    assert found.node("inner").nameservers == found.node("r").nameservers


def test_a_zone_file_is_made_of_it() -> None:
    found = plan(
        server("root", ".", dnssec=True),
        server(
            "ns.com",
            "com.",
            dnssec=True,
            records=[("com", "TXT", "a b"), ("*.com", "A", "1.2.3.4")],
        ),
    )
    assert zone_text(zone(found, "com."), {}).splitlines()[2:] == [
        "$TTL 3600",
        "com.\tSOA\tns.com. hostmaster.com. 1 60 5 86400 60",
        "com.\tNS\tns.com.",
        "ns.com\tA\t10.0.0.2",
        'com\tTXT\t"a b"',
        "*.com\tA\t1.2.3.4",
    ]
    assert zone_text(zone(found, "."), {"com.": ["1 13 2 ab"]}).splitlines()[-1] == (
        "com.\tDS\t1 13 2 ab"
    )
    assert root_hints(found) == (".\tNS\troot", "root\tA\t10.0.0.1")
    assert trust_anchors(found, lambda name: ({}, [f"of {name}"])) == (".\tDS\tof .",)


def test_a_secondary_is_ready_once_it_has_the_serial_of_the_plan() -> None:
    found = plan(server("root", "."), Host("other", services=[DNS(secondary=".")]))
    probe = serial_probe(found, Probe(53, "udp", send=question(".", SOA), expect="^pg"))
    # RFC 1035 section 3.3.13: serial, refresh, retry ...
    fresh, stale = (b"pg..." + bytes((0, 0, 0, n, 0, 0, 0, 60)) for n in (1, 0))
    assert re.search(probe.expect, fresh.decode("latin-1"), re.S)
    assert not re.search(probe.expect, stale.decode("latin-1"), re.S)
    other = Probe(53, "udp", send=question("com.", SOA))
    assert serial_probe(found, other) == other


def test_a_signed_zone_under_unsigned_ones_is_an_island() -> None:
    found = plan(server("root", "."), server("ns.com", "com.", dnssec=True))
    assert zone(found, ".").signed_below == ()
    assert trust_anchors(found, lambda name: ({}, ["1 13 2 ab"])) == ("com.\tDS\t1 13 2 ab",)


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ([Host("r", services=[Resolver()])], 'give one DNS(zone=".")'),
        ([Host("s", services=[DNS(secondary="com.")])], "the lab has none: give some host DNS"),
        ([server("ns.example.com", "com.")], None),
        ([server("ns.example.org", "com.")], "lies in no zone of the lab"),
        (
            [server("a", ".", server="x.test")],
            "is served by x.test, a name without an address",
        ),
        (
            [server("a", ".", records=[("www.com", "TXT", "x")]), server("b", "com.")],
            "lies in com., a zone of its own",
        ),
    ],
    ids=["no root", "no primary", "no tree", "outside", "no address", "hidden"],
)
def test_what_cannot_be_is_refused(hosts: list[Host], sentence: str | None) -> None:
    if sentence is None:
        assert plan(*hosts).zones
        return
    with pytest.raises(TopologyError) as refused:
        plan(*hosts)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"zone": "exa mple"}, "is no zone; write for example"),
        ({"zone": []}, "is empty"),
        ({"zone": "com.", "records": [("example.org", "A", "1.2.3.4")]}, "none of this server's"),
        ({"zone": "com.", "records": [("a.com", "SOA", "x")]}, "no type that a zone may hold"),
        ({"zone": "com.", "records": [("a.com", "LOC", "(")]}, "one line of a zone file"),
        ({"zone": "com.", "records": [("a.com", "A", "1.2.3")]}, "must be an IPv4 address"),
        ({"zone": "com.", "secondary": "com."}, "a server is one or the other"),
        ({"secondary": "com.", "dnssec": True}, "signs the zones of a primary"),
        ({"dnssec": True}, 'DNS(zone="example.com.")'),
        ({"zone": "com.", "ttl_s": -1}, "no whole number of seconds"),
        ({"zone": "com.", "dnssec": "yes"}, "neither True nor False"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TopologyError) as refused:
        DNS(**settings)
    assert sentence in str(refused.value)


def test_any_type_of_record_may_stand_in_a_zone() -> None:
    records = [
        ("www.com", "HTTPS", "1 . alpn=h2"),
        ("com", "type65280", r"\# 2 abcd"),
        ("*.com", "SSHFP", "1 1 aabb"),
        ("com", "CAA", '0 issue "ca.test"'),
    ]
    kinds = [kind for _, kind, _ in DNS(zone="com.", records=records).records]
    assert kinds == ["HTTPS", "TYPE65280", "SSHFP", "CAA"]


def test_port_53_has_one_server() -> None:
    with pytest.raises(TopologyError, match="port 53"):
        Host("h1", services=[Resolver(), DNS(zone=".")])
    Host("h1", services=[DNS(zone="."), HTTP()])


def test_the_name_alone_says_no_zone() -> None:
    with pytest.raises(TopologyError, match=r"write DNS\(\.\.\.\) instead of its name"):
        Host("h1", services=["zones"])
