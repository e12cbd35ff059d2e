"""Rules read from nft's JSON: what they do, by data; what they are called, by nft's words."""

from __future__ import annotations

from typing import Any

from playground.agent.network.nft_listing import rows

CHAIN = {"family": "inet", "table": "hand", "name": "post", "handle": 1}
RULE = {"family": "inet", "table": "hand", "chain": "post"}
OBJECTS: list[dict[str, Any]] = [
    {"metainfo": {"version": "1.0.6"}},
    {"table": {"family": "inet", "name": "hand", "handle": 7}},
    {"set": {"family": "inet", "name": "seen", "table": "hand", "type": "ipv4_addr", "handle": 3,
             "elem": [{"elem": {"val": "10.0.0.1", "expires": 4}}, "10.0.0.2",
                      {"prefix": {"addr": "10.1.0.0", "len": 16}}]}},
    {"map": {"family": "inet", "name": "cone0", "table": "hand", "type": "inet_service",
             "handle": 4, "size": 9,
             "elem": [[{"elem": {"val": 5, "expires": 299}}, {"concat": ["1.2.3.4", 6]}]]}},
    {"counter": {"family": "inet", "name": "all", "table": "hand", "handle": 6, "packets": 3}},
    {"chain": CHAIN | {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}},
    {"rule": RULE | {"handle": 8, "expr": [{"match": {}}, {"snat": {"addr": "192.0.2.1"}}]}},
    {"rule": RULE | {"handle": 9, "comment": "masquerade # handle 8",
                     "expr": [{"counter": None}, {"accept": None}]}},
    {"rule": RULE | {"handle": 10, "expr": [{"xt": {"type": "target", "name": "MASQUERADE"}}]}},
]  # fmt: skip
WORDS = """\
table inet hand { # handle 7
	set seen { # handle 3
		type ipv4_addr
	}
	chain post { # handle 1
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth0" snat ip to 192.0.2.1 # handle 8
		counter accept comment "masquerade # handle 8" # handle 9
	}
}
table ip hand { # handle 8
	chain post { # handle 1
		drop # handle 8
	}
}
"""


def test_rules_are_known_by_their_handles() -> None:
    first, second, third = [row for row in rows(OBJECTS, WORDS) if row["handle"]]
    assert (first["text"], first["statements"], first["hook"]) == (
        'oifname "eth0" snat ip to 192.0.2.1',
        ["match", "snat"],
        "postrouting",
    )
    assert second["text"] == 'counter accept comment "masquerade # handle 8"'
    assert (second["comment"], second["statements"]) == (
        "masquerade # handle 8",
        ["counter", "accept"],
    )
    assert third["statements"] == ["masquerade"]  # of iptables, which nft has no words for


def test_what_comes_and_goes_by_itself_is_left_out() -> None:
    others = [(row["chain"], row["text"]) for row in rows(OBJECTS, WORDS) if not row["handle"]]
    assert others == [
        ("seen", "type ipv4_addr"),
        ("seen", "elements = { 10.0.0.2, 10.1.0.0/16 }"),
        ("cone0", "type inet_service"),
        ("cone0", "size 9"),
        ("post", "type nat hook postrouting priority 100; policy accept;"),
    ]
