"""The guardian removes the containers of a lab whose owner was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.guardian import Guardian
from playground.engines.seam import LabLabels
from tests.slow_engine import SlowEngine

CLONE = Path(__file__).resolve().parents[3]

# An owner that is killed between the creation of its containers and their start.
OWNER = """
import os, signal, sys
from playground.engines.docker.container_configs import node_config
from playground.engines.docker.containers import create, start
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.guardian import Guardian
from playground.engines.seam import LabLabels, NodeContainer

lab = LabLabels(sys.argv[1], "test", "test@here:%d" % os.getpid())
guardian = Guardian.start(lab.id)
engine = DockerEngine()
with engine.server.line() as line:
    for number in range(4):
        node = NodeContainer(f"h{number}", f"h{number}", sys.argv[2])
        create(line, f"{lab.id}.{node.name}", node_config(lab, node))
    start(line, f"{lab.id}.h0")
    print("made", flush=True)
    {ending}
"""


def run_owner(lab: LabLabels, image: str, ending: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.replace("{ending}", ending), lab.id, image],
        env={**os.environ, "PYTHONPATH": str(CLONE)},
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "made\n"
        owner.wait(60)


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine) -> DockerEngine:
    """All of this is about Docker."""
    return docker_engine


@pytest.fixture(scope="module")
def image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    from playground.engines.images import make_image

    directory = tmp_path_factory.mktemp("images") / "sleeper"
    directory.mkdir()
    (directory / "Dockerfile").write_text(
        'ARG BASE\nFROM ${BASE}\nENTRYPOINT ["sleep", "infinity"]\n'
    )
    made = make_image(directory)
    engine.ensure_images([made])
    return made.tag


@pytest.mark.parametrize(
    "ending",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "raise SystemExit",
        # Forks, as multiprocessing makes them, hold the pipe's end as well.
        "os.fork() and os.kill(os.getpid(), signal.SIGKILL); __import__('time').sleep(15)",
    ],
    ids=["kill -9", "exit", "kill -9 beside a fork"],
)
def test_a_dead_owner_leaves_no_container(
    engine: DockerEngine, new_lab: Callable[[], LabLabels], image: str, ending: str
) -> None:
    lab = new_lab()
    run_owner(lab, image, ending)
    begin = time.monotonic()
    while engine._containers.listed(lab.id, everything=True):
        assert time.monotonic() < begin + 30, "the containers are still there"
        time.sleep(0.01)
    print(f"gone {time.monotonic() - begin:.2f} s after the owner's end")


# An owner that starts hosts by an engine at the end of a slow line.
STARTING = """
import os, sys
from playground.engines import owners
from playground.engines.docker.engine import DockerEngine
from playground.engines.seam import LabLabels, NodeContainer

lab = LabLabels(sys.argv[1], "test", owners.own_name(), mark=owners.own_mark())
engine = DockerEngine(sys.argv[3])
guardian = engine.guard(lab)
print("begins", flush=True)
engine.start_nodes(lab, [NodeContainer(f"h{n}", f"h{n}", sys.argv[2]) for n in range(3)])
"""


def test_containers_that_come_long_after_their_owners_end_go(
    engine: DockerEngine, new_lab: Callable[[], LabLabels], image: str, tmp_path: Path
) -> None:
    lab = new_lab()
    line = SlowEngine(tmp_path / "engine.sock", b"/containers/create")
    with contextlib.closing(line):
        argv = [sys.executable, "-c", STARTING, lab.id, image, line.url]
        with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(CLONE)}) as owner:
            for _ in range(3):
                assert line.held.acquire(timeout=60)
            owner.kill()
        # Longer than a guardian without a hint looks for more.
        time.sleep(2.5)
        assert engine.containers(lab.id) == set()
        line.go.set()
        for _ in range(3):
            assert line.answered.acquire(timeout=60)
        begin = time.monotonic()
        while engine.containers(lab.id):
            assert time.monotonic() < begin + 30, "the containers are still there"
            time.sleep(0.01)
        print(f"gone {time.monotonic() - begin:.2f} s after the engine had made the last")


# An owner whose guardian is killed with it, as a service manager does.
BOTH = """
import os, signal, sys
from playground.engines import owners
from playground.engines.docker.engine import DockerEngine
from playground.engines.seam import LabLabels, NodeContainer

engine = DockerEngine()
for lab_id, keep in ((sys.argv[1], False), (sys.argv[2], True)):
    lab = LabLabels(lab_id, "test", owners.own_name(), keep, owners.own_mark())
    guardian = engine.guard(lab)
    engine.start_nodes(lab, [NodeContainer("h1", "h1", sys.argv[3])])
    os.kill(guardian._process.pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_left_without_a_guardian_goes_when_the_next_lab_starts(
    engine: DockerEngine, new_lab: Callable[[], LabLabels], image: str
) -> None:
    left, kept, following = new_lab(), new_lab(), new_lab()
    argv = [sys.executable, "-c", BOTH, left.id, kept.id, image]
    subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(CLONE)}, timeout=120)
    records = {record.id: record for record in engine.labs()}
    assert kept.id in records
    if left.id in records:  # else another program's lab has started meanwhile
        assert records[left.id].is_stale
    engine.guard(following).release()
    assert engine.containers(left.id) == set()
    assert len(engine.containers(kept.id)) == 1


def test_a_guardian_that_was_released_removes_nothing(
    engine: DockerEngine, new_lab: Callable[[], LabLabels], image: str
) -> None:
    lab = new_lab()
    run_owner(lab, image, "guardian.release()")
    assert len(engine._containers.listed(lab.id, everything=True)) == 4


def test_a_guardian_goes_home_when_released() -> None:
    guardian = Guardian.start("no-such-lab", "unix:///nowhere")
    process = guardian._process
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
    guardian.release()
    guardian.release()
    assert process.returncode == 0


def test_a_guardian_that_was_killed_is_no_trouble() -> None:
    with Guardian.start("no-such-lab", "unix:///nowhere") as guardian:
        guardian._process.send_signal(signal.SIGKILL)
        guardian._process.wait(10)
