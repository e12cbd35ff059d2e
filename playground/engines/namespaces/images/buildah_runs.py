"""Running buildah: a command with its store, its limits of time, and why one failed.

Every buildah runs in a mount namespace and a pid namespace of its own: when it
is killed, its mounts and the processes of the build are gone too.

"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from playground.engines.build_environment import BUILD_TIMEOUT_S, proxies
from playground.engines.build_log import BuildLog
from playground.engines.namespaces.images import image_store, subordinate_ids
from playground.engines.namespaces.images.image_store import ImageStore
from playground.errors import ImageError
from playground.model.records import dataclass

# Words that are looked for in its output may come in two pieces.
_ANSWER_LENGTH = len("signatures")


@dataclass(frozen=True)
class Done:
    """How a buildah ended, and the end of what it printed."""

    status: int
    log: str


@contextlib.contextmanager
def buildah_for(store: ImageStore, lock: int) -> Iterator[BuildahRun]:
    """Yield what runs buildah on a store; what an interrupted build leaves there is removed.

    ``lock`` is the descriptor of a lock that buildah holds as well.  Raises `ImageError` where
    buildah can store nothing there.

    """
    shutil.rmtree(store.graph.parent / "tmp", ignore_errors=True)
    run = BuildahRun(store, _driver(store, lock), lock)
    run.remove_containers()
    try:
        yield run
    finally:
        # A container of a build that did all but end: none is ever of use.
        run.remove_containers()


def _driver(store: ImageStore, lock: int) -> str:
    if (known := store.driver()) is not None:
        return known
    log = ""
    for driver in image_store.DRIVERS:
        done = BuildahRun(store, driver, lock).run(["info"])
        if done.status == 0:
            return driver
        log += done.log
    raise ImageError(f"buildah cannot store images in {store.graph}; it says so below", log)


@dataclass(frozen=True)
class BuildahRun:
    """buildah with its store: where, stored how, holding which lock."""

    store: ImageStore
    driver: str
    lock: int

    def remove_containers(self) -> None:
        if self.store.has_containers(self.driver):
            self.run(["rm", "--all"])

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A directory for as long as the block runs, beside the store."""
        top = self.store.graph.parent / "tmp"
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of files of other users, which only they or root remove, some may be left in it.
        with tempfile.TemporaryDirectory(dir=top, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _shared(self) -> Iterator[str]:
        shared = self.store.shared
        if shared is not None and (shared / f"{self.driver}-images").is_dir():
            yield from ("--storage-opt", f"additionalimagestore={shared}")

    def run(
        self,
        arguments: Sequence[str],
        note: Callable[[str], None] = lambda line: None,
        limit_s: float = BUILD_TIMEOUT_S,
        answer_s: float | None = None,
    ) -> Done:
        """Run one command of buildah to its end.

        At the limit, and after an interrupt, it and all that it started is
        killed and awaited.  ``answer_s`` is how long it may wait for a registry
        to say anything at all.

        """
        # A fresh run root each time: it counts mounts, which a killed buildah
        # takes with it while the count would stay.
        with self.folder() as run_root:
            command = [
                *("unshare", *_as_root()),
                *("--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("buildah", "--root", str(self.store.graph), "--runroot", str(run_root)),
                *("--storage-driver", self.driver, *self._shared(), *arguments),
            ]
            # In a session of its own: Ctrl-C is for us, and we end it.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(run_root) | _registries(run_root),
                pass_fds=(self.lock,),
                start_new_session=True,
            )
            try:
                log = _follow(process, note, limit_s, answer_s)
            except BaseException:
                _kill(process)
                raise
            status = process.wait()
            return Done(status, log)


def _as_root() -> list[str]:
    """Return the options of unshare(1) by which an ordinary user's buildah is root."""
    return [] if os.geteuid() == 0 else subordinate_ids.unshare_options()


def _follow(
    process: subprocess.Popen[bytes],
    note: Callable[[str], None],
    limit_s: float,
    answer_s: float | None,
) -> str:
    """Read what a process prints until it closes its output; return the end of it.

    Kills it at the limit, and says so in what is returned.

    """
    assert process.stdout is not None
    output = process.stdout.fileno()
    log = BuildLog()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    waiting = answer_s is not None
    recent = ""
    begin = time.monotonic()
    while True:
        limit = answer_s if waiting and answer_s is not None else limit_s
        left = begin + limit - time.monotonic()
        if left <= 0 or not select.select([output], [], [], left)[0]:
            _kill(process)
            log.add(f"\nError: it was not done after {limit:g} s and was stopped\n")
            return log.text()
        if not (piece := os.read(output, 65536)):
            process.stdout.close()
            return log.text()
        text = decoder.decode(piece)
        log.add(text)
        # containers/image says one of these when a registry has answered.
        recent = recent[-_ANSWER_LENGTH:] + text
        if waiting and re.search("Copying|signatures", recent):
            waiting = False
        if line := log.line:
            note(line)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill buildah with all that it runs: it is the first process of a pid namespace."""
    # unshare(1) passes its own death on (--kill-child), but no other signal.
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    # The pipe is closed by the last process of the build, which makes sure
    # that none is left.
    with process.stdout as output:
        deadline = time.monotonic() + 10
        while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not os.read(output.fileno(), 65536):
                break


def _environment(temporary: Path) -> dict[str, str]:
    """Ours, without what would lead buildah to another store or another isolation."""
    other = ("STORAGE_", "BUILDAH_", "CONTAINERS_STORAGE_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(other)}
    # Layers pass through here while they are stored: beside the store there is room.
    own = {"LC_ALL": "C.UTF-8", "TMPDIR": str(temporary)}
    if os.geteuid() != 0:
        # What it would write into the home of an ordinary user.
        own |= {"XDG_CONFIG_HOME": str(temporary), "XDG_CACHE_HOME": str(temporary)}
    return kept | proxies() | own


def proxy_arguments() -> Iterator[str]:
    """Options that tell a build the proxies: no more than their names.

    buildah takes the values out of its environment.  They may hold passwords, and whoever
    is on the machine can read what a program was called with.

    """
    for name in proxies():
        yield from ("--build-arg", name)


def _registries(folder: Path) -> dict[str, str]:
    """Have a Dockerfile's short names mean Docker's, where this machine gives them no meaning.

    See containers-registries.conf(5): the machine's own file holds, and its drop-ins.

    """
    own = Path.home() / ".config/containers/registries.conf"
    known = own if own.is_file() else Path("/etc/containers/registries.conf")
    if "CONTAINERS_REGISTRIES_CONF" in os.environ:
        return {}
    text = known.read_text(errors="replace") if known.is_file() else ""
    if re.search(r"^\s*unqualified-search-registries\s*=", text, re.M):
        return {}
    path = folder / "registries.conf"
    path.write_text(f'unqualified-search-registries = ["docker.io"]\n{text}')
    return {"CONTAINERS_REGISTRIES_CONF": str(path)}


def known_reason(log: str, place: Path) -> str | None:
    """Say what a build lacked where that is not the Dockerfile's affair; else None."""
    end = log[-4000:].lower()
    if "no space left on device" in end:
        return _no_space(place)
    if 'could not find "netavark"' in end:
        return (
            "buildah builds nothing without netavark, which its package only recommends: run "
            "`apt-get install netavark`, or scripts/setup --engine namespaces, and try again"
        )
    return None


def ulimits() -> Iterator[str]:
    """Options that leave a build the limits that this process has.

    Without them buildah (1.39, not 1.28) raises both to 1,048,576, as root does who has
    CAP_SYS_RESOURCE; the root of a container mostly lacks it, and a build would
    end with "setting RLIMIT_NOFILE: operation not permitted".

    """
    for name, limit in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(limit)[1]
        # docker/go-units, ulimit.go: -1 is no limit.
        number = -1 if hard == resource.RLIM_INFINITY else hard
        yield from ("--ulimit", f"{name}={number}:{number}")


def _no_space(place: Path) -> str:
    return f"no space is left for images in {place}; `df -h {place}` shows what there is"


@contextlib.contextmanager
def room(place: Path) -> Iterator[None]:
    """Turn a full disk into a sentence."""
    try:
        yield
    except OSError as error:
        raise ImageError(f"{_no_space(place)} ({error})") from error
