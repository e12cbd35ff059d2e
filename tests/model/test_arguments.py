"""Arguments of a wrong type or value, and the sentences that refuse them."""

from __future__ import annotations

import inspect
import itertools
import math
import tarfile
from ipaddress import ip_network
from typing import Any

import pytest

import playground
from playground import BadArgument, Host, Lab, Link, Router, Switch, TopologyError, WrongCall
from playground.model.arguments import (
    check_iterable,
    check_path,
    check_seconds,
    check_several,
    is_choice,
    is_number,
    is_whole,
    shown,
    tells_wrong_call,
    tells_wrong_calls,
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


@pytest.mark.parametrize(
    ("make", "name", "hint"),
    [
        (lambda: Host("h1"), "restrat", ": did you mean restart?"),
        (lambda: Router("r1"), "masqerade", ": did you mean masquerade?"),
        (lambda: Switch("s1"), "subnett", ": did you mean subnets?"),
        (lambda: Link(Host("a"), Host("b")), "impare", ": did you mean impair?"),
        (lambda: Host("h1"), "_repr_png_", ""),
    ],
)
def test_a_misspelt_attribute_is_told_and_stays_an_attribute_error(make, name, hint):
    item = make()
    with pytest.raises(AttributeError) as error:
        getattr(item, name)
    assert str(error.value) == f"{type(item).__name__!r} object has no attribute {name!r}{hint}"
    assert not hasattr(item, name)


def test_a_property_s_own_attribute_error_is_not_hidden():
    class Broken(Host):
        @property
        def broken(self):
            return getattr([], "there")  # noqa: B009

    with pytest.raises(AttributeError, match="'list' object has no attribute 'there'"):
        _ = Broken("h1").broken


LINK_SAYS = (
    "Link() has no delay_ms=; what a link does to frames is said of it: link.impair(delay_ms=...)"
)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ('Host("h1", imgae="nginx")', "Host() has no imgae=; did you mean image=?"),
        ('Host("h1", service="ssh")', "Host() has no service=; did you mean services=?"),
        ('Link(Host("a"), Host("b"), delay_ms=5)', LINK_SAYS),
        (
            'Service("x", "sleep 9", restart="always")',
            "Service() has no restart=; a service that ends is started again always; restart= of a "
            "host is about the program of its image",
        ),
        ('Router("r1", rooting=None)', "Router() has no rooting=; did you mean routing=?"),
        ('HTTP(file="site/")', "HTTP() has no file=; did you mean files=?"),
        ('Service("api", "true", prot=80)', "Service() has no prot=; did you mean port=?"),
        ('Lab(Host("h1"), Name="x")', "Lab() has no Name=; did you mean name=?"),
        (
            'Lab(Host("h1")).publish("h1", 80, localport=5)',
            "Lab.publish() has no localport=; did you mean local_port=?",
        ),
        ('Host("h1").ping("h2", cuont=1)', "Host.ping() has no cuont=; did you mean count=?"),
        (
            'Host("h1").capture(filtre="icmp")',
            "Host.capture() has no filtre=; did you mean filter=?",
        ),
        ('plug("web", routs={})', "plug() has no routs=; did you mean routes=?"),
        ('Link(Host("a"), Host("b")).down(now=1)', "Link.down() has no now=; it takes none"),
        (
            'Link(Host("a"), Host("b")).impair(loss=5)',
            "Link.impair() has no loss=; did you mean loss_percent=?",
        ),
        ("Host()", "Host() needs name as well: write Host(name)"),
        ('Link(Host("a"))', "Link() needs b as well: write Link(a, b)"),
        (
            'Router("r1").forward(Link(Host("a"), Host("b")), to="b")',
            "Router.forward() needs port= as well: write forward(link, port=..., to=...)",
        ),
        (
            'Host("h1", ["ssh"], 64)',
            "Host() takes by place only name, services, and was given 3; say by name what else "
            "you mean: memory_mb=",
        ),
        (
            'Host("h1", name="h2")',
            "Host() was given name twice, by place and as name=; leave one out",
        ),
    ],
)
def test_a_call_that_fits_nothing_is_refused_in_a_sentence(call: str, sentence: str) -> None:
    with pytest.raises(WrongCall) as caught:
        eval(call, {name: getattr(playground, name) for name in playground.__all__})
    assert sentence in str(caught.value)
    assert isinstance(caught.value, TypeError)
    # Nothing of how it was found out stands above the sentence.
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_editors_see_the_signature_that_is_written_down() -> None:
    assert list(inspect.signature(Host).parameters)[:3] == ["name", "services", "memory_mb"]
    assert list(inspect.signature(Host.ping).parameters)[:2] == ["node", "target"]
    assert Lab.explain.__qualname__ == "Lab.explain"


def add_one(value: Any) -> Any:
    return value + 1


def test_an_error_within_a_function_stays_what_it_is() -> None:
    with pytest.raises(TypeError, match="concatenate") as caught:
        tells_wrong_call(add_one)("x")
    assert not isinstance(caught.value, WrongCall)


def test_a_class_in_between_hides_nothing_of_its_siblings() -> None:
    class Base:
        def say(self, word: str) -> str:
            return f"base {word}"

    @tells_wrong_calls
    class First(Base):
        pass

    class Second(Base):
        def say(self, word: str) -> str:
            return f"second {word}"

    class Both(First, Second):
        pass

    assert First().say("a") == "base a"
    assert Both().say(word="a") == "second a"
    with pytest.raises(WrongCall, match=r"Both\.say\(\) has no wordd=; did you mean word="):
        Both().say(wordd="a")  # type: ignore[call-arg]
