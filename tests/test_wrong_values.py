"""Wrong values for every argument of the public API: a sentence, and never a wait without end.

What there is to call is found by introspection, so that nothing new is left out.
An argument may be wrong in one way only: with a `PlaygroundError`.

"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import inspect
import ipaddress
import math
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import playground
from playground import Host, Lab, Link, PlaygroundError, Router, Switch, WrongCall
from playground.model.arguments import shown

# Far more than any of these calls takes where it is refused.
LIMIT_S = 20.0


def wrong_values() -> Iterator[Any]:
    """Yield values that hardly any argument may have, each made afresh."""
    yield from (None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -0.5, 1e308)
    yield from (math.nan, math.inf, -math.inf, complex(1, 2), decimal.Decimal("NaN"))
    yield from (fractions.Fraction(1, 3), decimal.Decimal(1), datetime.timedelta(seconds=1))
    yield from ("", " ", "a\0b", "-x", "..", "h\xe9\n", "\ud800", "a" * 10_000, "\x1b[31m")
    yield from (b"", b"x", bytearray(b"x"), [], (), {}, set(), [[]], [None], {"a": 1}, {1: 2})
    yield from ([""], ["\0"], [{}], (1, 2, 3), [10**400], {"": ""}, {None: None}, {"\0": "\0"})
    yield from (object(), object, len, lambda: None, NotImplemented, ..., range(3), iter([]))
    yield from (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_address("::1"), Path("\0"))
    yield Host("stranger")
    yield Link(Host("a"), Host("b"))
    itself: list[Any] = []
    itself.append(itself)
    yield itself


def few_wrong_values() -> Iterator[Any]:
    """Yield one of each kind: for what takes milliseconds on a running lab."""
    yield from (None, True, -1, 2**63, 10**400, 1e308, math.nan, math.inf, "", "a\0b", "\ud800")
    yield from ("-x", "a" * 10_000, b"x", [], [[]], [None], {}, {None: None}, object(), len)
    yield from (ipaddress.ip_network("10.0.0.0/8"), Path("\0"), Host("stranger"))


class Hangs(BaseException):
    """A call took longer than `LIMIT_S`."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def try_each(
    what: str,
    make: Callable[[], Callable[..., Any]],
    good: Mapping[str, Any],
    values: Callable[[], Iterator[Any]] = wrong_values,
) -> list[str]:
    """Call with each argument wrong in turn; return what was no sentence.

    ``make`` gives what is called, with fresh objects where calls change them, and
    ``good`` has a function for each argument that has no default.

    """
    parameters = list(inspect.signature(make()).parameters.values())
    found = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for wrong in values():
            problem = _try(make, parameters, parameter, wrong, good)
            if problem:
                found.append(f"{what}({parameter.name}={shown(wrong)}): {problem}")
    return found


def _try(
    make: Callable[[], Callable[..., Any]],
    parameters: list[inspect.Parameter],
    tried: inspect.Parameter,
    wrong: Any,
    good: Mapping[str, Any],
) -> str:
    # A default is right.
    if wrong is None and tried.default is None:
        return ""
    function = make()
    positional, named = [], {}
    several = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    for one in parameters:
        if one.name == tried.name:
            value = wrong
        elif one.name in QUICK:
            value = QUICK[one.name]
        elif one.default is one.empty and one.name in good:
            value = good[one.name]()
        else:
            continue
        by_place = several or one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL)
        if by_place and one.kind is not one.KEYWORD_ONLY and one.default is one.empty:
            positional.append(value)
        else:
            named[one.name] = value
    try:
        with limited():
            result = function(*positional, **named)
            if isinstance(result, contextlib.AbstractContextManager) and not isinstance(
                result, (Lab, Path)
            ):
                with result:
                    pass
    except PlaygroundError as error:
        return "" if str(error).strip() else "an error without a word"
    except Hangs:
        return f"goes on for {LIMIT_S:g} s"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return f"{type(error).__name__}: {str(error)[:80]} ({place})"
    return ""


# These would wait longer than a test should.
QUICK = {"within_s": 0, "count": 1, "max_hops": 2, "timeout_s": 2, "call_timeout_s": 5}

# Of what is public by its name: what this cannot try, and why.
LEFT_OUT = {
    "shell": "takes the terminal",
    "terminal": "opens a server for a browser",
    "wireshark": "opens a window",
    "with_switch": "is for a plan that is changed by the library",
    "with_stopped": "is for a plan that is changed by the library",
    "beside": "is for a plan that is compared by the library",
    "without_wire": "is for a plan that is changed by the library",
    "with_wire": "is for a plan that is changed by the library",
    "stop": "ends what the others need",
    "detach": "ends what the others need",
    "steer": "is how a node's routes, rules and sysctls change what runs, and has them checked",
    "change_wire": "is how links change what runs, and has their handle",
    "stop_node": "is how nodes change what runs, and have their values checked",
    "start_node": "is how nodes change what runs, and have their values checked",
    "change_switch": "is how switches change what runs, and has their handle",
    "start": "has a test of its own, with fresh labs",
}


def methods(thing: object) -> Iterator[str]:
    """Yield the names of what can be called of an object."""
    for name in dir(type(thing)):
        if name.startswith("_") or name in LEFT_OUT:
            continue
        if callable(inspect.getattr_static(type(thing), name, None)) or isinstance(
            inspect.getattr_static(type(thing), name), (classmethod, staticmethod)
        ):
            yield name


