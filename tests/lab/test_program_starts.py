"""Programs of the user's own on hosts: begun when the network is there, controlled, waited for."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import Host, Lab, LabWarning, Link, Switch
from playground.engines.seam import Engine
from playground.errors import BadArgument, EngineError, NotReady, TopologyError
from playground.lab.program_starts import programs_of, waves
from playground.operations.programs import program as program_module
from playground.operations.programs.program import Program
from playground.planning.plan import NodePlan
from playground.planning.program_plans import Healthcheck

# Says what its network is when it begins, then waits to be told to end.
WATCHED = "trap 'echo told to end; exit 0' TERM; ip -o addr show eth0; while :; do sleep 0.1; done"

# Leaves the foreground, and is well a moment after that.
DAEMON = "setsid sh -c 'sleep 0.4; touch /tmp/up' & sleep 0.2"

SLOW = "sleep 0.5; date +%s.%N; touch /tmp/well; sleep 999"


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan", subnet="10.7.0.0/24")
    for name, line, said in (
        ("watched", WATCHED, {}),
        ("faithful", "echo run; sleep 0.05; exit 3", {"restart": "always"}),
        ("brief", "echo done; echo besides >&2", {}),
        ("stubborn", "trap '' TERM; while :; do sleep 0.1; done", {"stop_timeout_s": 0.1}),
        ("slow", SLOW, {"healthcheck": "test -e /tmp/well"}),
        ("patient", "date +%s.%N", {"after": "slow"}),
        ("migrate", "sleep 0.5; date +%s.%N", {}),
        ("later", "date +%s.%N; sleep 999", {"after": {"migrate": "ended"}}),
        ("daemon", DAEMON, {"healthcheck": "test -e /tmp/up"}),
    ):
        Link(lan, Host(name, command=["sh", "-c", line], **said))
    with Lab(lan, name="programs", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def main(lab: Lab, name: str) -> Program:
    found = lab.node(name).services["main"]
    assert isinstance(found, Program)
    return found


def test_a_program_begins_when_its_host_has_its_addresses(lab: Lab) -> None:
    assert str(lab.node("watched").address) in main(lab, "watched").log()


def test_a_program_is_stopped_and_started(lab: Lab) -> None:
    program = main(lab, "watched")
    assert program.status() == "running"
    program.stop()
    assert program.status() == "stopped"
    assert program.log().endswith("told to end\n")
    program.start()
    program.start()  # it runs
    assert program.running
    program.restart()
    assert program.log().count("told to end") == 2
    assert repr(program) == "<program main of watched: running>"


def test_who_does_not_end_when_told_is_killed(lab: Lab) -> None:
    program = main(lab, "stubborn")
    program.stop()
    assert program.status() == "stopped"


def test_a_program_that_ends_is_started_again(lab: Lab) -> None:
    program = main(lab, "faithful")
    deadline = time.monotonic() + 20
    while program.log().count("run") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert program.status() in ("running", "restarting")


def test_a_program_may_have_done_its_work(lab: Lab) -> None:
    program = main(lab, "brief")
    assert program.status() == "ended with status 0"
    assert program.log() == "done\nbesides\n"
    assert program.log(lines=1) == "besides\n"
    assert program.log(lines=0) == ""
    with pytest.raises(BadArgument, match="no whole number"):
        program.log(lines=-1)


def test_the_start_waits_until_a_healthcheck_succeeds(lab: Lab) -> None:
    assert lab.node("slow").run("test -e /tmp/well").returncode == 0


def test_programs_are_among_the_services(lab: Lab) -> None:
    services = lab.node("watched").services
    assert list(services) == ["main"]
    [row] = services.table()
    assert (row.service, row.ports, row.programs) == ("main", (), ("main",))
    assert "main" not in Host("h9", command="x").services.__repr__()


def test_a_program_begins_when_the_one_whose_end_it_waits_for_has_ended(lab: Lab) -> None:
    assert main(lab, "migrate").status() == "ended with status 0"
    assert float(main(lab, "later").log()) >= float(main(lab, "migrate").log())


def test_a_healthcheck_is_asked_though_the_program_left_the_foreground(lab: Lab) -> None:
    assert main(lab, "daemon").status() == "ended with status 0"
    assert lab.node("daemon").run("test -e /tmp/up").returncode == 0


def test_a_server_that_has_ended_is_told_of(namespaces_engine: Engine) -> None:
    brief = Host("brief", command="true", publish=80)
    Link(brief, Host("h2"))
    words = r"brief: its program main \(true\) has ended with status 0: it has done its work"
    lab = Lab(brief, name="told", engine=namespaces_engine, quiet=True)
    with pytest.warns(LabWarning, match=words) as told, lab:
        pass
    assert told[0].filename == __file__


def test_a_published_port_is_waited_for(
    namespaces_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Host("late", command="sleep 1; exec python3 -m http.server 80", publish=80)
    Link(late, Host("h2"))
    with Lab(late, name="late", engine=namespaces_engine, quiet=True) as lab:
        assert urllib.request.urlopen(lab.published[0]).status == 200
    monkeypatch.setattr(program_module, "_LISTEN_LIMIT_S", 0.3)
    astray = Host("astray", command="sleep 60", publish=80)
    Link(astray, Host("h3"))
    words = r"astray: its program main \(sleep 60\) runs, and nothing .* port 80 after 0.3 s"
    lab = Lab(astray, name="astray", engine=namespaces_engine, quiet=True)
    with pytest.warns(LabWarning, match=words), lab:
        pass


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"command": ["sh", "-c", "echo no database; exit 3"]},
            r"main of h1 \(sh -c echo no database; exit 3\) ended with status 3\n.*its log:\n"
            r"    no database",
        ),
        ({"command": "nosuch"}, "main of h1 .* not started: there is no program 'nosuch'"),
        (
            {"command": "sleep 999", "healthcheck": "echo ill; exit 1"},
            r"was not well after [0-9.]+ s: its healthcheck ended with status 1: ill \(3 times",
        ),
        (
            {"command": "true", "healthcheck": "exit 1"},
            r"main of h1 \(true\) ended with status 0, and was not well after",
        ),
    ],
    ids=["fails", "missing", "ill", "left the foreground"],
)
def test_a_program_that_fails_ends_the_start(
    engine: Engine, said: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = Healthcheck.failures_due  # three failures, one each 30 s; here each 0.3 s
    monkeypatch.setattr(Healthcheck, "failures_due", lambda self, s: due(self, s * 100))
    h1 = Host("h1", **said)
    Link(h1, Host("h2"))
    with pytest.raises(NotReady, match=sentence), Lab(h1, name="failing", quiet=True):
        pass


def test_a_user_whom_the_image_has_not_is_told_with_the_host(engine: Engine) -> None:
    h1 = Host("h1", user="nosuch", command="sleep 999")
    Link(h1, Host("h2"))
    words = "h1: .* has no user 'nosuch': its /etc/passwd does not name one"
    with pytest.raises(EngineError, match=words), Lab(h1, name="accountless", quiet=True):
        pass


def test_a_program_begins_when_the_one_that_it_waits_for_is_well(lab: Lab) -> None:
    well, begun = (float(main(lab, name).log()) for name in ("slow", "patient"))
    assert well < begun


def chain(**after: Any) -> list[NodePlan]:
    lan = Switch("lan")
    for name in ("a", "b.example", "c"):
        Link(lan, Host(name, command="true", after=after.get(name[0])))
    return list(Lab(lan, quiet=True, engine="namespaces").plan().nodes)


@pytest.mark.parametrize(
    ("after", "order"),
    [
        ({}, [["a", "b.example", "c"]]),
        ({"a": "b"}, [["b.example", "c"], ["a"]]),
        ({"a": ["B.example", "c"], "c": "b"}, [["b.example"], ["c"], ["a"]]),
    ],
)
def test_programs_begin_in_waves(after: dict[str, Any], order: list[list[str]]) -> None:
    nodes = chain(**after)
    assert [list(wave) for wave in waves(nodes, programs_of(nodes, {}))] == order


@pytest.mark.parametrize(
    ("after", "words"),
    [({"a": "b", "b": "a"}, "wait for each other"), ({"a": "z"}, "'z' is no host of this lab")],
)
def test_what_would_never_begin_is_refused(after: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        waves(chain(**after), {})
