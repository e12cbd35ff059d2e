"""Machines of a Docker Swarm, all on this one: for tests, benchmarks and development.

Each is a dockerd of its own in namespaces of its own: network, mounts, host name, process
ids.  Their networks hang on a bridge in one more network namespace, where Debian's
docker-registry listens too.  Nothing is made in the machine's own network, its own engine is
only asked for images, and all goes with the process that made it, however that ends.

    python -m tests.swarm_machines [--machines 3] COMMAND...

runs a command with DOCKER_HOST, PLAYGROUND_ENGINE and PLAYGROUND_REGISTRY set.

"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground.engines.images import Image

# RFC 2544 keeps 198.18.0.0/15 for measurements in networks that lead nowhere else.
_NETWORK = "198.18.77"
_REGISTRY = f"{_NETWORK}.1:5000"
# Swarm's own networks come from here: labs use the rest of 10.0.0.0/8.
_POOL = "198.19.0.0/16"

_PATIENCE_S = 120.0

# What leads to the machine's own engine, whatever a test is told meanwhile.
OUTSIDE = dict(os.environ)

# Where the swarm of these tests is; one that runs already may be used (`scripts/swarm`).
RUNNING = os.environ.get("PLAYGROUND_TESTS_SWARM")
HOME = Path(RUNNING or f"/var/tmp/playground-swarm-{os.getpid()}")

# The first process of a machine: it has all of a dockerd's places in memory of its own, and
# waits for the cable.  As the first of its process ids it takes all others with it.
_MACHINE = """
set -e
name=$1; folder=$2; registry=$3; group=$4; network=$5
hostname "$name"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock "$folder/data"
# In memory: each engine unpacks the images anew, and all goes with the mount.
mount -t tmpfs -o mode=711 tmpfs "$folder/data"
n=0
while ! ip link show eth0 >/dev/null 2>&1; do
    n=$((n + 1)); [ $n -lt 600 ] || exit 1
    sleep 0.05
done
while :; do
dockerd --config-file "$folder/daemon.json" --data-root "$folder/data" \\
    --host unix:///run/docker.sock --host "unix://$folder/docker.sock" \\
    --insecure-registry "$registry" --insecure-registry "$network" --cgroup-parent "$group" \\
    --log-level warn >"$folder/log" 2>&1 &
