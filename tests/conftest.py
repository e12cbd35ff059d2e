"""Fixtures: the engines, labs of a test's own, and the check that nothing stays.

A test that asks for `engine` runs once on each, its labs too: a `Lab` finds its
engine by PLAYGROUND_ENGINE, and so does every program that a test starts.  Tests
of Docker itself ask for `docker_engine`.  Marks follow from that: ``engine`` for
what needs any, ``docker`` and ``namespaces`` for what needs the one.

"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.engines.choice import NAMES, VARIABLE
from playground.engines.docker.engine import DockerEngine
from playground.engines.images import all_images, helper_image, image_for, registry_image
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import WHAT_ONE_CANNOT, Engine, LabLabels, LabRecord
from playground.engines.swarm.engine import SwarmEngine
from playground.errors import EngineError
from tests import machine, second_kernel, workers
from tests.bytecode import keep_compiled
from tests.support_agent import needs_root
from tests.swarm_choice import SERVICES_THERE, is_chosen
from tests.swarm_machines import (
    HOME,
    OUTSIDE,
    RUNNING,
    SwarmOfTests,
    environment_of,
    found_swarm,
    lacking,
    running_swarm,
)

# How long what a dead owner left may take to disappear: the guardian looks for
# a second after the last it saw.
PATIENCE_S = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-on-swarm",
        action="store_true",
        help="run all tests on a Docker Swarm that can, not those of tests/swarm_choice.py alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Mark our labs; heed Ctrl-C, which some tests send themselves, also after a shell's `&`."""
    keep_compiled()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    machine.mark_labs(workers.is_worker(config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand a file's tests on one engine to one worker; pytest calls this where xdist is."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # it would put the groups of most tests first

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return workers.scope(nodeid)

    return Scheduler(config, log)


# -- which engine ------------------------------------------------------------


def engine_of(item: pytest.Item) -> str | None:
    """Return the name of the engine that a test runs on, if it needs one."""
    parameters = getattr(item, "callspec", None)
    if parameters is not None and "engine" in parameters.params:
        return str(parameters.params["engine"])
    for name in NAMES:
        if f"{name}_engine" in getattr(item, "fixturenames", ()):
            return name
    return None


TESTS = Path(__file__).parent
_not_collected = False

# Tests of pure functions, by where they stand: all of them take half a minute.
QUICK = {"display", "model", "planning", "test_errors.py", "test_floors.py", "test_init.py"}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    second_kernel.choose(config, items)
    if workers.is_worker(config):
        items.sort(key=_in_turn(items))
    _leave_out_swarm(config, items)
    _refuse_addresses(items)
    for item in items:
        where = item.path.relative_to(TESTS).parts[0] if TESTS in item.path.parents else ""
        # What makes namespaces runs programs in them, which a machine may lack: ip, ping.
        pure = not engine_of(item) and needs_root.mark not in item.iter_markers("skipif")
        if where in QUICK and pure:
            item.add_marker("quick")
        if name := engine_of(item):
            item.add_marker("engine")
            item.add_marker(name)


def _refuse_addresses(items: list[pytest.Item]) -> None:
    """Raise `UsageError` for a test whose name is another one in the next process."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(
                f"the name of a test holds an address of this process's memory, and workers "
                f"could not agree on what to run: give its parameters ids; {item.nodeid[:200]}"
            )


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember that not all tests were found, of a worker's too."""
    global _not_collected
    _not_collected |= report.failed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End as an interrupted run does where not all tests were found, with workers too.

    The status of tests that failed would have scripts/test run them again, which are none.

    """
    if _not_collected and session.exitstatus == pytest.ExitCode.TESTS_FAILED:
        session.exitstatus = pytest.ExitCode.INTERRUPTED


def _in_turn(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[bool, ...]]:
    """Return a key that puts first what takes long, so that all workers end at once.

    The second kernel comes first of all, then the swarm, whose tests one worker has to run, and
    last what has to be alone: it would wait for those, and with it the other workers.  Of what
    needs no engine, those of the whole package are the longest.

    """
    waiting = {workers.scope(item.nodeid) for item in items if item.get_closest_marker("alone")}

    def key(item: pytest.Item) -> tuple[bool, ...]:
        return (
            item.path.name != "test_second_kernel.py",
            workers.scope(item.nodeid) != "swarm",
            workers.scope(item.nodeid) in waiting,
            engine_of(item) is None,
            item.path.parent != TESTS,
        )

    return key


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests ran on the second kernel."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == second_kernel.MARK:
                terminalreporter.write_line(f"second kernel: {value}")


def _leave_out_swarm(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the swarm what was chosen for it: to start a lab there takes seconds."""
    everything = bool(config.getoption("--all-on-swarm"))

    def stays(item: pytest.Item) -> bool:
        if engine_of(item) != "swarm" or TESTS not in item.path.parents:
            return True
        file = item.path.relative_to(TESTS)
        is_own = "engine" not in getattr(getattr(item, "callspec", None), "params", {})
        return is_own or is_chosen(file, item.name.partition("[")[0], everything)

    left = [item for item in items if not stays(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set PLAYGROUND_ENGINE for a test and its fixtures of any scope."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        if workers.is_worker(item.config):
            alone = item.get_closest_marker("alone") is not None
            stack.enter_context(workers.turn(alone))
        if name := engine_of(item):
            patch.setenv(VARIABLE, name)
            if name == "swarm":
                for variable, value in environment_of(HOME).items():
                    patch.setenv(variable, value)
                # One machine would be enough for any of these labs.
                patch.setenv("PLAYGROUND_SPREAD", "3")
        else:
            patch.delenv(VARIABLE, raising=False)
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the table says that this engine cannot do."""
    for mark in item.iter_markers("cannot"):
        name, what = mark.args
        (reason,) = (row.reason(name) for row in WHAT_ONE_CANNOT if row.what == what)
        assert reason, f"{name} can do this, says the table: {what}"
        if engine_of(item) == name:
            pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The Docker engine that the environment leads to; without one, skip (in CI: fail)."""
    engine = DockerEngine()
    _check(engine)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def namespaces_engine() -> Iterator[NamespacesEngine]:
    """The engine of bare namespaces; where it cannot run all labs, skip (in CI: fail)."""
    engine = NamespacesEngine()
    _check(engine)
    if os.geteuid() != 0:
        _do_without("hosts with services need root on the namespaces engine")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def swarm(request: pytest.FixtureRequest) -> Iterator[SwarmOfTests]:
    """A Docker Swarm of three machines, all on this one, with images of the machine's engine."""
    if os.geteuid() != 0 or lacking():
        _do_without(f"a swarm of tests needs root, and the programs {' '.join(lacking())}")
    everything = bool(request.config.getoption("--all-on-swarm"))
    images = all_images() if everything else [image_for(services) for services in SERVICES_THERE]
    images = [*images, registry_image()]
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(DockerEngine()) as docker:
        patch.delenv("DOCKER_HOST", raising=False)
        if "DOCKER_HOST" in OUTSIDE:
            patch.setenv("DOCKER_HOST", OUTSIDE["DOCKER_HOST"])
        _check(docker)
        docker.ensure_images(images)
    with contextlib.nullcontext(found_swarm(HOME)) if RUNNING else running_swarm() as made:
        made.load([image.tag for image in (helper_image(), *images)])
        yield made


@pytest.fixture(scope="session")
def swarm_engine(swarm: SwarmOfTests) -> Iterator[SwarmEngine]:
    """The engine of that swarm; the environment leads to it too, while a test runs on it."""
    with contextlib.closing(SwarmEngine(swarm.manager.url)) as engine:
        yield engine


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn, a module at a time."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


def _check(engine: DockerEngine | NamespacesEngine) -> None:
    try:
        engine.check()
    except EngineError as error:
        _do_without(str(error))


def _do_without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs both engines, but {reason}")
    pytest.skip(reason)


# -- labs --------------------------------------------------------------------


@pytest.fixture
def new_lab(engine: Engine) -> Iterator[Callable[[], LabLabels]]:
    """Make the labels of labs that are stopped when the test ends."""
    made: list[LabLabels] = []

    def make(name: str = "test", keep: bool = False) -> LabLabels:
        owner = f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
        made.append(LabLabels(f"{name}-{secrets.token_hex(3)}", name, owner, keep))
        return made[-1]

    yield make
    for labels in made:
        engine.stop(labels.id)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each engine test: nothing of its labs, and the machine as it was before."""
    name = engine_of(request.node)
    if name is None or machine.THROWN_AWAY:
        yield
        return
    engine: Engine = request.getfixturevalue(f"{name}_engine")
    before = {record.id for record in engine.labs()} | machine.labs_with_remains()
    children = machine.children()
    state = machine.state()
    yield
    # Fixtures of a wider scope may keep labs for tests that follow.
    kept = before | set(getattr(request.session, "kept_labs", ()))
    _wait_for(lambda: _ours(engine.labs(), kept), [], "labs were left")
    _wait_for(lambda: machine.labs_with_remains() - kept, set(), "remains of labs were left")
    _wait_for(lambda: machine.children() - children, set(), "processes were left")
    _wait_for(lambda: machine.changed(state), {}, "the machine itself was changed")


@pytest.fixture(scope="session")
def keep_lab(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell `nothing_left` that the lab of this id belongs to a fixture of wider scope."""
    kept: set[str] = set()
    request.session.kept_labs = kept  # type: ignore[attr-defined]
    return kept.add


def _ours(records: list[LabRecord], before: set[str]) -> list[LabRecord]:
    """Labs that came since, of this process or of one that is no more.

    Other programs may use the engine at the same time; their labs have an
    owner that lives.

    """
    return [
        record
        for record in records
        if record.id not in before and not machine.is_elsewhere(record.owner)
    ]


def _wait_for(look: Callable[[], Any], wanted: Any, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := look()) != wanted:
        if time.monotonic() > deadline:
            pytest.fail(f"{complaint}: {seen!r}, not {wanted!r}")
        time.sleep(0.05)
