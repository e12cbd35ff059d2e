"""Whoever listens to a lab hears what happens in it, and nothing else is changed by that."""

from __future__ import annotations

import json
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.agent.machines.numbers import global_pid
from playground.engines.seam import Engine
from playground.errors import AgentError, BadArgument, NotReady, NotRunning, WrongCall
from playground.lab.life import event_stream
from playground.lab.life.event_stream import Events, Watched
from playground.operations.connection.client import Client
from playground.planning.planner import make_plan

MACHINES = {"h1": "own", "h2": "other"}


@pytest.fixture(scope="module")
def street(engine: Engine) -> Iterator[Lab]:
    """h1 - home - r1 - www"""
    home, h1, r1, www = Switch("home"), Host("h1"), Router("r1"), Host("www", services=["http"])
    Link(home, h1)
    Link(home, r1)
    Link(r1, www)
    with Lab(home, name="life-events", quiet=True, engine=engine) as lab:
        yield lab


@pytest.fixture
def events(street: Lab) -> Iterator[Events]:
    with street.events() as found:
        yield found


def test_a_cable_is_told_once_for_each_way(street: Lab, events: Events) -> None:
    link = street.link("r1", "www")
    link.down()
    found = events.wait("link", state="down")
    assert found.words == "r1 - www is down"
    link.up()
    assert events.wait("link").words == "r1 - www is up"
    link.impair(loss_percent=1)
    assert events.wait("link", state="changed").words.endswith("toward www loss_percent=1")
    link.restore()
    assert events.wait("link", state="changed").words.endswith("toward www as made")


def test_addresses_and_routes_that_somebody_types(street: Lab, events: Events) -> None:
    h1 = street.node("h1")
    h1.run("ip address add 192.0.2.1/32 dev eth0; ip route add 192.0.2.8/29 dev eth0")
    events.wait("address", node="h1", interface="eth0", address="192.0.2.1/32", state="added")
    events.wait("route", node="h1", route="192.0.2.8/29 dev eth0", state="added")
    h1.run("ip route del 192.0.2.8/29; ip address del 192.0.2.1/32 dev eth0")
    events.wait("route", state="removed")
    events.wait("address", state="removed")


def test_services_and_nodes(street: Lab, events: Events) -> None:
    www = street.node("www")
    www.services["http"].stop()
    events.wait("service", node="www", service="http", state="down")
    www.services["http"].start()
    events.wait("service", node="www", service="http", state="up")
    www.stop(grace_s=0)
    events.wait("node", node="www", state="stopped")
    www.start()
    events.wait("node", node="www", state="started")


def test_a_node_that_comes_is_listened_to(street: Lab, events: Events) -> None:
    h2 = Host("h2")
    link = Link(street["home"], h2)
    street.start()
    events.wait("node", node="h2", state="added")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # until the job that watches it is there
        h2.run("ip address add 192.0.2.2/32 dev lo; ip address del 192.0.2.2/32 dev lo")
        event = events.get(0.2)
        if event is not None and event.kind == "address":
            break
    else:
        pytest.fail("nobody listens to h2")
    street.remove(link)
    events.wait("link", state="removed")


def test_what_is_too_much_is_a_number(street: Lab, events: Events) -> None:
    batch = "for i in $(seq 0 250); do echo route add 198.51.100.$i dev eth0; done | ip -batch -"
    street.node("h1").run(batch)
    lost = events.wait("lost", node="h1")
    assert 0 < lost.count <= 60  # type: ignore[attr-defined]
    street.node("h1").run(batch.replace("add", "del"))


