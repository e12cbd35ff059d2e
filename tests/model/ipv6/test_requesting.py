"""What a router is told to ask of its provider."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.services.ipv6.delegation import PrefixDelegation
from playground.operations.network import Host, Link, Router


def test_a_router_remembers_for_which_links_it_asks() -> None:
    isp, home = Router("isp"), Router("home")
    wan, lan, cellar = Link(isp, home), Link(home, Host("h1")), Link(home, Host("h2"))
    home.request_prefix(wan, to=lan)
    assert home.requested == {wan: (lan,)}
    home.request_prefix(wan, to=[lan, cellar])
    assert home.requested == {wan: (lan, cellar)}


def test_it_asks_on_one_of_its_links_for_others() -> None:
    isp, home = Router("isp"), Router("home")
    wan, lan = Link(isp, home), Link(home, Host("h1"))
    strange = Link(isp, Host("h2"))
    wrong: list[Any] = [strange, wan, [], [lan, lan], [lan, wan], "lan", None]
    for to in wrong:
        with pytest.raises(TopologyError, match=r"router home: request_prefix\(\)"):
            home.request_prefix(wan, to=to)
    with pytest.raises(TopologyError, match="is not one of its links"):
        home.request_prefix(strange, to=lan)
    assert home.requested == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pool": "10.0.0.0/8"}, "no range of IPv6"),
        ({"pool": "2001:db8::/72"}, "no range of IPv6"),
        ({"pool": "2001:db8::/56", "length": 48}, "no number of bits from 56"),
        ({"length": 65}, "to 64"),
        ({"lease_s": 5}, "from 120 on"),
        ({"static": {"home": "2001:db8:9000::/48"}}, "is no /56 of 2001:db8:8000::/36"),
        ({"static": {"home": 7}}, "is no /56"),
    ],
)
def test_a_server_has_prefixes_to_give(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        PrefixDelegation(**settings)
