"""A lab of namespaces ends with any of the processes that hold it, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from playground import AgentGone, EngineError, Host, Lab, Link, NodeDied
from playground.display import progress
from playground.engines.namespaces import keeper_line, labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import LabLabels, NodeContainer
from playground.model.containers.limits import Limits
from tests import census
from tests.census import children, descendants, has_ended, wait_until
from tests.facts import assert_can_ping

# No two runs of these tests share a lab's name.
NAME = f"faults-{os.getpid()}"

CLONE = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def nothing_stays(namespaces_engine: NamespacesEngine) -> Iterator[None]:
    """Count processes, networks, mounts, control groups and descriptors around each test."""
    census.wait_for_fork_server()
    with census.adopting():
        before = census.take(NAME)
        yield
        census.wait_for_return(NAME, before)


def pair() -> tuple[Host, Host]:
    # With a limit, for control groups that could be left.
    h1, h2 = Host("h1", processes=200), Host("h2")
    Link(h1, h2)
    return h1, h2


@contextlib.contextmanager
def program(text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of its own process; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), NAME, *arguments],
        env={**os.environ, "PYTHONPATH": str(CLONE)},
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")


def spread(calls: int, count: int) -> list[int]:
    """Return moments from the first call to almost the last; another start may have fewer."""
    return [1 + calls * 9 // 10 * number // (count - 1) for number in range(count)]


# -- the owner killed while it starts a lab -------------------------------------------

# For every number that it reads it starts a lab in a child, which is killed when
# it has called that many functions of ours since the start began; 0: not at all.
# So no moment depends on how fast this machine is.
STARTER = """
    import os, signal, sys, threading
    from playground import Host, Lab, Link
    from playground.lab import apply
    from playground.engines.namespaces import fork_client
    from playground.engines.namespaces import keeper_line
    from playground.engines.namespaces import engine
    from playground.operations.connection import client
    from playground.lab import lab as lab_module, labs_of_this_process, node_handles, state
    from playground.lab.methods import attaching, starting, stopping
    from playground.examples import miniature_internet

    ROOMS = (
        apply, lab_module, state, labs_of_this_process, node_handles, attaching, starting, stopping,
        fork_client, keeper_line, engine, client,
    )
    FILES = [room.__file__ for room in ROOMS]
    calls = 0

    def start(limit):
        def count(frame, event, argument):
            global calls
            if event == "call" and frame.f_code.co_filename in FILES:
                calls += 1
                if calls == limit:
                    os.kill(os.getpid(), signal.SIGKILL)
                if frame.f_code.co_name == "release":  # from here on a lab is kept
                    print(calls, flush=True)

        if sys.argv[2] == "attached":
            threading.setprofile(count)
            sys.setprofile(count)
            lab = Lab.attach(sys.argv[1], quiet=True)
            sys.setprofile(None)
            print(calls, flush=True)
            lab.detach()
            return
        if sys.argv[2] == "kept":
            h1, h2 = Host("h1", processes=200), Host("h2")
            Link(h1, h2)
            lab = Lab(h1, name=sys.argv[1], keep=True, quiet=True)
        else:
            lab = miniature_internet()
            lab.name = sys.argv[1]
        threading.setprofile(count)
        sys.setprofile(count)
        lab.start()
        sys.setprofile(None)
        if sys.argv[2] != "kept":
            print(calls, flush=True)
        lab.stop()

    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            start(int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)
