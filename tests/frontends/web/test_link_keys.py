"""Every link has a key of its own, by which it is found."""

from __future__ import annotations

import threading

import pytest

from playground import Host, Lab, Link, Switch
from playground.errors import UnknownName
from playground.frontends.web.link_keys import key_of, link_of, links_by_key, plan_of


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


def test_who_shows_a_link_waits_for_nobody_who_changes_the_lab() -> None:
    a = Host("a")
    lab = Lab(Link(a, Host("b")).ends[0].node, name="keys")
    lab._state.plan = lab.plan()  # as of a lab that runs
    busy, go_on = threading.Event(), threading.Event()

    def change() -> None:
        with lab._state.lock, lab._state.declaring:
            busy.set()
            go_on.wait(20)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert busy.wait(20)
        assert plan_of(lab) is lab._state.plan
        assert [*links_by_key(lab)] == ["a:eth0"]
        assert not go_on.is_set()
    finally:
        go_on.set()
        changing.join(20)


def test_where_nothing_runs_the_plan_of_the_picture_is_at_hand() -> None:
    a = Host("a")
    Link(a, Host("b"))
    lab = Lab(a, name="keys")
    drawn = lab.plan()
    assert plan_of(lab, drawn) is drawn
    assert link_of(lab, "a:eth0", drawn) is a.links[0]