wait $! || true
[ -e "$folder/restart" ] || exit 1
rm "$folder/restart"
done
"""


@dataclass(frozen=True)
class SwarmMachine:
    """One machine: its name in the swarm, and its engine's address for ``DOCKER_HOST``.

    ``process`` is its first process, by whose end all of it ends.

    """

    name: str
    url: str
    address: str
    process: int
    folder: Path

    def docker(self, *arguments: str, stdin: int | None = None) -> str:
        """Run the docker command at this machine's engine; return what it prints."""
        done = subprocess.run(
            ["docker", "-H", self.url, *arguments],
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def restart_engine(self) -> None:
        """End its dockerd in good order, and have another in its place, as an update does."""
        (self.folder / "restart").touch()
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        handles = [os.pidfd_open(int(pid)) for pid in children if _is_engine(pid)]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            select.select([handle], [], [], _PATIENCE_S)
            os.close(handle)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(AssertionError):
                self.docker("version")
                return
            assert time.monotonic() < deadline, "the engine has not come back"
            time.sleep(0.2)

    def entering(self, container: str, *command: str) -> list[str]:
        """Return what runs a command in the network of a container of this machine."""
        pid = self.docker("inspect", "--format", "{{.State.Pid}}", container)
        enter = ["nsenter", "--mount", "--pid", "--target", str(self.process)]
        return [*enter, "nsenter", "--net", "--target", pid, *command]

    def in_network_of(self, container: str, *command: str) -> str:
        """Run a command in the network of a container of this machine; return what it prints."""
        argv = self.entering(container, *command)
        return subprocess.check_output(argv, text=True, timeout=_PATIENCE_S).strip()


@dataclass(frozen=True)
class SwarmOfTests:
    """Machines that are one swarm, the first of them its manager, and their registry."""

    machines: tuple[SwarmMachine, ...]
    registry: str

    @property
    def manager(self) -> SwarmMachine:
        return self.machines[0]

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program to this swarm."""
        return environment_of(self.manager.folder.parent)

    @contextlib.contextmanager
    def cut_off(self, machine: SwarmMachine) -> Iterator[None]:
        """Pull out a machine's cable; in the end wait until the swarm has it back."""
        ground = int((machine.folder.parent / "ground").read_text())
        _in_network(ground, "ip", "link", "set", machine.name, "down")
        try:
            yield
        finally:
            _in_network(ground, "ip", "link", "set", machine.name, "up")
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the swarm has all of its machines."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(AssertionError):
                states = self.manager.docker("node", "ls", "--format", "{{.Status}}").split()
                if states == ["Ready"] * len(self.machines):
                    return
            assert time.monotonic() < deadline, "a machine has not come back to the swarm"
            time.sleep(0.5)

    def load(self, tags: Sequence[str]) -> None:
        """Give the manager images that the machine's own engine has."""
        there = self.manager.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        wanted = [tag for tag in tags if tag not in there and _has_image(tag)]
        if not wanted:
            return
        with subprocess.Popen(
            ["docker", "save", *wanted],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=OUTSIDE,
        ) as save:
            assert save.stdout is not None
            self.manager.docker("load", "--quiet", stdin=save.stdout.fileno())


def _is_engine(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "dockerd\n"
    return False


def environment_of(home: Path) -> dict[str, str]:
    """Return what leads a program to the swarm in a folder."""
    return {
        "DOCKER_HOST": f"unix://{home}/m1/docker.sock",
        "PLAYGROUND_ENGINE": "swarm",
        "PLAYGROUND_REGISTRY": _REGISTRY,
    }


def found_swarm(home: Path) -> SwarmOfTests:
    """Return a swarm that runs already."""
    machines = []
    for folder in sorted(home.glob("m[0-9]*")):
        number = int(folder.name[1:])
        first = int((folder / "process").read_text())
        url = f"unix://{folder}/docker.sock"
        machines.append(SwarmMachine(folder.name, url, f"{_NETWORK}.{number + 10}", first, folder))
    return SwarmOfTests(tuple(machines), _REGISTRY)


def lacking() -> list[str]:
    """Return the programs that are missing here to make machines."""
    needed = ("dockerd", "docker", "docker-registry", "nsenter", "unshare", "setpriv", "ip")
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return [name for name in needed if shutil.which(name, path=path) is None]


@contextlib.contextmanager
def running_swarm(count: int = 3, home: Path = HOME) -> Iterator[SwarmOfTests]:
    """Make machines that are one swarm, in a new folder; take them down whole in the end."""
    with contextlib.ExitStack() as down:
        top = home
        top.mkdir(0o700)
        down.callback(shutil.rmtree, top)
        ground = down.enter_context(_process(_alone("--net", "sleep", "infinity")))
        inside = _first_of(ground)
        (top / "ground").write_text(str(inside))
        _in_network(inside, "ip", "link", "set", "lo", "up")
        _in_network(inside, "ip", "link", "add", "swarm", "type", "bridge", "forward_delay", "0")
        _in_network(inside, "ip", "address", "add", f"{_NETWORK}.1/24", "dev", "swarm")
        _in_network(inside, "ip", "link", "set", "swarm", "up")
        down.enter_context(_registry(inside, top))
        machines = []
        for number in range(1, count + 1):
            machines.append(down.enter_context(_machine(number, top, inside)))
        _join(machines)
        yield SwarmOfTests(tuple(machines), _REGISTRY)


@contextlib.contextmanager
def _machine(number: int, top: Path, ground: int) -> Iterator[SwarmMachine]:
    name, folder = f"m{number}", top / f"m{number}"
    folder.mkdir()
    (folder / "daemon.json").write_text("{}")
    group = f"/{top.name}-{name}"
    arguments = (name, str(folder), _REGISTRY, group, f"{_NETWORK}.0/24")
    kinds = ("--net", "--uts", "--mount", "--pid", "--mount-proc", "--propagation", "private")
    with _process(_alone(*kinds, "sh", "-c", _MACHINE, "machine", *arguments)) as process:
        first = _first_of(process)
        address = f"{_NETWORK}.{number + 10}"
        cable = f"m{number}"
        peer = ("peer", "name", "eth0", "netns", str(first))
        _in_network(ground, "ip", "link", "add", cable, "type", "veth", *peer)
        _in_network(ground, "ip", "link", "set", cable, "master", "swarm", "up")
        _in_network(first, "ip", "link", "set", "lo", "up")
        _in_network(first, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        _in_network(first, "ip", "link", "set", "eth0", "up")
        (folder / "process").write_text(str(first))
        machine = SwarmMachine(name, f"unix://{folder}/docker.sock", address, first, folder)
        try:
            yield machine
        finally:
            _end(first)
            _remove_groups(group)


def _join(machines: Sequence[SwarmMachine]) -> None:
    """Make a swarm of machines, as soon as their engines answer."""
    deadline = time.monotonic() + _PATIENCE_S
    for machine in machines:
        while True:
            try:
                machine.docker("version")
                break
            except AssertionError:
                log = machine.folder / "log"
                words = log.read_text()[-2000:] if log.exists() else ""
                assert time.monotonic() < deadline, f"{machine.name}: no engine answers: {words}"
                time.sleep(0.1)
    manager, *workers = machines
    manager.docker(
        *("swarm", "init", "--advertise-addr", manager.address, "--listen-addr", manager.address),
        *("--default-addr-pool", _POOL, "--default-addr-pool-mask-length", "22"),
    )
    token = manager.docker("swarm", "join-token", "--quiet", "worker")
    for worker in workers:
        worker.docker("swarm", "join", "--token", token, f"{manager.address}:2377")


@contextlib.contextmanager
def _registry(ground: int, top: Path) -> Iterator[None]:
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(top / "registry")}},
        "http": {"addr": _REGISTRY},
        "log": {"level": "error"},
    }
    path = top / "registry.json"  # JSON is YAML
    path.write_text(json.dumps(settings))
    command = ["docker-registry", "serve", str(path)]
    with _process(["nsenter", f"--net=/proc/{ground}/ns/net", *command]):
        yield


