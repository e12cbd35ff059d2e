"""The demonstration: excerpts of what is said, and the whole of it run."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from types import SimpleNamespace

import pytest

from playground import Host, Lab, Link, Router
from playground.engines.docker.engine import DockerEngine
from playground.engines.swarm.engine import SwarmEngine
from playground.frontends import demo
from playground.frontends.demo import EXCHANGES, excerpt
from playground.planning.placement.shapes import Placement


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        pytest.param("", ["a 1", "b 2", "a 3"], id="everything"),
        pytest.param("^a", ["a 1", "a 3"], id="all that match"),
        pytest.param("x", [], id="nothing matches"),
    ],
)
def test_an_excerpt_is_a_choice_of_lines(shown, lines):
    assert excerpt("a 1\nb 2 \na 3\n", shown) == lines


def test_every_protocol_of_the_first_lab_is_shown():
    protocols = {exchange.protocol for exchange in EXCHANGES}
    assert protocols >= {
        "HTTP", "HTTPS", "SMTP", "POP", "IMAP", "FTP", "Telnet", "SSH", "DNS", "traceroute",
    }  # fmt: skip


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.protocol)
def test_expressions_can_be_compiled(exchange):
    for expression in (exchange.proof, exchange.shown):
        re.compile(expression)


def test_the_demonstration_runs_to_its_end(engine, capsys):
    demo.show(quiet=True)
    said = capsys.readouterr().out
    assert "FAILED" not in said
    assert not re.search("^> .*(PASS|AUTH)", said, re.MULTILINE)  # they end with a password
    assert all(f"── {exchange.protocol} " in said for exchange in EXCHANGES)
    assert "[homeA]" in said and "NAT" in said
    # Each exchange has lines to show, below its heading and its command.
    assert all(re.search(rf"── {one.protocol} .*\nh1\$ .*\n\S* *\S", said) for one in EXCHANGES)


def test_an_exchange_that_fails_fails_the_demonstration(engine, capsys, monkeypatch):
    broken = demo.Exchange("Gopher", "echo silence", "gopher")
    monkeypatch.setattr(demo, "EXCHANGES", (broken,))
    with pytest.raises(demo.DemonstrationFailed, match="Gopher"):
        demo.show(quiet=True)
    assert "silence" in capsys.readouterr().out


def test_on_a_swarm_it_is_spread_over_three_machines_at_most(monkeypatch):
    for count, spread in ((1, "1"), (5, "3")):
        monkeypatch.delenv("PLAYGROUND_SPREAD", raising=False)
        names = [f"m{number}" for number in range(count)]
        demo.spread_out(SimpleNamespace(machine_names=lambda names=names: names))
        assert os.environ["PLAYGROUND_SPREAD"] == spread
    monkeypatch.setenv("PLAYGROUND_SPREAD", "m1")
    demo.spread_out(SimpleNamespace(machine_names=lambda: ["m1", "m2"]))
    assert os.environ["PLAYGROUND_SPREAD"] == "m1"


def test_one_engine_has_many_machines_and_the_others_have_not():
    assert isinstance(SwarmEngine(), demo.ManyMachines)
    assert not isinstance(DockerEngine(), demo.ManyMachines)


def test_the_way_says_on_which_machine_each_hop_is(engine):
    plain = Host("h1"), Router("r1"), Host("www")
    for a, b in pairwise(plain):
        Link(a, b)
    with Lab(*plain, name="way", quiet=True, engine=engine) as lab:
        places = Placement((("h1", "m1"), ("r1", "m2"), ("www", "m3")))
        assert demo.way(lab, lab.plan(), places) == "h1 (m1) → r1 (m2) → www (m3)"
