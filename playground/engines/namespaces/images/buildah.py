"""Images built by buildah, without a daemon, into a store of our own.

buildah builds the same Dockerfiles as Docker.  Its store is a directory of ours,
so that images that others made with buildah or podman are never touched, and what
an interrupted build left there can only be ours.  The layers of an image are
plain directories in it, which are used where they lie.

"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from playground.display.progress import Progress
from playground.engines.debian_base import bootstrap, mmdebstrap_command
from playground.engines.docker.errors import build_failed
from playground.engines.images import LOCAL_BASE, PUBLIC_BASE, Image
from playground.engines.namespaces.filesystems.root_filesystem import (
    DEFAULT_PATH,
    RootFilesystem,
    image_root,
)
from playground.engines.namespaces.images.buildah_runs import (
    BuildahRun,
    Done,
    buildah_for,
    known_reason,
    room,
    ulimits,
)
from playground.engines.namespaces.images.image_store import ImageStore
from playground.errors import ImageError

# A registry that has not begun to answer by then is not reached from here.
_REGISTRY_S = 15.0
_PULL_TIMEOUT_S = 600.0

_DEBIAN_DOCKERFILE = f"""\
FROM scratch
ADD debian.tar /
ENV PATH={DEFAULT_PATH}
CMD ["bash"]
"""


class Buildah:
    """The images in one store, and the means to build more.

    ``place`` is the directory of all that buildah writes; it is made at the
    first build.  Only one process at a time may build; see `images.image_roots`.

    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._store = ImageStore(place / "storage")

    def __repr__(self) -> str:
        return f"Buildah({str(self._place)!r})"

    # -- what there is -------------------------------------------------------

    def find(self, tag: str) -> RootFilesystem | None:
        """Return the root of an image, None if it is not in the store.

        Reads the store's own files, which takes no program and no time.

        """
        stored = self._store.find(stored_name(tag))
        return image_root(stored.layers, stored.config) if stored else None

    def tags(self) -> list[str]:
        """Return the tags of the images of ours in the store."""
        return [name.removeprefix("localhost/") for name in self._store.names()]

    # -- what is made --------------------------------------------------------

    def ensure(self, images: Sequence[Image], progress: Progress, lock: int) -> None:
        """Build the images that are missing, lowest layers first.

        ``lock`` is the descriptor of a lock that buildah holds as well, so that
        it stays locked for as long as a build lives whose owner was killed.
        Raises `ImageError`; images built before that one stay, and of that one
        nothing does.

        """
        needed = dict.fromkeys(image for top in images for image in top.chain)
        missing = [image for image in needed if self.find(image.tag) is None]
        if not missing:
            return
        refuse_missing_programs()
        with buildah_for(self._store, lock) as tools:
            base = self._base(tools, progress) if any(i.base is None for i in missing) else ""
            for image in missing:
                self._build(tools, image, image.base.tag if image.base else base, progress)

    def _build(self, tools: BuildahRun, image: Image, base: str, progress: Progress) -> None:
        with (
            progress.step(f"building image {image.title}") as step,
            tools.folder() as context,
        ):
            with room(self._place):
                unpack(image.context(), context)
            arguments = [
                *("build", "--isolation", "chroot", "--pull-never", *ulimits()),
                *("--build-arg", f"BASE={stored_name(base)}"),
                *("--label", f"playground.image={image.layer}"),
                *("--tag", stored_name(image.tag), str(context)),
            ]
            done = tools.run(arguments, step.note)
        if done.status != 0 or self.find(image.tag) is None:
            raise _failed(image, done, self._place)

    def _base(self, tools: BuildahRun, progress: Progress) -> str:
        """Return the name of a Debian to build on; get or make it if need be."""
        for tag in (PUBLIC_BASE, LOCAL_BASE):
            if self.find(tag) is not None:
                return tag
        with progress.step(f"pulling {PUBLIC_BASE}") as step:
            tools.run(
                ["pull", stored_name(PUBLIC_BASE)], step.note, _PULL_TIMEOUT_S, answer_s=_REGISTRY_S
            )
        if self.find(PUBLIC_BASE) is not None:
            return PUBLIC_BASE
        self._make_base(tools, progress)
        return LOCAL_BASE

    def _make_base(self, tools: BuildahRun, progress: Progress) -> None:
        """Make a Debian with mmdebstrap; a Debian mirror is enough."""
        if shutil.which("mmdebstrap") is None:
            raise ImageError(
                f"no registry gives {PUBLIC_BASE}: install mmdebstrap (apt-get install mmdebstrap "
                "debian-archive-keyring), with which a base is made from a Debian mirror, or run "
                "scripts/setup --engine namespaces, which does that"
            )
        with (
            progress.step("making a Debian base with mmdebstrap") as step,
            tools.folder() as context,
        ):
            with (
                bootstrap(mmdebstrap_command(""), step.note) as archive,
                room(self._place),
                open(context / "debian.tar", "wb") as file,
            ):
                for piece in archive:
                    file.write(piece)
            (context / "Dockerfile").write_text(_DEBIAN_DOCKERFILE)
            arguments = ["build", "--isolation", "chroot", "--tag", stored_name(LOCAL_BASE)]
            done = tools.run([*arguments, *ulimits(), str(context)], step.note)
        if done.status != 0 or self.find(LOCAL_BASE) is None:
            if reason := known_reason(done.log, self._place):
                raise ImageError(reason, done.log)
            raise ImageError("buildah could not load the Debian base", done.log)


def stored_name(tag: str) -> str:
    """The name that an image has in the store, where no short names are.

    >>> stored_name("playground/base:0123"), stored_name("debian:trixie-slim")
    ('localhost/playground/base:0123', 'docker.io/library/debian:trixie-slim')

    """
    # https://pkg.go.dev/github.com/distribution/reference: a first part with a
    # dot is a registry's name.
    if "." in tag.split("/")[0]:
        return tag
    return f"localhost/{tag}" if "/" in tag else f"docker.io/library/{tag}"


def refuse_missing_programs() -> None:
    """Raise `ImageError` with what to install, where there is no buildah."""
    missing = [name for name in ("buildah", "unshare") if shutil.which(name) is None]
    if missing:
        packages = " ".join("util-linux" if name == "unshare" else name for name in missing)
        raise ImageError(
            "hosts with services need an image, and nothing here can make one: no Docker engine "
            f"answers, and {' and '.join(missing)} is missing; run `apt-get install {packages} "
            "mmdebstrap`, or scripts/setup --engine namespaces, and try again"
        )


def unpack(archive: bytes, folder: Path) -> None:
    """Write the files of an `Image.context` into a folder."""
    # Python 3.11.2, which Debian 12 has, knows no extractall(filter=), and others
    # warn without it.
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
            path.chmod(member.mode)


def _failed(image: Image, done: Done, place: Path) -> Exception:
    if reason := known_reason(done.log, place):
        return ImageError(reason, done.log)
    errors = re.findall(r"^(?:Error|error): (.+)$", done.log, re.M)
    # 'building at STEP "RUN the whole of a long command": what went wrong'
    reason = errors[-1].rpartition('": ')[2] if errors else f"buildah ended with {done.status}"
    return build_failed(image, reason, done.log)