def _alone(*kinds_and_command: str) -> list[str]:
    """Return a command in namespaces of its own, which ends with the process that starts it."""
    return ["unshare", "--fork", "--kill-child", *kinds_and_command]


@contextlib.contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    # setpriv(1): what dies with this program, also where it is killed.
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _first_of(process: subprocess.Popen[bytes]) -> int:
    """Return the child of an unshare(1), once it is there and in its own namespaces."""
    deadline = time.monotonic() + _PATIENCE_S
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while True:
        with contextlib.suppress(OSError, IndexError):
            pid = int(children.read_text().split()[0])
            own, theirs = (os.readlink(f"/proc/{one}/ns/net") for one in ("self", pid))
            if own != theirs:
                return pid
        assert process.poll() is None and time.monotonic() < deadline, "no namespace was made"
        time.sleep(0.01)


def _in_network(pid: int, *command: str) -> None:
    subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", *command], check=True, timeout=_PATIENCE_S
    )


def _end(first: int) -> None:
    """Kill a machine's first process, and with it all others of its process ids."""
    handle = os.pidfd_open(first)
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], _PATIENCE_S)
    finally:
        os.close(handle)


def _remove_groups(group: str) -> None:
    """Remove the control groups that a killed engine has left, the innermost first."""
    tops = [Path("/sys/fs/cgroup") / group[1:], *Path("/sys/fs/cgroup").glob(f"*{group}")]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _has_image(tag: str) -> bool:
    found = subprocess.run(["docker", "image", "inspect", tag], capture_output=True, env=OUTSIDE)
    return found.returncode == 0


def _all_images() -> Sequence[Image]:
    from playground.engines.images import all_images

    return all_images()


def _built_for_demo() -> list[str]:
    """Have the machine's own engine build what the demonstration needs; return its tags."""
    from playground.display.progress import make_progress
    from playground.engines.docker.engine import DockerEngine
    from playground.engines.images import helper_image, image_for
    from playground.examples import miniature_internet

    plan = miniature_internet(quiet=True, engine="docker").plan()
    needs = dict.fromkeys((node.daemons, node.packages) for node in plan.nodes)
    images = [helper_image(), *(image_for(*needed) for needed in needs)]
    with contextlib.closing(DockerEngine()) as engine:
        engine.ensure_images(images, make_progress(False))
    return [image.tag for image in images]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/swarm")
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    said = parser.parse_args()
    if os.geteuid() != 0 or lacking():
        print("scripts/swarm needs root, and:", *lacking(), file=sys.stderr)
        return 2
    tags = _built_for_demo() if said.demo else [image.tag for image in _all_images()]
    with running_swarm(said.machines) as swarm:
        swarm.load(["playground/debian:trixie", *tags])
        command = said.command or [os.environ.get("SHELL", "sh")]
        return subprocess.run(command, env=os.environ | swarm.environment).returncode


if __name__ == "__main__":
    sys.exit(main())
