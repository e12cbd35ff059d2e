"""Labs without Docker: side by side, kept, started again and again, refused."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import EngineError, Host, Lab, LabNotFound, Link
from playground.engines.namespaces import fork_client, keeper_line, labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem
from playground.engines.seam import LabLabels, NodeContainer
from tests import census
from tests.census import children, descendants, wait_until
from tests.facts import assert_can_ping, assert_cannot_ping

NAME = f"bare-{os.getpid()}"

CLONE = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def others(namespaces_engine: NamespacesEngine) -> Iterator[set[int]]:
    """Count processes, networks, mounts, control groups and descriptors around each test.

    Yields the processes that earlier tests of this run have left to go on beside it.

    """
    census.wait_for_fork_server()
    with census.adopting():
        before = census.take(NAME)
        try:
            yield set(descendants(os.getpid()))
            census.wait_for_return(NAME, before)
        finally:
            # What a test kept and did not stop would be found by the next one, by its name.
            for record in namespaces_engine.labs():
                if record.name == NAME:
                    namespaces_engine.stop(record.id)


def pair(subnet: str | None = None) -> tuple[Host, Host]:
    # With a limit, for control groups that could be left.
    h1, h2 = Host("h1", processes=200), Host("h2")
    Link(h1, h2, subnet=subnet)
    return h1, h2


def came_since(others: set[int]) -> set[int]:
    """Return the processes that came of this one and are not these."""
    return set(descendants(os.getpid())) - others


def node(lab: Lab, name: str) -> Host:
    found = lab[name]
    assert isinstance(found, Host)
    return found


@contextlib.contextmanager
def program(text: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of its own process; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), NAME],
        env={**os.environ, "PYTHONPATH": str(CLONE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# -- side by side ---------------------------------------------------------------------


def test_two_labs_have_the_same_addresses_and_nothing_in_common(
    namespaces_engine: NamespacesEngine,
) -> None:
    one, two = (
        Lab(*pair("10.9.8.0/24"), name=f"{NAME}-{number}", engine=namespaces_engine, quiet=True)
        for number in range(2)
    )
    with one, two:
        for lab in (one, two):
            node(lab, "h1").write("/root/lab", lab.id)
        for lab in (one, two):
            assert node(lab, "h1").read("/root/lab") == lab.id
            assert_can_ping(node(lab, "h1"), "10.9.8.2")
        node(one, "h2").run("ip link set eth0 down")
        assert_cannot_ping(node(one, "h1"), "10.9.8.2")
        assert_can_ping(node(two, "h1"), "10.9.8.2")
        one.stop()
        assert_can_ping(node(two, "h1"), "10.9.8.2")


OTHER = """
    import sys
    from playground import Host, Lab, Link
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2, subnet="10.9.8.0/24")
    with Lab(h1, name=sys.argv[1], quiet=True):
        print("started", flush=True)
        sys.stdin.readline()
        print(h1.ping(h2, count=1).received, flush=True)
"""


def test_two_programs_have_labs_of_one_name_with_the_same_addresses(
    namespaces_engine: NamespacesEngine,
) -> None:
    with program(OTHER) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        with Lab(*pair("10.9.8.0/24"), name=NAME, engine=namespaces_engine, quiet=True) as lab:
            assert_can_ping(node(lab, "h1"), "10.9.8.2")
            names = [record.name for record in namespaces_engine.labs()]
            assert names.count(NAME) == 2
        said, _ = other.communicate("\n", timeout=30)
        assert said == "1\n"


# -- kept -----------------------------------------------------------------------------

KEPT = """
    import sys
    from playground import Host, Lab, Link, Switch
    home = Switch("home")
    for name in ("h1", "h2"):
        Link(home, Host(name, processes=200))
    with Lab(home, name=sys.argv[1], keep=True, quiet=True) as lab:
        lab.node("h1").write("/root/note", "from the first program")
"""

EXTENDED = """
    import sys
    from playground import Host, Lab, Link
    with Lab.attach(sys.argv[1], quiet=True) as lab:
        h3 = Host("h3", processes=200)
        Link(lab["home"], h3)
        lab.start()
        print(lab.node("h1").read("/root/note"))
        print(h3.ping("h1", count=1).received, lab.node("h2").ping("h3", count=1).received)
"""

STOPPED = """
    import sys
    from playground import Lab
    lab = Lab.attach(sys.argv[1], quiet=True)
    print(*sorted(node.name for node in lab), lab.node("h3").ping("h2", count=1).received)
    lab.stop()
