"""Addresses from others, as a link's ``address=`` says it."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.lab import lab_as_json as saving
from playground.lab.credentials import Credentials
from playground.model.ipv6.slaac import SLAAC, Automatic, split_automatic
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import collect, make_plan


@pytest.mark.parametrize(
    ("said", "automatic", "rest"),
    [
        ("auto", Automatic(), "auto"),
        ("10.0.0.7", Automatic(), "10.0.0.7"),
        (None, Automatic(), None),
        ("dhcp", Automatic(dhcp=True), "auto"),
        ("slaac", Automatic(slaac=SLAAC()), "auto"),
        (["dhcp", "slaac"], Automatic(dhcp=True, slaac=SLAAC()), "auto"),
        (["slaac", "10.0.0.7"], Automatic(slaac=SLAAC()), ["10.0.0.7"]),
        (SLAAC(temporary=True), Automatic(slaac=SLAAC(temporary=True)), "auto"),
    ],
)
def test_words_are_told_from_addresses(said: Any, automatic: Automatic, rest: Any) -> None:
    assert split_automatic("link", said) == (automatic, rest)


def test_a_link_shows_what_it_was_told() -> None:
    home = Switch("home", subnet=["192.168.1.0/24", "2001:db8:1::/64"])
    assert repr(Link(home, Host("a"), address=["dhcp", "slaac"])) == (
        "Link(home, a, address=['dhcp', 'slaac'])"
    )
    assert repr(Link(home, Host("b"), address=SLAAC("stable"))) == (
        "Link(home, b, address=SLAAC(identifier='stable', temporary=False))"
    )
    assert repr(Link(Router("r"), Host("c"), addresses=("auto", "slaac"))) == (
        "Link(r, c, addresses=('auto', 'slaac'))"
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (["slaac", "2001:db8:1::7"], "others say the IPv6 address, and 2001:db8:1::7 is given"),
        (["dhcp", "192.168.1.7"], "others say the IPv4 address, and 192.168.1.7 is given"),
        (["slaac", SLAAC()], "says SLAAC twice"),
    ],
)
def test_an_address_by_hand_and_from_others_is_refused(address: Any, words: str) -> None:
    home = Switch("home", subnet=["192.168.1.0/24", "2001:db8:1::/64"])
    with pytest.raises(TopologyError, match=words):
        Link(home, Host("h1"), address=address)
    assert not home.links


@pytest.mark.parametrize("arguments", [{"identifier": "mac"}, {"temporary": 1}])
def test_settings_are_checked(arguments: Any) -> None:
    with pytest.raises(TopologyError, match="SLAAC: "):
        SLAAC(**arguments)


def test_a_saved_lab_remembers_it() -> None:
    home, r1, h1 = Switch("home"), Router("r1"), Host("h1")
    lan = Link(home, r1)
    Link(home, h1, address=["slaac", "auto"])
    Link(r1, Host("h2"), addresses=("auto", SLAAC("stable")))
    dns = Host("dns", services=["dns"])
    Link(home, dns)
    r1.advertise(lan, rdnss=[dns, "2001:db8::53"], dnssl="example.com", preference="high")
    r1.advertise(r1.links[1])
    plan = make_plan([home])
    text = saving.save(collect([home]), plan, Credentials.make({"student": "secret"}))
    saved = saving.load(text)
    assert saved.plan == plan
    again = make_plan(saved.nodes)
    assert again == plan