def test_who_is_slow_misses_the_oldest(street: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MOST_WAITING", 3)
    with street.events("address") as events:
        for _ in range(4):
            street.node("h1").run("ip address add 192.0.2.3/32 dev lo")
            street.node("h1").run("ip address del 192.0.2.3/32 dev lo")
        deadline = time.monotonic() + 20
        while events._missed < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        first = events.get()
    assert first is not None
    assert (first.kind, getattr(first, "count", None)) == ("lost", 5)


def test_only_what_was_asked_for_comes_and_the_end_is_an_end(street: Lab) -> None:
    events = street.events("service")
    street.link("r1", "www").down()
    street.link("r1", "www").up()
    assert events.get(0.3) is None
    threading.Timer(0.1, events.close).start()
    assert list(events) == []
    assert "closed" in repr(events)
    with pytest.raises(NotReady, match="no event of kind 'link'"):
        events.wait("link", timeout_s=1)


def test_what_fits_nothing_is_refused(street: Lab) -> None:
    with pytest.raises(BadArgument, match="'links' is no kind of event; there are link, node"):
        street.events("links")
    with pytest.raises(NotRunning):
        Lab(Host("h9"), name="life-none").events()


def test_the_end_of_the_lab_is_the_end_of_its_events(namespaces_engine: Engine) -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    lab = Lab(h1, quiet=True, engine=namespaces_engine).start()
    events = lab.events()
    threading.Timer(0.1, lab.stop).start()
    assert {event.kind for event in events} <= {"node", "link"}
    assert events.get(1) is None


def test_neighbours_of_ospf(namespaces_engine: Engine) -> None:
    # With something to find, so that the lab has started when they have found each other.
    r1 = Router("r1", routing="ospf", loopback=["10.9.0.1/32"])
    r2 = Router("r2", routing="ospf", loopback=["10.9.0.2/32"])
    link = Link(r1, r2)
    with Lab(r1, quiet=True, engine=namespaces_engine) as lab, lab.events("neighbour") as events:
        deadline = time.monotonic() + 20
        while events._reader._neighbours is None and time.monotonic() < deadline:
            time.sleep(0.02)
        link.down()
        events.wait("neighbour", node="r1", protocol="OSPF", neighbour="r2", state="down")
        link.up()
        events.wait("neighbour", node="r2", protocol="OSPF", neighbour="r1", state="up")


def test_another_program_hears_what_this_one_does(namespaces_engine: Engine, keep_lab) -> None:
    h1 = Host("h1")
    link = Link(h1, Host("h2"))
    lab = Lab(h1, name="life-two", keep=True, quiet=True, engine=namespaces_engine).start()
    keep_lab(lab.id)
    try:
        argv = [sys.executable, "-m", "playground", "events", lab.id, "--json", "--kind", "link"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = ""
            for _ in range(100):  # until it listens
                link.down()
                link.up()
                if process.poll() is not None:
                    break
                if select.select([process.stdout], [], [], 0.2)[0]:
                    line = process.stdout.readline()
                    break
            lab.stop()
            assert process.wait(60) == 0
        assert '"kind": "link"' in line
        assert '"a": "h1"' in line
    finally:
        lab.stop()


class Job:
    """A job of an agent's, of which this test says what it tells."""

    def __init__(self, *rows: object) -> None:
        self.signals: list[int] = []
        self._lines: queue.Queue[bytes] = queue.Queue()
        self.tell(*rows)

    def tell(self, *rows: object) -> None:
        for row in rows:
            self._lines.put(json.dumps(row).encode() + b"\n")

    def read_stdout(self) -> bytes:
        return self._lines.get(timeout=60)

    def signal(self, number: int) -> None:
        self.signals.append(number)
        self._lines.put(b"")


class Agent:
    """A line to an agent that starts these jobs, one after the other, and what it was asked."""

    def __init__(self, *jobs: Job) -> None:
        self._jobs = [*jobs]
        self.asked: list[list[int | None]] = []

    def start_job(self, op: str, *, nodes: Sequence[Mapping[str, Any]]) -> Job:
        self.asked.append([node["pid"] for node in nodes])
        if not self._jobs:
            raise AgentError("the line is closed")
        return self._jobs.pop(0)


def listen(agent: Agent, pids: Mapping[str, int], machines: Mapping[str, str]) -> Events:
    """h1 - h2, each end's link up."""
    h1 = Host("h1")
    Link(h1, Host("h2"))
    plan = make_plan([h1]).to_data()
    client = cast(Client, agent)
    watched = Watched(client, lambda: plan, lambda: pids, lambda: machines, lambda _: {}, list)
    return Events(watched, ["node", "link", "address"])


def eth0(pid: int, up: bool = True) -> dict[str, object]:
    return {"pid": pid, "interface": "eth0", "up": up, "carrier": up, "there": True}


def test_one_machine_tells_while_another_is_not_ready() -> None:
    first = Job(eth0(1), {"ready": True}, eth0(1, up=False), eth0(1, up=True))
    second = Job()
    timer = threading.Timer(0.3, lambda: second.tell({"ready": True}))
    timer.start()
    with listen(Agent(first, second, Job()), {"h1": 1, "h2": 2}, MACHINES) as events:
        assert events.wait("link", timeout_s=20, state="down").words == "h1 - h2 is down"
    timer.join()


def test_two_machines_may_count_their_processes_alike() -> None:
    pids = {"h1": global_pid(2, 7), "h2": global_pid(3, 7)}
    jobs = [Job(eth0(7), {"ready": True}) for _ in pids]
    with listen(Agent(*jobs, Job({"ready": True})), pids, MACHINES) as events:
        jobs[1].tell({"pid": 7, "interface": "lo", "address": "10.9.9.9/32", "there": True})
        events.wait("address", timeout_s=20, node="h2", interface="lo")
        jobs[0].tell(eth0(7, up=False))
        assert events.wait("link", timeout_s=20).words == "h1 - h2 is down"


def test_who_cannot_listen_everywhere_listens_nowhere() -> None:
    first = Job({"ready": True})
    with pytest.raises(AgentError):
        listen(Agent(first), {"h1": 1, "h2": 2}, MACHINES)
    assert first.signals == [15]


def test_a_node_made_anew_under_its_name_is_listened_to() -> None:
    pids = {"h1": 1, "h2": 2}
    first, anew, again = Job(eth0(1), {"ready": True}), Job(), Job()
    agent = Agent(first, anew, again)
    row = {"interface": "lo", "address": "10.9.9.9/32", "there": True}
    with listen(agent, pids, {}) as events:
        for old, new, job in ((1, 3, anew), (3, 4, again)):
            pids["h1"] = new
            first.tell({"pid": old, "died": True}, {"state": True})
            job.tell(eth0(new), {"ready": True}, {"pid": new, **row})
            events.wait("node", timeout_s=20, node="h1", state="died")
            events.wait("node", timeout_s=20, node="h1", state="made anew")
            events.wait("address", timeout_s=20, node="h1")
    assert agent.asked == [[1, 2, None], [3], [4]]


def test_a_time_that_is_none_is_refused(street: Lab, events: Events) -> None:
    with pytest.raises(WrongCall):
        events.wait()  # type: ignore[call-arg]
    with pytest.raises(BadArgument, match="timeout_s='x' is no number of seconds"):
        events.wait("address", timeout_s="x")  # type: ignore[arg-type]
