"""What looks like cheating is told, and what is right is not."""

from __future__ import annotations

import dataclasses

import pytest

from playground import DNS, Host, Lab, Link, Router, Switch
from playground.examples import miniature_internet
from playground.frontends.grading.cheating import (
    answering_rules,
    find_cheats,
    lying_names,
    lying_records,
    owners_of,
)
from playground.operations.diagnosis.evidence.network_state import KernelRule, NodeState


def small(engine) -> Lab:
    h1, r1, www, fake = Host("h1"), Router("r1"), Host("www.example.com"), Host("fake")
    Link(h1, r1, subnet="10.1.0.0/24")
    Link(r1, www, subnet="10.2.0.0/24")
    Link(r1, fake, subnet="10.3.0.0/24")
    return Lab(h1, name="cheats", engine=engine, quiet=True)


@pytest.fixture(scope="module")
def lab(namespaces_engine):
    with small(namespaces_engine) as lab:
        yield lab


def test_an_honest_network_is_not_accused(lab) -> None:
    assert find_cheats(lab) == []


def test_a_hosts_file_that_lies_is_told(lab) -> None:
    h1 = lab["h1"]
    before = h1.read("/etc/hosts")
    h1.hosts["www"] = "10.3.0.2"
    h1.run("echo 127.0.0.1 www.example.com >> /etc/hosts")
    try:
        assert find_cheats(lab) == [
            "on h1 the name www means 10.3.0.2, which is fake",
            "on h1 the name www.example.com means h1 itself",
        ]
    finally:
        h1.write("/etc/hosts", before)


def test_programs_of_a_host_do_not_hide_what_it_did(lab) -> None:
    h1 = lab["h1"]
    before = h1.read("/etc/hosts")
    h1.run("echo 127.0.0.1 www.example.com >> /etc/hosts")
    for name in ("head", "cat"):
        h1.write(f"/usr/local/bin/{name}", "#!/bin/sh\nsleep 60\n", mode=0o755)
    try:
        lie, *programs = find_cheats(lab)
        assert lie == "on h1 the name www.example.com means h1 itself"
        assert [one.split()[3] for one in programs] == ["cat", "head"]
    finally:
        h1.run("rm /usr/local/bin/head /usr/local/bin/cat")
        h1.write("/etc/hosts", before)


def test_what_cannot_be_looked_at_is_told_and_the_rest_is_looked_at(lab) -> None:
    h1, fake = lab["h1"], lab["fake"]
    before = h1.read("/etc/hosts")
    fake.run("ip address add 10.2.0.2/32 dev lo")
    h1.write("/etc/hosts", "#" * 300_000)
    try:
        borrowed, unseen = find_cheats(lab)
    finally:
        h1.write("/etc/hosts", before)
        fake.run("ip address del 10.2.0.2/32 dev lo")
    assert borrowed.startswith("fake has 10.2.0.2")
    assert unseen.startswith("h1 could not be looked at: /etc/hosts on h1 cannot be read: it has")


def test_looking_has_an_end(lab) -> None:
    [said] = find_cheats(lab, limit_s=-1)
    assert said == (
        "h1 and r1 and www.example.com and fake could not be looked at: that took more than -1 s"
    )


def test_a_borrowed_address_is_told(lab) -> None:
    lab["fake"].run("ip address add 10.2.0.2/32 dev lo")
    try:
        [said] = find_cheats(lab)
        assert said == "fake has 10.2.0.2 at lo, which is the address of www.example.com"
    finally:
        lab["fake"].run("ip address del 10.2.0.2/32 dev lo")


def test_a_rule_that_answers_for_a_server_is_told(lab) -> None:
    chain = "{ type nat hook prerouting priority -100; }"
    lab["r1"].run(f"nft add table ip x; nft 'add chain ip x p {chain}'")
    try:
        lab["r1"].run("nft add rule ip x p ip daddr 10.2.0.2 tcp dport 80 redirect to :8080")
        lab["r1"].run("nft add rule ip x p iifname eth1 tcp dport 80 dnat to 10.3.0.2")
        [said] = find_cheats(lab)
        assert said.startswith("r1 has a rule that sends what is for 10.2.0.2, the address of www")
    finally:
        lab["r1"].run("nft delete table ip x")


def test_a_name_server_that_lies_is_told() -> None:
    records = [("www", "A", "10.2.0.3"), ("other", "A", "10.2.0.3"), ("www", "TXT", "hello")]
    dns, www, fake = Host("dns", services=[DNS(records=records)]), Host("www"), Host("fake")
    switch = Switch("s", subnet="10.2.0.0/24")
    for node in (dns, www, fake):
        Link(switch, node)
    plan = Lab(switch, quiet=True).plan()
    [said] = lying_records(plan, owners_of(plan))
    assert said == "the name server dns says that www is 10.2.0.3, which is fake"


def test_a_router_that_takes_a_servers_address_is_told() -> None:
    rule = KernelRule(
        *("inet", "playground", "prerouting", "ip daddr 10.2.0.2 dnat ip to 10.3.0.2"),
        statements=("match", "dnat"),
    )
    own = dataclasses.replace(rule, text="ip daddr 10.9.0.9 dnat ip to 10.3.0.2")
    states = {"r1": NodeState("r1", firewall=(rule, own))}
    [said] = answering_rules({"10.2.0.2": {"www"}}, states)
    assert said.startswith("r1 has a rule that sends what is for 10.2.0.2, the address of www,")


def test_two_homes_of_one_address_and_forwards_are_right() -> None:
    lab = miniature_internet()
    plan = lab.plan()
    h1 = next(node for node in plan.nodes if node.name == "h1")
    text = "\n".join(f"{entry.address} {' '.join(entry.names)}" for entry in h1.hosts)
    assert list(lying_names("h1", text, plan, owners_of(plan))) == []
