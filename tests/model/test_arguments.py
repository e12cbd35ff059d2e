"""Arguments of a wrong type or value, and the sentences that refuse them."""

from __future__ import annotations

import itertools
import math
import tarfile
from ipaddress import ip_network

import pytest

from playground import BadArgument, Host, Link, Router, Switch, TopologyError
from playground.model.arguments import (
    check_iterable,
    check_path,
    check_seconds,
    check_several,
    is_choice,
    is_number,
    is_whole,
    shown,
)
from playground.operations.nodes import archives


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def test_numbers_are_within_their_bounds_and_finite():
    assert is_number(0.5, 0, 1) and is_number(1, 0, 1)
    for wrong in (math.nan, math.inf, 10**400, -1, True, "1", None, 1j, [1]):
        assert not is_number(wrong, 0, 1e308)
    assert is_whole(7, 1, 7)
    assert not any(is_whole(wrong, 0, 7) for wrong in (1.0, 8, True, "1"))


def test_a_choice_is_a_word_whatever_else_comes():
    assert is_choice("a", {"a": 1})
    assert not any(is_choice(wrong, {"a": 1}) for wrong in ("b", [], {}, None, 1))


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, 1e308, 10**400, "5", True])
def test_a_time_that_no_clock_takes_is_refused(wrong):
    with pytest.raises(BadArgument, match="is no number of seconds above zero"):
        check_seconds("timeout_s", wrong)
    check_seconds("timeout_s", 0.1)
    check_seconds("timeout_s", None)


def test_what_is_shown_is_short_whatever_it_is():
    assert len(shown("a" * 100_000)) < 120
    assert len(shown(10**4000)) < 120
    assert shown(10**10_000) == "<int>"  # sys.set_int_max_str_digits
    assert shown(Unshowable()).startswith("<Unshowable")


def test_a_list_is_no_text_and_has_an_end():
    assert check_iterable("x", (n for n in range(3)), "[1]") == (0, 1, 2)
    for wrong in ("text", b"text", 5, ip_network("10.0.0.0/8"), itertools.count()):
        with pytest.raises(BadArgument, match="is no list"):
            check_iterable("x", wrong, "[1]")
    assert check_several("x", "one") == ("one",)


@pytest.mark.parametrize("wrong", ["", "a\0b", b"x", 5, None])
def test_what_can_be_no_path_is_refused(wrong):
    with pytest.raises(BadArgument, match="is no path"):
        check_path(wrong, "'x.svg'")


# -- an empty list is none of them, and None is all ---------------------------


@pytest.mark.parametrize(
    "argument",
    ["source", "destination", "interface", "out_interface", "port", "source_port", "state"],
)
@pytest.mark.parametrize("empty", [[], (), set()], ids=["list", "tuple", "set"])
def test_a_rule_about_none_does_not_become_one_about_all(argument, empty):
    router = Router("r1")
    with pytest.raises(TopologyError, match=rf"accept\(\): {argument}=.* is empty, and nothing"):
        router.firewall.accept(**{argument: empty})
    assert not router.firewall


@pytest.mark.parametrize("zone", ["inside", "outside", "dmz"])
def test_a_zone_of_no_link_is_refused(zone):
    home, modem = Switch("home"), Router("modem")
    Link(home, modem)
    zones = {"inside": home, "outside": Link(modem, Host("www")), zone: []}
    with pytest.raises(TopologyError, match=f"{zone}=.* is empty, and nothing fits it"):
        modem.zones(**zones)
    assert not modem.firewall and not modem.masquerades


# -- what a hostile archive may say -------------------------------------------


@pytest.mark.parametrize("mtime", [math.nan, math.inf, 1e30, -1e30])
def test_a_time_that_no_file_can_have_is_left_out(tmp_path, mtime):
    member = tarfile.TarInfo("x")
    member.mtime = mtime
    (tmp_path / "x").touch()
    archives._keep_time(tmp_path / "x", member, follow=True)
    assert (tmp_path / "x").stat().st_mtime > 1e9
