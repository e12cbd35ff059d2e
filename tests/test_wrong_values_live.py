"""Wrong values for what runs: a sentence, no wait without end, and a lab that goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import Host, plug, plugged, unplug, wait_plugged
from playground.engines.namespaces.engine import NamespacesEngine
from tests.test_wrong_values import (
    Network,
    complain,
    few_wrong_values,
    methods,
    misspelt,
    try_each,
)


@pytest.fixture(scope="module")
def running(
    namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]
) -> Iterator[Network]:
    network = Network()
    with network.lab as lab:
        keep_lab(lab.id)
        yield network


def test_what_is_done_to_a_host_takes_no_wrong_value(running):
    h1, found = running.h1, []
    for name in ("ping", "capture", "socket", "put", "read", "write", "watch_tcp"):
        good = running.good("h1", name)
        found += try_each(f"h1.{name}", lambda name=name: getattr(h1, name), good, few_wrong_values)
    complain(found)
    assert h1.run("echo hello").stdout == "hello\n"


def test_what_runs_takes_no_misspelt_keyword(running):
    found = []
    for owner, thing in running.things().items():
        found += misspelt(owner, thing())
    complain(found)


def test_what_runs_programs_on_a_host_takes_no_wrong_value(running, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where `get` puts what has a strange name
    h1, found = running.h1, []
    for name in ("run", "start", "python", "call", "get", "read_bytes", "traceroute", "vtysh"):
        good = running.good("h1", name) | {"function": lambda: returning}
        # What is called raises what it likes.
        values = values_to_hand_on if name == "call" else some_wrong_values
        found += try_each(f"h1.{name}", lambda name=name: getattr(h1, name), good, values)
    complain(found)
    assert h1.run("echo hello").stdout == "hello\n"


def returning(*values: object, **named: object) -> object:
    return [*values, named]


def values_to_hand_on() -> Iterator[Any]:
    return (value for value in some_wrong_values() if not callable(value))


def test_what_is_asked_of_a_host_takes_no_wrong_value(running):
    h1, found = running.h1, []
    for name in ("connections", "forget", "policy_rules", "processes", "routes", "sockets"):
        good = {"connections": list}
        found += try_each(
            f"h1.{name}", lambda name=name: getattr(h1, name), good, some_wrong_values
        )
    complain(found)


def one_of_each_kind() -> Iterator[Any]:
    """Yield few: each that is not refused at once starts a process of root's."""
    yield from (True, -1, math.nan, "", "a\0b", b"x", [None], object(), Host("stranger"))


def test_what_is_plugged_takes_no_wrong_value(running):
    found = []
    for function in (plug, unplug, plugged, wait_plugged):
        good = {"container": lambda: running.h1}
        found += try_each(
            function.__name__, lambda function=function: function, good, one_of_each_kind
        )
    complain(found)
    assert running.h1.run("echo hello").stdout == "hello\n"


# Of these each method is called; of a host, those that are not in a test above.
WALKED = ["r1", "sw", "link", "lab", "h1.firewall", "lab.check", "lab.picture()", "capture"]
WALKED += ["h1.hosts", "h1.sysctls", "lab.at()"]
# What is called raises what it likes, a sequence what Python's do, and some take seconds.
ELSEWHERE = {
    "at",
    "call",
    "index",
    "python",
    "run",
    "ping",
    "traceroute",
    "ssh",
    "machine",
    "uplink",
}


@pytest.mark.parametrize("owner", WALKED)
def test_what_runs_takes_no_wrong_value(running, owner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for name in methods(running.things()[owner]()):
        if name not in ELSEWHERE:
            found += try_each(
                f"{owner}.{name}",
                lambda name=name: getattr(running.things()[owner](), name),
                running.good(owner, name),
                some_wrong_values,
            )
    complain(found)
    assert running.h1.run("echo hello").stdout == "hello\n"


def some_wrong_values() -> Iterator[Any]:
    """Yield all but None: who says that there is no limit waits for ever."""
    return (value for value in few_wrong_values() if value is not None)


def test_what_is_done_to_a_job_takes_no_wrong_value(running):
    found = []
    with running.h1.start("sleep 600") as job:
        for name, function in (("signal", job.signal), ("readline", job.stdout.readline)):
            good = {"signum": lambda: 10}
            found += try_each(
                f"job.{name}", lambda function=function: function, good, some_wrong_values
            )
        complain(found)
        job.kill()


def test_what_is_set_takes_no_wrong_value(running):
    h1, found = running.h1, []
    for what in ("hostname", "nameservers"):
        found += try_each(
            f"h1.{what}",
            lambda what=what: lambda value: setattr(h1, what, value),
            {},
            few_wrong_values,
        )
    good = {"name": lambda: "printer", "value": lambda: "10.0.0.1"}
    for mapping in (h1.hosts, h1.sysctls):
        kind = type(mapping).__name__
        found += try_each(
            f"{kind}[]=",
            lambda mapping=mapping: lambda name, value: mapping.__setitem__(name, value),
            good,
            few_wrong_values,
        )
    found += try_each("lab[]", lambda: lambda name: running.lab[name], {}, few_wrong_values)
    complain(found)
    assert h1.run("echo hello").stdout == "hello\n"