"""


@pytest.mark.parametrize(("kind", "moments"), [("miniature internet", 12), ("kept", 8)])
def test_nothing_is_left_of_a_lab_whose_owner_is_killed_while_it_starts(
    kind: str, moments: int
) -> None:
    with program(STARTER, kind) as starter:
        tell(starter, 0)
        calls = int(said(starter))
        assert calls > 20
        assert int(said(starter)) == 0
        bare = [starter.pid]
        wait_until(lambda: family() == bare, what="the lab that was started for the count")
        for moment in spread(calls, moments):
            tell(starter, moment)
            assert os.WTERMSIG(int(said(starter))) == signal.SIGKILL
            wait_until(lambda: family() == bare, what=f"killed at call {moment} of {calls}")


def family() -> list[int]:
    census.bury()
    return descendants(os.getpid())


# The same with Ctrl-C, which goes to all processes of a terminal; the lab is then
# started once more by the same program.
INTERRUPTED = """
    import os, signal, sys, threading, time
    from playground import Host, Lab, Link
    from playground.lab import apply
    from playground.engines.namespaces import fork_client
    from playground.engines.namespaces import keeper_line
    from playground.engines.namespaces import engine
    from playground.operations.connection import client
    from playground.lab import lab as lab_module, labs_of_this_process, node_handles, state
    from playground.lab.methods import attaching, starting, stopping

    ROOMS = (
        apply, lab_module, state, labs_of_this_process, node_handles, attaching, starting, stopping,
        fork_client, keeper_line, engine, client,
    )
    FILES = [room.__file__ for room in ROOMS]
    calls = 0

    def count(frame, event, argument):
        global calls
        if event == "call" and frame.f_code.co_filename in FILES:
            calls += 1
            if calls == limit:
                os.killpg(0, signal.SIGINT)

    # Python takes the end of a `with lock:` in one step, which nothing interrupts but
    # what a profiler does within it: there an interrupt has to wait for its end.
    def interrupt(number, frame):
        if frame.f_code is count.__code__:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            raise KeyboardInterrupt

    def start(wanted):
        global limit
        limit = wanted
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, interrupt)
        h1, h2 = Host("h1", processes=200), Host("h2")
        Link(h1, h2)
        lab = Lab(h1, name=sys.argv[1], quiet=True)
        before = len(os.listdir("/proc/self/fd"))
        threading.setprofile(count)
        sys.setprofile(count)
        try:
            lab.start()
            print(calls, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.setprofile(None)
        threading.setprofile(None)
        lab.stop()
        # The fork server's go a little later.
        end = time.monotonic() + 10
        while len(os.listdir("/proc/self/fd")) != before and time.monotonic() < end:
            time.sleep(0.01)
        print(len(os.listdir("/proc/self/fd")) - before, flush=True)
        sys.stdin.readline()
        lab.start()
        print(h1.ping(h2, count=1).received, flush=True)
        lab.stop()

    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            start(int(line))
            os._exit(0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.waitpid(child, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
"""


def test_nothing_is_left_of_a_lab_that_is_interrupted_while_it_starts() -> None:
    with program(INTERRUPTED) as starter:
        tell(starter, 0)
        calls = int(said(starter))
        assert said(starter) == "0"
        tell(starter, "")
        assert said(starter) == "1"
        for moment in spread(calls, 10):
            tell(starter, moment)
            assert said(starter) == "interrupted"
            assert said(starter) == "0", f"descriptors after call {moment} of {calls}"
            wait_until(lambda: len(family()) == 2, what=f"after call {moment} of {calls}")
            tell(starter, "")
            assert said(starter) == "1"


def test_nothing_is_left_of_who_is_killed_while_entering_a_kept_lab(
    namespaces_engine: NamespacesEngine,
) -> None:
    lab = Lab(*pair(), name=NAME, keep=True, engine=namespaces_engine, quiet=True).start()
    lab.detach()
    try:
        with program(STARTER, "attached") as starter:
            tell(starter, 0)
            calls = int(said(starter))
            assert int(said(starter)) == 0
            there = wait_until(lambda: len(family()) == 5 and family(), what="the lab and this")
            for moment in spread(calls, 6):
                tell(starter, moment)
                assert os.WTERMSIG(int(said(starter))) == signal.SIGKILL
                wait_until(family, there, what=f"killed at call {moment} of {calls}")
        with Lab.attach(NAME, engine=namespaces_engine, quiet=True) as again:
            assert_can_ping(node(again, "h1"), "h2")
    finally:
        namespaces_engine.stop(lab.id)


OWNER = """
    import os, signal, sys
    from playground import Host, Lab, Link
    h1, h2 = Host("h1", processes=200), Host("h2")
    Link(h1, h2)
    with Lab(h1, name=sys.argv[1], quiet=True):
        {ending}
        print("started", flush=True)
        input()
        os._exit(0)
"""


@pytest.mark.parametrize("ending", ["kill -9", "exit"])
def test_nothing_is_left_of_a_running_lab_whose_owner_is_gone(ending: str) -> None:
    with program(OWNER.replace("{ending}", "")) as owner:
        assert said(owner) == "started"
        assert len(family()) >= 5  # the owner, keeper, agent, two hosts
        if ending == "exit":
            tell(owner, "")
        else:
            owner.kill()
        owner.wait(10)
        wait_until(lambda: family() == [], what=f"after {ending}")


def test_a_lab_ends_though_a_fork_of_its_owner_holds_all_its_lines() -> None:
    fork = "fork = os.fork() or signal.pause(); print(fork, flush=True)"
    with program(OWNER.replace("{ending}", fork)) as owner:
        fork_pid = int(said(owner))
        assert said(owner) == "started"
        owner.kill()
        owner.wait(10)
        try:
            wait_until(lambda: family() == [fork_pid], what="all but the fork")
        finally:
            os.kill(fork_pid, signal.SIGKILL)


# -- the processes of a lab killed ----------------------------------------------------


@pytest.fixture
def lab(namespaces_engine: NamespacesEngine) -> Iterator[Lab]:
    with Lab(*pair(), name=NAME, engine=namespaces_engine, quiet=True) as lab:
        yield lab


def keeper(lab: Lab) -> int:
    found = labels.find_keeper(lab.id)
    assert found is not None
    return found


def agent(lab: Lab) -> int:
    """The first process of a lab."""
    (first,) = children(keeper(lab))
    return first


def first_process(lab: Lab, name: str) -> int:
    return labels.find_nodes(lab.id)[name][0]


def node(lab: Lab, name: str) -> Host:
    found = lab[name]
    assert isinstance(found, Host)
    return found


@pytest.mark.parametrize("victim", [agent, keeper])
def test_a_lab_is_gone_at_once_with_what_holds_it(lab: Lab, victim: Callable[[Lab], int]) -> None:
    there = [keeper(lab), *descendants(keeper(lab))]
    job = node(lab, "h1").start("sleep 1000")
    os.kill(victim(lab), signal.SIGKILL)
    wait_until(lambda: all(map(has_ended, there)), what="the lab's processes")
    with pytest.raises(AgentGone):
        job.wait()
    with pytest.raises(AgentGone) as caught:
        node(lab, "h1").run("true")
    assert str(caught.value).startswith(
        "the line to the lab's agent is closed: the lab was stopped, or its helper has died; "
        "lab.stop() and lab.start() bring it back"
    )
    assert NAME not in [record.name for record in lab._state.engine.labs()]
    lab.stop()
    lab.start()
    assert_can_ping(node(lab, "h1"), "h2")


def test_a_dead_lab_says_so_when_it_is_to_grow(lab: Lab) -> None:
    os.kill(agent(lab), signal.SIGKILL)
    Link(node(lab, "h2"), Host("h3"))
    # Which of the lab's processes is missed first is the kernel's choice.
    with pytest.raises((AgentGone, EngineError, NodeDied), match=r"stop.* start"):
        lab.start()
    lab.stop()


def test_a_dead_host_is_named_and_the_others_go_on(lab: Lab) -> None:
    h1, h2 = node(lab, "h1"), node(lab, "h2")
    os.kill(first_process(lab, "h2"), signal.SIGKILL)
    wait_until(lambda: "h2" not in labels.find_nodes(lab.id))
    with pytest.raises(NodeDied, match="h2"):
        h2.run("true")
    assert h1.run("hostname").stdout == "h1\n"
    Link(h1, Host("h3"))
    with pytest.raises(NodeDied) as caught:
        lab.start()
    assert str(caught.value) == (
        f"h2 has died since lab {NAME} was started: stop the lab and start it again"
    )
    for look in (lab.state, lambda: lab.explain(h1, "h2")):
        with pytest.raises(NodeDied, match="h2 has died"):
            look()
    assert h1.run("hostname").stdout == "h1\n"
    lab.stop()
    lab.start()
    assert_can_ping(h1, h2)


def test_an_interrupt_while_hosts_are_added_leaves_the_lab_as_it_was(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node(lab, "h1")
    new = [Host(f"h{number}") for number in range(3, 9)]
    for host in new:
        Link(h1, host)
    before = set(family())

    def interrupt(step: object, count: int = 1) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress._NoStep, "advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lab.start()
    assert lab._state.engine.pids(lab.id).keys() == {"h1", "h2"}
    # A host's first process that was killed may lie there until its maker has ended.
    wait_until(lambda: before.issuperset(pid for pid in family() if not has_ended(pid)))
    monkeypatch.undo()
    lab.start()
    assert_can_ping(h1, new[-1])


# -- makers ---------------------------------------------------------------------------


@pytest.fixture
def empty(namespaces_engine: NamespacesEngine) -> Iterator[tuple[LabLabels, list[int]]]:
    """A lab without hosts, and its makers."""
    lab = LabLabels(f"{NAME}-made", NAME, f"test@here:{os.getpid()}")
    namespaces_engine.guard(lab)
    try:
        namespaces_engine.start_helper(lab)
        found = labels.find_keeper(lab.id)
        assert found is not None
        (first,) = children(found)
        yield lab, children(first)
    finally:
        namespaces_engine.stop(lab.id)


def containers(count: int) -> list[NodeContainer]:
    return [NodeContainer(f"h{number}", f"h{number}", None) for number in range(count)]


def test_one_maker_less_makes_no_difference(
    namespaces_engine: NamespacesEngine, empty: tuple[LabLabels, list[int]]
) -> None:
    lab, makers = empty
    assert len(makers) > 1
    os.kill(makers[0], signal.SIGKILL)
    wait_until(lambda: has_ended(makers[0]))
    pids = namespaces_engine.start_nodes(lab, containers(20))
    assert len(set(pids.values())) == 20
    assert namespaces_engine.pids(lab.id) == pids


def test_makers_are_in_no_group_of_a_host(
    namespaces_engine: NamespacesEngine, empty: tuple[LabLabels, list[int]]
) -> None:
    lab, makers = empty
    limited = NodeContainer("limited", "limited", None, limits=Limits(processes=50))
    before = [Path(f"/proc/{pid}/cgroup").read_text() for pid in makers]
    for _ in range(2):
        namespaces_engine.start_nodes(lab, [limited, *containers(6)])
        assert [Path(f"/proc/{pid}/cgroup").read_text() for pid in makers] == before
        namespaces_engine.stop(lab.id, ["limited", *(node.name for node in containers(6))])
        assert namespaces_engine.pids(lab.id) == {}


def test_without_makers_no_host_is_made_and_none_is_left(
    namespaces_engine: NamespacesEngine, empty: tuple[LabLabels, list[int]]
) -> None:
    lab, makers = empty
    for pid in makers:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineError, match=f"the makers of lab {lab.id} were killed"):
        namespaces_engine.start_nodes(lab, containers(20))
    assert namespaces_engine.pids(lab.id) == {}


def test_makers_that_do_not_answer_are_not_waited_for_for_ever(
    namespaces_engine: NamespacesEngine,
    empty: tuple[LabLabels, list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab, makers = empty
    monkeypatch.setattr(keeper_line, "_MAKE_LIMIT_S", 0.2)
    monkeypatch.setattr(keeper_line, "_GIVEN_UP_S", 0.1)
    for pid in makers:
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineError) as caught:
        namespaces_engine.start_nodes(lab, containers(2))
    assert str(caught.value) == (
        f"no machine of lab {lab.id} was made for 0.2 s: the process that was to make it was "
        "killed, or this machine is overloaded; stop the lab and start it again"
    )
    with pytest.raises(EngineError, match="lost a machine while it was made: stop the lab"):
        namespaces_engine.start_nodes(lab, containers(2))


def is_in_a_host(pid: int, first: int) -> bool:
    """Whether a process is in another process-id namespace than the first of its lab."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino != os.stat(f"/proc/{first}/ns/pid").st_ino
    except OSError:
        return False  # it has ended


def test_a_maker_killed_over_its_work_leaves_no_half_made_host(
    namespaces_engine: NamespacesEngine,
    empty: tuple[LabLabels, list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab, makers = empty
    monkeypatch.setattr(keeper_line, "_MAKE_LIMIT_S", 1.0)
    monkeypatch.setattr(keeper_line, "_GIVEN_UP_S", 0.1)
    victim = makers[0]

    def kill_at_work() -> None:
        wait_until(lambda: children(victim))
        os.kill(victim, signal.SIGKILL)

    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_at_work)
        # Between two hosts it has none in its hands, and the others make them all.
        with contextlib.suppress(EngineError):
            namespaces_engine.start_nodes(lab, containers(100))
        killed.result()
    (first,) = children(labels.find_keeper(lab.id) or 0)
    # Killed at the very moment that it has started it, a maker leaves the process that holds
    # a user namespace, which waits for the lab's end: no host, and in no namespace of one.
    there = {pid for pid in set(children(first)) - set(makers) if is_in_a_host(pid, first)}
    hosts = {pids[0] for pids in labels.find_nodes(lab.id).values()}
    namespaces_engine.stop(lab.id, [node.name for node in containers(100)])
    wait_until(lambda: [pid for pid in there | hosts if not has_ended(pid)], [])