class Network:
    """A host at a switch, a router, another host behind it; a good value for each argument."""

    def __init__(self) -> None:
        self.h1, self.h2, self.r1 = Host("h1"), Host("h2"), Router("r1")
        self.sw = Switch("sw", subnet="10.1.0.0/24")
        for node in (self.h1, self.r1):
            self.port = Link(self.sw, node)
        self.link = Link(self.r1, self.h2, subnet="10.2.0.0/24")
        self.lab = Lab(self.sw, name=f"wrong-{os.getpid()}", engine="namespaces", quiet=True)

    def things(self) -> dict[str, Callable[[], Any]]:
        """Where methods are, declared or live."""
        return {
            "h1": lambda: self.h1,
            "r1": lambda: self.r1,
            "sw": lambda: self.sw,
            "link": lambda: self.link,
            "lab": lambda: self.lab,
            "h1.firewall": lambda: self.h1.firewall,
            "r1.firewall": lambda: self.r1.firewall,
            "lab.check": lambda: self.lab.check,
            "lab.picture()": lambda: self.lab.picture(),
            "lab.plan()": lambda: self.lab.plan(),
            "lab.at()": lambda: self.lab.at(0, len, ""),
            "job": lambda: self.h1.start("echo hello"),
            "capture": lambda: self.h1.capture(limit_s=0.01),
            "h1.hosts": lambda: self.h1.hosts,
            "h1.sysctls": lambda: self.h1.sysctls,
        }

    def good(self, owner: str, method: str) -> dict[str, Callable[[], Any]]:
        """A value for each argument without a default."""
        given: dict[str, Callable[[], Any]] = {
            "a": lambda: "h1",
            "b": lambda: "h2",
            "action": lambda: print,
            "address": lambda: "10.2.0.1",
            "announce": lambda: True,
            "change": lambda: lambda plan: plan,
            "command": lambda: "true",
            "content": lambda: "x",
            "container": lambda: self.h1,
            "destination": lambda: "10.9.0.0/16",
            "function": lambda: len,
            "inside": lambda: self.sw,
            "key": lambda: "printer",
            "link": lambda: self.link,
            "local": lambda: "/etc/hostname",
            "name": lambda: "h1",
            "node": lambda: self.h1,
            "number": lambda: 10,
            "outside": lambda: self.link,
            "path": lambda: "/tmp/wrong/x",
            "port": lambda: 80,
            "program": lambda: "pass",
            "remote": lambda: "/tmp/wrong/y",
            "router": lambda: self.r1,
            "seconds": lambda: 0,
            "service": lambda: 22,
            "client": lambda: self.h1,
            "through": lambda: ["r1"],
            "page": lambda: "/",
            "source": lambda: "h1",
            "table": lambda: 100,
            "target": lambda: "h2",
            "to": lambda: self.h1,
            "verdict": lambda: "accept",
        }
        if method == "snat":
            given["to"] = lambda: "10.2.0.1"
        if owner == "link":
            given["node"] = lambda: self.r1
        return given


def complain(found: list[str]) -> None:
    assert not found, f"{len(found)} of ours are no sentences:\n" + "\n".join(found)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Lab.save` takes most texts for the name of a file."""
    monkeypatch.chdir(tmp_path)


CLASSES = [
    name
    for name in playground.__all__
    if isinstance(getattr(playground, name), type)
    and not issubclass(getattr(playground, name), BaseException)
    and name != "Plan"  # which a lab makes, and not who uses one
]


@pytest.mark.parametrize("name", CLASSES)
def test_a_declaration_with_a_wrong_value_is_refused_in_a_sentence(name):
    cls = getattr(playground, name)
    good = {
        "name": lambda: "n1",
        "a": lambda: Host("a"),
        "b": lambda: Host("b"),
        "command": lambda: ["true"],
        "rate_mbit": lambda: 1,
    }
    complain(try_each(name, lambda: cls, good))


def walk(
    network: Callable[[], Network],
    owner: str,
    values: Callable[[], Iterator[Any]] = wrong_values,
) -> list[str]:
    """Try all methods of a thing of networks; where one is kept, what changed stays."""
    found = []
    for method in methods(network().things()[owner]()):
        current: list[Network] = []

        def make(method: str = method, current: list[Network] = current) -> Any:
            current[:] = [network()]
            return getattr(current[0].things()[owner](), method)

        make()
        good = {
            name: lambda name=name, method=method, current=current: current[0].good(owner, method)[
                name
            ]()
            for name in current[0].good(owner, method)
        }
        found += try_each(f"{owner}.{method}", make, good, values)
    return found


def misspelt(owner: str, thing: object) -> list[str]:
    """Call all methods of a thing with a keyword that nobody knows."""
    found = []
    for method in methods(thing):
        function = getattr(thing, method)
        if any(
            one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values()
        ):
            continue  # of which some hand on what a user's function takes
        try:
            function(no_such_keyword=1)
        except WrongCall as error:
            if "no_such_keyword=" in str(error):
                continue
            found.append(f"{owner}.{method}: {error}")
        except Exception as error:
            found.append(f"{owner}.{method}: {type(error).__name__}: {error}")
        else:
            found.append(f"{owner}.{method} takes it")
    return found


DECLARED = [one for one in Network().things() if one not in ("job", "capture", "h1.hosts")]


@pytest.mark.parametrize("owner", DECLARED)
def test_what_is_declared_takes_no_wrong_value(owner):
    complain(walk(Network, owner, few_wrong_values))


@pytest.mark.parametrize("owner", DECLARED)
def test_what_is_declared_takes_no_misspelt_keyword(owner):
    complain(misspelt(owner, Network().things()[owner]()))
