"""Every link has a key of its own, by which it is found."""

from __future__ import annotations

import pytest

from playground import Host, Lab, Link, Switch
from playground.errors import UnknownName
from playground.frontends.web.link_keys import key_of, link_of, links_by_key


def test_links_between_the_same_nodes_have_different_keys() -> None:
    a, b, switch = Host("a"), Host("b"), Switch("s")
    links = [Link(a, b), Link(a, b), Link(switch, a), Link(switch, b)]
    lab = Lab(a, name="keys")
    found = links_by_key(lab)
    assert list(found.values()) == list(lab.links)
    assert set(found.values()) == set(links)
    assert [key_of(wire) for wire in lab.plan().wires] == list(found)
    assert link_of(lab, "a:eth1") is links[1]


def test_a_link_that_was_removed_is_missing_in_words() -> None:
    with pytest.raises(UnknownName, match="no link 'x:eth0'"):
        link_of(Lab(Host("a")), "x:eth0")
