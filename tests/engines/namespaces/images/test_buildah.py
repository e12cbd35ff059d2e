"""Images that buildah builds: the same Dockerfiles, plain directories, nothing left over."""

from __future__ import annotations

import contextlib
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.display.progress import Silent
from playground.engines.images import LOCAL_BASE, Image, helper_image, make_image
from playground.engines.namespaces.images import buildah, buildah_runs, image_store
from playground.engines.namespaces.images.buildah import Buildah, stored_name
from playground.engines.namespaces.images.image_roots import ImageRoots
from playground.errors import ImageError

NOWHERE = "unix:///nowhere/docker.sock"
DOCKERFILE = "ARG BASE\nFROM ${BASE}\n"

# Of this machine: what a RUN needs, and what the tests let it do.
PROGRAMS = ("sh", "cat", "sleep", "mkdir", "id")


@pytest.fixture(scope="module")
def small_debian() -> bytes:
    """A root with a shell and what it needs, as a tar archive; stands for mmdebstrap's."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("dev", "etc", "proc", "sys", "tmp", "run", "bin"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        found = {f"bin/{name}": Path(str(shutil.which(name))).resolve() for name in PROGRAMS}
        said = subprocess.run(
            ["ldd", *found.values()], capture_output=True, text=True, check=True, timeout=20
        )
        for library in re.findall(r"(/\S+) \(0x", said.stdout):
            found[library.lstrip("/")] = Path(library).resolve()
        for name, path in found.items():
            tar.addfile(tar.gettarinfo(path, name), io.BytesIO(path.read_bytes()))
    return archive.getvalue()


@pytest.fixture
def can_build() -> None:
    """Skip where images cannot be built (in CI: fail)."""
    missing = [name for name in ("buildah", "unshare") if shutil.which(name) is None]
    reason = f"there is no {' and no '.join(missing)} here" if missing else ""
    if os.geteuid() != 0:
        reason = "building images needs root"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to build images, but {reason}")
    if reason:
        pytest.skip(reason)


@pytest.fixture
def place(
    can_build: None, small_debian: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where images are built on a small base; nothing but images may be left there."""

    @contextlib.contextmanager
    def bootstrap(command: list[str], note: Callable[[str], None]) -> Iterator[Iterator[bytes]]:
        yield iter([small_debian])

    monkeypatch.setattr(buildah, "bootstrap", bootstrap)
    # No registry is asked: the small base would not be used where one answers.
    monkeypatch.setattr(buildah, "PUBLIC_BASE", "registry.invalid/none:none")
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    place = tmp_path / "store"
    yield place
    assert left_over(place / "buildah") == {}
    assert str(place) not in Path("/proc/self/mountinfo").read_text()


