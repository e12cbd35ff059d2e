"""Sources of the hosts' roots, for an engine without containers.

`ImageRoots` finds the directories of an image, and makes images that are missing
with what the machine has: a Docker engine that answers, else buildah.  Both build
the same Dockerfiles.  What was found is remembered in a file for each image, so
that a lab starts without asking either.

"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from playground.display.progress import Progress
from playground.engines.images import Image, images_below
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem
from playground.engines.namespaces.images import subordinate_ids
from playground.engines.seam import OwnImage, WantedImage
from playground.errors import ImageError
from playground.model.containers.image_sources import ImageSource

if TYPE_CHECKING:
    from playground.engines.namespaces.images.buildah import Buildah
    from playground.engines.namespaces.images.docker_roots import DockerRoots
    from playground.engines.namespaces.images.user_images import UserImages

# All that is ever written on the machine, and only for hosts with services.
STORE = Path("/var/lib/playground")


def usual_store() -> Path:
    """Return where images are kept: an ordinary user's are that user's own.

    See the XDG Base Directory Specification, XDG_DATA_HOME.

    """
    if os.geteuid() == 0:
        return STORE
    said = os.environ.get("XDG_DATA_HOME", "")
    return (Path(said) if said.startswith("/") else Path.home() / ".local/share") / "playground"


# Another program may be building all images, over a slow line.
_LOCK_S = 1800.0


NO_IDS = (
    "has files of several owners, for whom this user has no ids: run this as root, have root "
    "install uidmap and give you a range in /etc/subuid and /etc/subgid (`usermod "
    '--add-subuids`), or use a Docker engine, Lab(engine="docker")'
)


def may_make_images() -> bool:
    """Whether this user can give the files of an image their owners."""
    return os.geteuid() == 0 or subordinate_ids.have_ranges()


class ImageRoots:
    """The images of one machine as directories.

    ``store`` is where images are built to, or copied from Docker, and where it
    is remembered which directories they are.  Nothing is written before the
    first image is asked for that is not remembered.  Docker's directories are
    root's: an ordinary user's images are made by buildah.

    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store or usual_store()

    def __repr__(self) -> str:
        return f"ImageRoots({str(self._store)!r})"

    def ensure(self, images: Sequence[Image], progress: Progress) -> None:
        """Make the images that are missing.

        Raises `ImageError` if one cannot be made: no program to do it, a failed
        build (with its log), not root, no room.  Images made before stay;
        nothing is left of the one that failed, nor after an interrupt.

        """
        missing = [i for i in dict.fromkeys(images) if self._recall(i.tag) is None]
        if not missing:
            return
        if not may_make_images():
            raise ImageError(f"image {missing[0].title} {NO_IDS}")
        with self._lock(progress) as lock:
            # Another program may have made them while we waited.
            missing = [image for image in missing if self._look(image.tag) is None]
            if missing:
                self._make(missing, progress, lock)

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image of the user's, of which `find` knows the root from then on.

        It is got by a Docker engine of this machine if one answers, else by buildah.  ``here``
        is the node that wants it, for what is raised: `ImageError`, as by `ensure`.

        """
        if not may_make_images():
            raise ImageError(f"{here}: {wanted.source.title} {NO_IDS}")
        docker = self._docker()
        if os.geteuid() == 0 and docker.answers():
            own = docker.own_image(here, wanted, progress)
            # The tag names the contents, so a root that is remembered is the image's.
            if self._recall(own.tag) is None:
                root = docker.find(own.tag) or self._exported(docker, own.tag, progress)
                self._remember(own.tag, root)
            return own
        with _naming_silence(docker), self._lock(progress) as lock:
            # They may be remembered from a Docker that is gone, whose images buildah cannot read.
            if below := _images_of_ours(wanted.source):
                self._buildah().ensure(below, progress, lock)
            own, root = self._user_images().own_image(here, wanted, progress, lock)
        self._remember(own.tag, root)
        return own

    def find(self, tag: str) -> RootFilesystem:
        """Return the root of an image that is there.

        Takes far less than a millisecond where the image is remembered.  Raises
        `ImageError` if there is no such image, or no longer.

        """
        root = self._recall(tag) or self._look(tag)
        if root is None:
            raise ImageError(
                f"there is no image {tag}: it was removed or never built; run `playground build` "
                "and try again"
            )
        return root

    def tags(self) -> list[str]:
        """Return the tags of the images that are here: those in use, and those that buildah made.

        What only a Docker engine has is not among them before it was looked for once.

        """
        records = (self._store / "roots").glob("*.json")
        remembered = [unquote(path.name.removesuffix(".json")) for path in records]
        there = [tag for tag in remembered if self._recall(tag) is not None]
        return [*dict.fromkeys([*there, *self._buildah().tags()])]

    def _look(self, tag: str) -> RootFilesystem | None:
        """Look for an image where it may be, and remember where it is."""
        root = self._recall(tag) or self._buildah().find(tag)
        if root is None and os.geteuid() == 0:
            root = self._docker().find(tag)
        if root is not None:
            self._remember(tag, root)
        return root

    def _make(self, images: Sequence[Image], progress: Progress, lock: int) -> None:
        docker = self._docker()
        if os.geteuid() == 0 and docker.answers():
            for tag, root in docker.ensure(images, progress).items():
                self._remember(tag, root)
            return
        with _naming_silence(docker):
            self._buildah().ensure(images, progress, lock)
        for image in images:
            self._look(image.tag)

    def _exported(self, docker: DockerRoots, tag: str, progress: Progress) -> RootFilesystem:
        with self._lock(progress):
            # Another program may have exported it while we waited.
            return self._recall(tag) or docker.export(tag, progress)

    # Imported here: a lab whose images are remembered needs neither.

    def _buildah(self) -> Buildah:
        from playground.engines.namespaces.images.buildah import Buildah

        return Buildah(self._store / "buildah")

    def _user_images(self) -> UserImages:
        from playground.engines.namespaces.images.user_images import UserImages

        return UserImages(self._store / "user", self._store / "buildah" / "storage")

    def _docker(self) -> DockerRoots:
        from playground.engines.namespaces.images.docker_roots import DockerRoots

        return DockerRoots(self._store / "exported")

    # -- what is remembered --------------------------------------------------

    def _record(self, tag: str) -> Path:
        return self._store / "roots" / f"{quote(tag, safe='')}.json"

    def _recall(self, tag: str) -> RootFilesystem | None:
        """The remembered root of an image, if all of it is still there."""
        try:
            said = json.loads(self._record(tag).read_bytes())
            root = RootFilesystem(
                tuple(said["layers"]),
                tuple((name, value) for name, value in said["environ"]),
                tuple(said["command"]),
                said["cwd"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return root if all(map(os.path.isdir, root.layers)) else None

    def _remember(self, tag: str, root: RootFilesystem) -> None:
        record = self._record(tag)
        said = {
            "layers": root.layers,
            "environ": root.environ,
            "command": root.command,
            "cwd": root.cwd,
        }
        # Written aside and moved: never is half of it read.
        unfinished = record.with_name(f"{record.name}.{os.getpid()}")
        with self._room():
            self._make_folder(record.parent)
            unfinished.write_text(json.dumps(said, indent=1) + "\n")
            unfinished.replace(record)

    # -- one at a time -------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, progress: Progress) -> Iterator[int]:
        """Hold the store for the block; the block gets the lock's descriptor."""
        with self._room():
            self._make_folder(self._store)
            lock = os.open(self._store / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _locked(lock):
                with progress.step("waiting for another program that makes images"):
                    deadline = time.monotonic() + _LOCK_S
                    while not _locked(lock):
                        if time.monotonic() > deadline:
                            raise ImageError(
                                f"another program has been making images for {_LOCK_S:g} s: "
                                f"`fuser {self._store / 'lock'}` shows its process id"
                            )
                        time.sleep(0.1)
            yield lock
        finally:
            # Not unlocked by hand: a build that outlives us shares the lock.
            os.close(lock)

    def _make_folder(self, folder: Path) -> None:
        # 0700: what lies here are programs with the setuid bit, years old some day.
        self._store.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ImageError(
                f"images are kept in {self._store}, which cannot be written: {error}"
            ) from error


@contextlib.contextmanager
def _naming_silence(docker: DockerRoots) -> Iterator[None]:
    """Say of a failure that Docker, which may have the image, was not asked, and why."""
    try:
        yield
    except ImageError as error:
        if not docker.silence:
            raise
        raise ImageError(
            f"{error.args[0]}; Docker, which may have it, was left out: {docker.silence}",
            error.log,
        ) from error


def _images_of_ours(source: ImageSource) -> tuple[Image, ...]:
    """Return those that have to be there before a user's image is got."""
    if source.kind == "reference":
        return images_below(f"FROM {source.value}")
    if (text := source.dockerfile_text) is not None:
        return images_below(text)
    # Where it cannot be read, buildah says so.
    with contextlib.suppress(OSError):
        file = source.dockerfile_path
        if source.kind == "directory" and file.is_file():
            return images_below(file.read_text(errors="replace"))
    return ()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
