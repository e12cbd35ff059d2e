"""What a router may be told about NAT, and what then happens to packets."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.planning import make_plan
from playground.topology import Host, Link, Router, Switch


def office() -> tuple[Switch, Host, Router, Link]:
    home, h1, modem, isp = Switch("home"), Host("h1"), Router("modem"), Router("isp")
    Link(home, modem)
    Link(home, h1)
    uplink = Link(isp, modem, addresses=("10.9.0.1/24", ["10.9.0.2/24", "10.9.0.3/24"]))
    return home, h1, modem, uplink


# -- what is declared --------------------------------------------------------


def test_saying_it_again_changes_how() -> None:
    _, _, modem, uplink = office()
    modem.masquerade(uplink)
    modem.masquerade(uplink, kind="symmetric", helpers=[])
    (item,) = modem.masquerades
    assert (item.kind, item.helpers, item.address) == ("symmetric", (), None)
    modem.snat(uplink, to="10.9.0.3")
    assert [str(item.address) for item in modem.masquerades] == ["10.9.0.3"]


def test_what_was_told_can_be_taken_back() -> None:
    _, h1, modem, uplink = office()
    modem.masquerade(uplink)
    modem.forward(uplink, port=80, to=h1)
    modem.untranslate(*modem.forwards)
    assert (modem.forwards, modem.uplinks) == ((), (uplink,))
    modem.untranslate()
    assert modem.nat == []


@pytest.mark.parametrize(
    ("method", "arguments", "sentence"),
    [
        ("masquerade", {"kind": "round"}, "kind='round' is not known"),
        ("masquerade", {"helpers": ["sip"]}, "there is no helper 'sip'"),
        ("masquerade", {"helpers": "ftp"}, "helpers is a list"),
        ("snat", {"to": "2001:db8::1"}, "is no IPv4 address"),
        ("snat", {"to": "10.9.0.3", "kind": "full-cone"}, "goes with masquerade"),
        ("one_to_one", {"address": "10.9.0.3", "to": "h1"}, "is no host and port"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(method: str, arguments: dict[str, Any], sentence: str) -> None:
    _, _, modem, uplink = office()
    with pytest.raises(TopologyError) as refused:
        getattr(modem, method)(uplink, **arguments)
    assert sentence in str(refused.value)
    assert modem.nat == []


@pytest.mark.parametrize("method", ["snat", "one_to_one"])
def test_an_address_outside_is_the_routers_own(method: str) -> None:
    home, h1, modem, uplink = office()
    modem.masquerade(uplink)
    if method == "snat":
        modem.snat(uplink, to="10.9.0.7")
    else:
        modem.one_to_one(uplink, address="10.9.0.7", to=h1)
    with pytest.raises(TopologyError, match=r"has 10\.9\.0\.2, 10\.9\.0\.3 on that link"):
        make_plan([home])


def test_one_to_one_needs_a_masquerade_and_a_host_inside() -> None:
    home, h1, modem, uplink = office()
    modem.one_to_one(uplink, address="10.9.0.3", to=h1)
    with pytest.raises(TopologyError, match="does not masquerade"):
        make_plan([home])
    modem.masquerade(uplink)
    assert "snat ip to 10.9.0.3" in make_plan([home]).node("modem").ruleset


def test_zones_are_rules_that_one_could_write() -> None:
    home, _, modem, uplink = office()
    dmz = Switch("dmz")
    Link(dmz, modem)
    modem.zones(inside=home, outside=uplink, dmz=dmz)
    assert modem.uplinks == (uplink,)
    assert [(rule.chain, rule.verdict, rule.match) for rule in modem.firewall] == [
        ("forward", "accept", "in by home - modem"),
        ("forward", "accept", "in by isp - modem, out by dmz - modem"),
        ("forward", "accept", "in by dmz - modem, out by isp - modem"),
        ("input", "accept", "in by home - modem"),
        ("input", "accept", "icmp"),
    ]


def test_a_link_is_in_one_zone() -> None:
    home, _, modem, uplink = office()
    with pytest.raises(TopologyError, match="in two zones"):
        modem.zones(inside=[home, uplink], outside=uplink)
    with pytest.raises(TopologyError, match="neither a link of this router"):
        modem.zones(inside=Switch("other"), outside=uplink)
    assert (modem.nat, modem.firewall.declared) == ([], ())