def left_over(place: Path) -> dict[str, Any]:
    """Working containers, temporary files and layers that belong to no image."""
    graph = place / "storage"
    driver = "vfs" if (graph / "vfs").exists() else "overlay"
    containers = subprocess.run(
        ["buildah", "--root", graph, "--storage-driver", driver, "containers", "--quiet"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    temporary = place / "tmp"
    names = [
        name
        for image in image_store.read_list(graph / "overlay-images" / "images.json")
        for name in image["names"]
    ]
    mine = Buildah(place)
    used = {layer for name in names for layer in roots_layers(mine, name)}
    there = {str(path) for path in (graph / "overlay").glob("*/diff")}
    found = {
        "containers": containers.stdout.split(),
        "temporary": list(temporary.iterdir()) if temporary.exists() else [],
        "layers": sorted(there - used),
    }
    return {name: value for name, value in found.items() if value}


def roots_layers(mine: Buildah, name: str) -> tuple[str, ...]:
    root = mine.find(name.removeprefix("localhost/"))
    assert root is not None
    return root.layers


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Image]:
    """Make an image of a Dockerfile's further lines, on the base or on another image."""

    def make(name: str, *lines: str, base: Image | None = None, **files: str) -> Image:
        directory = tmp_path / name
        directory.mkdir()
        (directory / "Dockerfile").write_text(DOCKERFILE + "\n".join(lines) + "\n")
        for file, content in files.items():
            (directory / file).write_text(content)
        return make_image(directory, base)

    return make


def read(layers: tuple[str, ...], path: str) -> str:
    """The content of a file where the directories are laid over one another."""
    for layer in layers:
        if (Path(layer) / path).exists():
            return (Path(layer) / path).read_text()
    raise FileNotFoundError(path)


def test_names_in_the_store_are_whole() -> None:
    assert stored_name("playground/base:01") == "localhost/playground/base:01"
    assert stored_name("debian:trixie-slim") == "docker.io/library/debian:trixie-slim"
    assert stored_name("registry.example/debian:1") == "registry.example/debian:1"


def test_an_empty_store_has_no_image(tmp_path: Path) -> None:
    assert Buildah(tmp_path).find("playground/base:01") is None
    assert list(tmp_path.iterdir()) == []


def test_a_chain_is_built_once_and_found_as_directories(place: Path, image) -> None:  # type: ignore[no-untyped-def]
    lower = image("lower", "COPY page /page", "ENV PAGE=/page", page="hello")
    upper = image(
        "upper", "RUN cat /page /page >/twice", 'ENTRYPOINT ["cat"]', 'CMD ["-"]', base=lower
    )
    roots = ImageRoots(place)
    roots.ensure([upper], Silent())
    root = roots.find(upper.tag)
    assert read(root.layers, "twice") == "hellohello"
    assert len(root.layers) == 3
    assert dict(root.environ)["PAGE"] == "/page"
    assert root.command == ("cat", "-")
    assert roots.find(lower.tag).layers == root.layers[1:]
    before = sorted((place / "buildah" / "storage" / "overlay").iterdir())
    roots.ensure([upper, lower], Silent())
    assert sorted((place / "buildah" / "storage" / "overlay").iterdir()) == before


def test_where_overlay_cannot_lie_a_layer_is_a_whole_copy(
    place: Path,
    image,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_store, "DRIVERS", ("vfs",))
    lower = image("lower", "COPY page /page", page="hello")
    upper = image("upper", "RUN cat /page /page >/twice", base=lower)
    roots = ImageRoots(place)
    roots.ensure([upper], Silent())
    (root,) = map(Path, roots.find(upper.tag).layers)
    assert (root / "page").read_text() + (root / "twice").read_text() == "hello" * 3
    (below,) = map(Path, roots.find(lower.tag).layers)
    assert not (below / "twice").exists()


def test_an_image_is_found_again_when_what_was_remembered_is_lost(place: Path, image) -> None:  # type: ignore[no-untyped-def]
    one = image("one", "RUN id >/who")
    roots = ImageRoots(place)
    roots.ensure([one], Silent())
    before = roots.find(one.tag)
    shutil.rmtree(place / "roots")
    assert roots.find(one.tag) == before
    assert read(before.layers, "who").startswith("uid=0")


def test_a_failed_build_shows_its_last_lines_and_leaves_what_was_built_before(
    place: Path,
    image,  # type: ignore[no-untyped-def]
) -> None:
    good = image("good", "RUN mkdir /good")
    bad = image("bad", "RUN echo what went wrong && exit 3", base=good)
    roots = ImageRoots(place)
    with pytest.raises(ImageError, match="image bad could not be built") as raised:
        roots.ensure([bad], Silent())
    assert "what went wrong" in str(raised.value)
    assert "exit status 3" in str(raised.value).splitlines()[0]
    assert roots.find(good.tag).layers
    with pytest.raises(ImageError):
        roots.find(bad.tag)


def test_a_build_asks_for_no_more_than_this_process_may_have(place: Path, image) -> None:  # type: ignore[no-untyped-def]
    """In most containers root may not raise its limits; buildah 1.39 tries to, unasked."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    one = image("one", "RUN cat /proc/self/limits >/limits")
    roots = ImageRoots(place)
    roots.ensure([one], Silent())
    limits = read(roots.find(one.tag).layers, "limits")
    assert re.search(rf"Max open files +{hard} +{hard} ", limits)


class Interrupting(Silent):
    """Interrupts the build at its first words that hold a mark, as Ctrl-C does."""

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None):  # type: ignore[no-untyped-def]
        yield self

    def advance(self, count: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        if "now it sleeps" in text and "RUN" not in text:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_ends_the_build_with_all_its_processes(place: Path, image) -> None:  # type: ignore[no-untyped-def]
    slow = image("slow", "RUN echo now it sleeps && sleep 731")
    roots = ImageRoots(place)
    with pytest.raises(KeyboardInterrupt):
        roots.ensure([slow], Interrupting())
    assert processes("sleep 731") == []
    with pytest.raises(ImageError):
        roots.find(slow.tag)
    assert Buildah(place / "buildah").find(LOCAL_BASE) is not None


def processes(command: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
            if words == command:
                found.append(path.parent.name)
    return found


def wait_for(command: str) -> int:
    deadline = time.monotonic() + 20
    while not (found := processes(command)):
        assert time.monotonic() < deadline, f"{command} was never started"
        time.sleep(0.01)
    return int(found[0])


def test_a_build_at_its_limit_is_ended(
    place: Path,
    image,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roots = ImageRoots(place)
    roots.ensure([image("quick", "RUN mkdir /quick")], Silent())
    monkeypatch.setattr(buildah_runs.BuildahRun.run, "__defaults__", (lambda line: None, 1.0, None))
    with pytest.raises(ImageError, match="not done after 1 s"):
        roots.ensure([image("slow", "RUN sleep 732")], Silent())
    assert processes("sleep 732") == []


def test_what_a_killed_owner_left_is_cleared_by_the_next_build(place: Path, image) -> None:  # type: ignore[no-untyped-def]
    slow = image("slow", "RUN echo now it sleeps && sleep 733")
    roots = ImageRoots(place)
    roots.ensure([image("quick", "RUN mkdir /quick")], Silent())
    program = """
import os, signal, sys
from pathlib import Path
from playground.engines.images import make_image
from playground.display.progress import Silent
from playground.engines.namespaces.images.image_roots import ImageRoots

class Step:
    def note(self, text):
        if "now it sleeps" in text and "RUN" not in text:
            os.kill(os.getpid(), signal.SIGKILL)

class Kill(Silent):
    def step(self, title, total=None):
        import contextlib
        return contextlib.nullcontext(Step())

ImageRoots(Path(sys.argv[1])).ensure([make_image(Path(sys.argv[2]))], Kill())
"""
    owner = subprocess.run([sys.executable, "-c", program, place, slow.directory], timeout=120)
    assert owner.returncode == -signal.SIGKILL
    # The build of the dead goes on and holds the lock, until it has something to say.
    os.kill(wait_for("sleep 733"), signal.SIGKILL)
    roots.ensure([image("next", "RUN mkdir /next")], Silent())


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("write /x: no space left on device\n", "no space is left for images in /store"),
        ('Error: building at STEP "RUN a": b": while running: exit status 9\n', "exit status 9;"),
        ("Killed\n", "buildah ended with 137"),
        (
            'Error: creating build container: could not find "netavark" in one of [/usr/lib]\n',
            "apt-get install netavark",
        ),
    ],
    ids=["full", "failed", "killed", "no netavark"],
)
def test_what_buildah_says_becomes_a_sentence(image, log: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    done = buildah_runs.Done(137, log)
    assert sentence in str(buildah._failed(image("bad"), done, Path("/store")))


def test_a_helper_image_is_built_on_a_debian_made_here(can_build: None, tmp_path: Path) -> None:
    """A real Dockerfile on a real Debian, from a registry or from a mirror."""
    mine = Buildah(tmp_path)
    image = helper_image()
    with open(os.devnull) as lock:
        mine.ensure([image], Silent(), lock.fileno())
    root = mine.find(image.tag)
    assert root is not None
    assert root.command == ("catatonit", "-P")
    assert "trixie" in read(root.layers, "etc/os-release")
    assert read(root.layers, "usr/local/lib/playground/playground/agent/operations.py")
    assert left_over(tmp_path) == {}