"""


def run(text: str) -> str:
    with program(text) as process:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    return said


def test_a_kept_lab_is_entered_extended_and_stopped_by_others(
    namespaces_engine: NamespacesEngine, others: set[int]
) -> None:
    run(KEPT)
    (record,) = (record for record in namespaces_engine.labs() if record.name == NAME)
    assert (record.nodes, record.keep) == (("h1", "h2"), True)
    assert run(EXTENDED) == "from the first program\n1 1\n"
    # Its own processes go on, and those that served the programs have ended with them.
    census.bury()
    wait_until(lambda: len(came_since(others)), 5, "keeper, first process, three hosts")
    assert run(STOPPED) == "h1 h2 h3 home 1\n"
    assert NAME not in [record.name for record in namespaces_engine.labs()]


def test_a_kept_lab_that_was_left_has_nothing_of_its_owner(
    namespaces_engine: NamespacesEngine, others: set[int]
) -> None:
    lab = Lab(*pair(), name=NAME, keep=True, engine=namespaces_engine, quiet=True)
    before = census.take(NAME).descriptors
    lab.start()
    try:
        (first,) = children(labels.find_keeper(lab.id) or 0)
        for _ in range(3):
            lab.detach()
            # Those of the fork server go a little later.
            wait_until(lambda: census.take(NAME).descriptors, before, "descriptors")
            there = wait_until(lambda: len(family := came_since(others)) == 4 and family)
            held = {os.readlink(f"/proc/{first}/fd/{name}") for name in range(3)}
            assert held == {"/dev/null"}
            assert len(os.listdir(f"/proc/{first}/fd")) == 3
            lab = Lab.attach(NAME, engine=namespaces_engine, quiet=True)
            assert there < came_since(others)
    finally:
        lab.stop()


def test_a_kept_lab_is_stopped_while_another_program_is_in_it(
    namespaces_engine: NamespacesEngine,
) -> None:
    run(KEPT)
    (record,) = (record for record in namespaces_engine.labs() if record.name == NAME)
    lab = Lab.attach(NAME, engine=namespaces_engine, quiet=True)
    namespaces_engine.stop(record.id)
    with pytest.raises(LabNotFound, match=f"no lab named '{NAME}' is running"):
        Lab.attach(NAME, engine=namespaces_engine)
    with pytest.raises(EngineError, match=f"lab {record.id} cannot be entered: it is gone"):
        namespaces_engine.connect(record.id)
    lab.stop()


# -- again and again ------------------------------------------------------------------


def test_a_hundred_starts_and_stops_leave_what_there_was(
    namespaces_engine: NamespacesEngine,
) -> None:
    h1, h2 = pair()
    lab = Lab(h1, h2, name=NAME, engine=namespaces_engine, quiet=True)
    # Beside another lab, for which the fork server stays.
    with Lab(*pair("10.9.0.0/24"), name=f"{NAME}-beside", engine=namespaces_engine, quiet=True):
        with lab:
            pass
        before = census.take(NAME)
        for number in range(100):
            with lab:
                assert h1.run("hostname").stdout == "h1\n"
            if number % 25 == 0:
                assert census.take(NAME) == before
        # At once: when a lab has stopped, nothing of it is still going.
        assert census.take(NAME) == before


def test_the_engine_remembers_no_lab_that_has_stopped(
    namespaces_engine: NamespacesEngine,
) -> None:
    with Lab(*pair(), name=NAME, engine=namespaces_engine, quiet=True):
        assert namespaces_engine._labs
    assert not namespaces_engine._labs


# -- refused --------------------------------------------------------------------------


@pytest.fixture
def empty(namespaces_engine: NamespacesEngine) -> Iterator[LabLabels]:
    """A lab without hosts."""
    lab = LabLabels(f"{NAME}-empty", NAME, f"test@here:{os.getpid()}")
    namespaces_engine.guard(lab)
    try:
        namespaces_engine.start_helper(lab)
        yield lab
    finally:
        namespaces_engine.stop(lab.id)


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        (
            RootFilesystem(("/",), (), ("no-such-program", "-v")),
            "a machine could not be made: h2: there is no program 'no-such-program' on the node "
            "(its PATH is /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)",
        ),
        (
            RootFilesystem(("/",), (), ("/etc/passwd",)),
            "a machine could not be made: h2: /etc/passwd on the node may not be run: is it an "
            "executable file?",
        ),
        (
            RootFilesystem(("/no/such/layer",), (), ("sleep", "1000")),
            "a machine could not be made: h2: No such file or directory: /no/such/layer",
        ),
        (
            RootFilesystem(("/",), (), ("sleep", "1000"), "/etc/passwd"),
            "a machine could not be made: h2: Not a directory: /etc/passwd",
        ),
    ],
    ids=["no such command", "no program", "no such layer", "no folder"],
)
def test_a_host_that_cannot_be_made_is_named_and_none_is_left(
    namespaces_engine: NamespacesEngine,
    empty: LabLabels,
    monkeypatch: pytest.MonkeyPatch,
    root: RootFilesystem,
    sentence: str,
) -> None:
    plain = RootFilesystem(("/",), (), ())
    roots = {None: plain, "broken": root}
    monkeypatch.setattr(namespaces_engine, "_root", roots.__getitem__)
    hosts = [NodeContainer(f"h{number}", f"h{number}", None) for number in range(5)]
    hosts[2] = NodeContainer("h2", "h2", "broken")
    with pytest.raises(EngineError) as caught:
        namespaces_engine.start_nodes(empty, hosts)
    assert str(caught.value) == sentence
    assert namespaces_engine.pids(empty.id) == {}
    hosts[2] = NodeContainer("h2", "h2", None)
    assert len(namespaces_engine.start_nodes(empty, hosts)) == 5


def test_a_host_with_a_power_that_none_may_have_is_refused(
    namespaces_engine: NamespacesEngine, empty: LabLabels
) -> None:
    host = NodeContainer("h1", "h1", None, cap_add=("NET_ADMIN", "SYS_ADMIN"))
    with pytest.raises(EngineError, match="a host cannot have the capability SYS_ADMIN"):
        namespaces_engine.start_nodes(empty, [host])
    assert namespaces_engine.pids(empty.id) == {}


def test_a_lab_that_nobody_started_gets_no_hosts(namespaces_engine: NamespacesEngine) -> None:
    lab = LabLabels("nobodys", "nobodys", "")
    with pytest.raises(EngineError) as caught:
        namespaces_engine.start_nodes(lab, [NodeContainer("h1", "h1", None)])
    assert str(caught.value) == "lab nobodys was not started, nor attached, by this program"


@pytest.fixture
def no_fork_server() -> Iterator[None]:
    """Begin and end without one, so that the next lab starts another."""
    census.wait_for_fork_server()
    yield
    census.wait_for_fork_server()


@pytest.mark.usefixtures("no_fork_server")
@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("raise SystemExit('no room')", "no room"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("", "it ended at once"),
    ],
)
def test_a_keeper_that_ends_at_once_is_told_of_with_its_last_words(
    namespaces_engine: NamespacesEngine,
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(fork_client, "_START", start)
    with pytest.raises(EngineError, match=sentence):
        Lab(*pair(), name=NAME, engine=namespaces_engine, quiet=True).start()


@pytest.mark.usefixtures("no_fork_server")
def test_a_keeper_that_says_nothing_is_not_waited_for_for_ever(
    namespaces_engine: NamespacesEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_client, "_START", "import time; time.sleep(1000)")
    monkeypatch.setattr(keeper_line, "_READY_LIMIT_S", 0.2)
    with pytest.raises(EngineError, match=r"nothing was heard of it for 0\.2 s"):
        Lab(*pair(), name=NAME, engine=namespaces_engine, quiet=True).start()


# An ordinary user, in a user namespace that may have no further ones: so a machine's
# settings forbid it.  Without its own look at them the engine finds out all the same.
LIMITED = """
    import ctypes, sys
    from pathlib import Path
    from playground import EngineError, Host, Lab
    from playground.engines.namespaces import privileges
    from playground.agent.kernel import syscalls as kernel
    libc = ctypes.CDLL(None)
    assert libc.unshare(0x10000000) == 0  # CLONE_NEWUSER
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("1000 0 1")
    Path("/proc/self/gid_map").write_text("1000 0 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    kernel.capset(0, 0, 0)
    settings = privileges._SETTINGS
    for looked_at in (settings, ()):
        privileges._SETTINGS = looked_at
        try:
            Lab(Host("h1"), name=sys.argv[1], quiet=True).start()
        except EngineError as error:
            print(error)
"""


def test_a_user_who_may_not_make_namespaces_is_told_what_forbids_it() -> None:
    assert run(LIMITED).splitlines() == [
        "an ordinary user may not make user namespaces on this machine: let root run "
        "`sysctl -w user.max_user_namespaces=15000`, run this as root, or use a Docker engine",
        "this program may not make user namespaces: whatever it runs in, a container or a "
        "sandbox, forbids it; run it outside of that, as root, or use a Docker engine",
    ]


# -- forks of the program -------------------------------------------------------------


FORKED = """
    import os, sys
    from playground import AgentGone, Host, Lab
    h1 = Host("h1")
    with Lab(h1, name=sys.argv[1], quiet=True) as lab:
        child = os.fork()
        if child == 0:
            try:
                h1.run("true", timeout_s=3)
            except AgentGone as error:
                print(error, flush=True)
            lab.stop()
            sys.exit(0)  # by way of the lab's __exit__
        os.waitpid(child, 0)
        print(h1.run("hostname").stdout, end="")
"""


def test_a_fork_of_the_program_neither_uses_nor_stops_the_lab() -> None:
    refusal, hostname = run(FORKED).splitlines()
    assert "of which this one is a fork: enter it with Lab.attach(...)" in refusal
    assert hostname == "h1"
