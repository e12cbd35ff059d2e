"""Images of users' own, in a store of their own: pulled, loaded or built by buildah.

They are kept apart from ours: an archive may call its image by any name, and in our store it
would be what our images are built on.  What they are built on may be ours.

"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import posixpath
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from playground.display.progress import Progress
from playground.engines.image_config import (
    image_config,
    refuse_onbuild,
    refuse_other_systems,
    wanted_layers,
)
from playground.engines.images import Image
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem, image_root
from playground.engines.namespaces.images.buildah import refuse_missing_programs, unpack
from playground.engines.namespaces.images.buildah_runs import (
    BuildahRun,
    Done,
    buildah_for,
    known_reason,
    proxy_arguments,
    room,
    ulimits,
)
from playground.engines.namespaces.images.image_store import ImageStore, StoredImage
from playground.engines.pull_errors import is_loopback, machine_kind, pull_sentence, whole_name
from playground.engines.seam import OwnImage, WantedImage
from playground.errors import ImageError
from playground.model.containers.image_sources import ImageSource

# A registry that has not begun to answer by then is not reached from here.
_REGISTRY_S = 15.0
_PULL_TIMEOUT_S = 1800.0
# From one place of the disk to another.
_LOAD_TIMEOUT_S = 600.0

# In the store, what comes from no registry is called by a digest of what it was made from.
_OWN_NAMES = "localhost/playground-user"

# How `docker save` may have been packed: the file's first bytes.
_Unpacked = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_PACKED: dict[bytes, type[_Unpacked]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


class UserImages:
    """The users' images in a store of their own, and the means to get more.

    ``place`` is the folder of all that buildah writes for it, ``shared`` the store of ours.

    """

    def __init__(self, place: Path, shared: Path | None = None) -> None:
        self._store = ImageStore(place / "storage", shared)

    def __repr__(self) -> str:
        return f"UserImages({str(self._store.graph.parent)!r})"

    def own_image(
        self, here: str, wanted: WantedImage, progress: Progress, lock: int
    ) -> tuple[OwnImage, RootFilesystem]:
        """Return an image and its root, with our layers on it where any are wanted.

        ``here`` is the node that wants it, for `ImageError`; else as `ensure`.

        """
        try:
            image = self.ensure(wanted.source, progress, lock)
            refuse_onbuild(here, wanted, image.config)
            config = image_config(image.config)
            if layers := wanted_layers(wanted):
                refuse_other_systems(here, wanted, os_release(image))
                image = self.with_layers(image, layers, progress, lock)
        except ImageError as error:
            message = str(error.args[0])
            if message.startswith(f"{here}: "):
                raise
            raise ImageError(f"{here}: {message}", error.log) from error
        return OwnImage(image.id, config), image_root(image.layers, image.config)

    def find(self, source: ImageSource) -> StoredImage | None:
        """Return an image that is there, and is still what its source would give.

        A name is looked up and not asked of its registry again, as `docker run` does; an
        archive or a folder that has changed since is not there.

        """
        return self._store.find(_name(source))

    def ensure(self, source: ImageSource, progress: Progress, lock: int) -> StoredImage:
        """Return an image, pulled, loaded or built if it is not there.

        ``lock`` is the descriptor of a lock that buildah holds as well.  Raises `ImageError`;
        then nothing is left of it.

        """
        if (found := self.find(source)) is not None:
            return found
        refuse_missing_programs()
        doing = {"reference": "pulling", "archive": "loading"}.get(source.kind, "building")
        get = {"reference": self._pull, "archive": self._load}.get(source.kind, self._build)
        with buildah_for(self._store, lock) as tools:
            with progress.step(f"{doing} {source.title}") as step:
                get(tools, source, step.note)
            found = self.find(source)
            if found is None:
                raise ImageError(f"buildah gives nothing for {source.title}: try again")
            if reason := wrong_machine(found, source.title):
                tools.run(["rmi", "--force", found.id])
                raise ImageError(reason)
        return found

    def with_layers(
        self, below: StoredImage, images: Sequence[Image], progress: Progress, lock: int
    ) -> StoredImage:
        """Return an image with layers of ours on it, the lowest first; see `ensure`."""
        top, name = below, f"localhost/{below.id}"
        with buildah_for(self._store, lock) as tools:
            for image in images:
                digest = hashlib.sha256(f"{top.id} {image.tag}".encode()).hexdigest()[:24]
                name = f"{_OWN_NAMES}-{image.layer}:{digest}"
                found = self._store.find(name)
                if found is None:
                    with progress.step(f"building image {image.layer}") as step:
                        self._add_layer(tools, top, image, name, step.note)
                    found = self._store.find(name)
                if found is None:
                    raise ImageError(
                        f"buildah gives nothing for the layer {image.layer}: try again"
                    )
                top = found
        return top

    def _add_layer(
        self,
        tools: BuildahRun,
        below: StoredImage,
        image: Image,
        name: str,
        note: Callable[[str], None],
    ) -> None:
        with tools.folder() as folder:
            with room(folder):
                unpack(image.context(), folder)
                # Packages are installed by root, whoever the image's program runs as.
                path = folder / "Dockerfile"
                text = path.read_text().replace("FROM ${BASE}\n", "FROM ${BASE}\nUSER 0\n", 1)
                path.write_text(text)
            options = ["--isolation", "chroot", "--pull-never", *ulimits(), *proxy_arguments()]
            options += ["--build-arg", f"BASE={below.id}", "--tag", name]
            done = tools.run(["build", *options, str(folder)], note)
        if done.status != 0:
            self._fail(done, f"the layer {image.layer} could not be built on this image")

    # -- ways to get one -------------------------------------------------------

    def _pull(self, tools: BuildahRun, source: ImageSource, note: Callable[[str], None]) -> None:
        name = whole_name(source.value)
        # Docker takes HTTP from this machine's own registries without a word; so do we.
        insecure = ["--tls-verify=false"] if is_loopback(source.value) else []
        with contextlib.suppress(_GivenUp):
            done = tools.run(
                ["pull", *insecure, name], _until_refused(note), _PULL_TIMEOUT_S, _REGISTRY_S
            )
            if done.status == 0:
                return
            reason = known_reason(done.log, self._store.graph.parent)
            raise ImageError(reason or pull_sentence(source.value, done.log, _own_kind()))
        raise ImageError(pull_sentence(source.value, "connection refused", _own_kind()))

    def _load(self, tools: BuildahRun, source: ImageSource, note: Callable[[str], None]) -> None:
        before = self._store.names()
        with tools.folder() as folder, room(folder):
            kind, path = _archive(Path(source.value), folder)
            # By a path without ":", which would begin an image's name.
            (folder / "image").symlink_to(path)
            pull = ["pull", "--quiet", f"{kind}:{folder / 'image'}"]
            done = tools.run(pull, note, _LOAD_TIMEOUT_S)
        if done.status != 0:
            self._fail(done, f"{source.value} holds no image that can be loaded; {_ARCHIVES}")
        ids = set(re.findall(r"^(?:sha256:)?([0-9a-f]{64})$", done.log, re.M))
        if len(ids) != 1:
            raise ImageError(
                f"{source.value} holds {len(ids)} images: save the one alone, `docker save -o "
                "image.tar NAME`"
            )
        self._name_loaded(tools, ids.pop(), _name(source), before)

    def _name_loaded(
        self, tools: BuildahRun, image: str, name: str, before: Mapping[str, str]
    ) -> None:
        """Give an image its name of ours, and no name that its archive has for it.

        It could be called as an image that was pulled before, and take its place.

        """
        done = tools.run(["tag", image, name])
        if done.status != 0:
            raise ImageError("buildah could not name an image that it has loaded", done.log)
        for other, now in self._store.names().items():
            if now == image and other != name and before.get(other) != image:
                tools.run(["rmi", other])  # no more than the name: it has ours too
                if other in before:
                    tools.run(["tag", before[other], other])

    def _build(self, tools: BuildahRun, source: ImageSource, note: Callable[[str], None]) -> None:
        with contextlib.ExitStack() as undo:
            folder, text = Path(source.value), source.dockerfile_text
            dockerfile = source.dockerfile_path
            if text is not None:
                own = undo.enter_context(tools.folder())
                dockerfile = own / "Dockerfile"
                with room(own):
                    dockerfile.write_text(text)
                if source.kind == "dockerfile":
                    folder = own
            # OCI's own format has no HEALTHCHECK and no SHELL.
            options = ["--isolation", "chroot", "--layers", "--format", "docker"]
            options += [*ulimits(), *proxy_arguments(), "--tag", _name(source)]
            options += ["--file", str(dockerfile)]
            options += ["--target", source.target] if source.target else []
            for name, value in source.args:
                options += ["--build-arg", f"{name}={value}"]
            done = tools.run(["build", *options, str(folder)], note)
        if done.status != 0:
            errors = re.findall(r"^(?:Error|error): (.+)$", done.log, re.M)
            # It prints its own data after some of its sentences.
            reason = errors[-1].partition(" &imagebuilder.")[0] if errors else "buildah failed"
            if pulled := re.search(r"docker://(\S+?): ", reason):
                reason = pull_sentence(pulled[1], reason, _own_kind())
            self._fail(done, f"{source.title} could not be built: {reason}")

    def _fail(self, done: Done, sentence: str) -> None:
        place = self._store.graph.parent
        raise ImageError(known_reason(done.log, place) or sentence, done.log)


_ARCHIVES = (
    "write one with `docker save -o image.tar NAME`, or `buildah push NAME oci-archive:image.tar`"
)


class _GivenUp(Exception):
    """The registry refuses connections: buildah would try for six seconds more."""


def _until_refused(note: Callable[[str], None]) -> Callable[[str], None]:
    def look(line: str) -> None:
        if "Failed, retrying" in line and "connection refused" in line:
            raise _GivenUp
        note(line)

    return look


def _own_kind() -> str:
    return machine_kind(os.uname().machine)


def wrong_machine(image: StoredImage, title: str) -> str | None:
    """Return a sentence for an image whose programs this machine cannot run, else None."""
    system, kind = image.said.get("os", "linux"), image.said.get("architecture", "")
    if system != "linux":
        return f"{title} is for {system}, and hosts are of Linux: take another image"
    if kind and kind != _own_kind():
        return (
            f"{title} is for machines of another kind ({kind}; this one is {_own_kind()}): take "
            "one that is for this, or build it here with build="
        )
    return None


# -- names --------------------------------------------------------------------------------


def _name(source: ImageSource) -> str:
    """Return what the store calls the image of a source as it is now."""
    if source.kind == "reference":
        return whole_name(source.value)
    return f"{_OWN_NAMES}:{_digest(source)}"


def _digest(source: ImageSource) -> str:
    """Return a digest of all that says whether an archive or a folder has changed.

    Of files their sizes and times stand for their contents, which may be gigabytes; steps of a
    build are remembered by contents beside that.

    """
    digest = hashlib.sha256(f"{source.kind}\n{source.value}\n".encode())
    if source.dockerfile or source.target or source.args:
        digest.update(f"{source.dockerfile}\n{source.target}\n{source.args}\n".encode())
    if source.kind != "dockerfile":
        top = Path(source.value)
        # A Dockerfile may stand beside its directory.
        others = [Path(source.dockerfile)] if source.dockerfile.startswith("/") else []
        try:
            paths = [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]
            for path in [*paths, *others]:
                found = path.lstat()
                link = os.readlink(path) if stat.S_ISLNK(found.st_mode) else ""
                # The content of a folder is listed by itself.
                written = 0 if stat.S_ISDIR(found.st_mode) else found.st_mtime_ns
                size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
                row = (str(path), found.st_mode, size, written, link)
                digest.update(f"{row}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise ImageError(
                f"{error.filename or top} cannot be read: {error.strerror or error}"
            ) from error
    return digest.hexdigest()[:24]


# -- archives ---------------------------------------------------------------------------------

# Images of desktops or of CUDA have up to 10 GiB.
_MOST_UNPACKED = 32 << 30
_ROOM_LEFT = 1 << 30

_USUAL_KINDS = (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE)


def _archive(path: Path, folder: Path) -> tuple[str, Path]:
    """Return buildah's name for what an archive is, and where it lies, unpacked if need be."""
    if path.is_dir():
        if not (path / "index.json").is_file():
            raise ImageError(f"{path} is no folder of an image (it has no index.json); {_ARCHIVES}")
        # As a folder it would be called by its path, which need not be a name.
        with tarfile.open(folder / "layout.tar", "w") as tar:
            tar.add(path, ".")
        return "oci-archive", folder / "layout.tar"
    if not path.is_file():
        raise ImageError(f"{path} is no file; {_ARCHIVES}")
    try:
        with open(path, "rb") as file:
            start = file.read(6)
        for magic, unpack in _PACKED.items():
            if start.startswith(magic):
                packed, path = path, folder / "unpacked"
                with unpack(packed) as content:
                    _write_unpacked(packed, content, path)
        kinds = _kinds_in(path)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ImageError(f"{path} is damaged: {error}; {_ARCHIVES}") from error
    # `docker save` writes both since version 25: its own has the image's names.
    if "manifest.json" in kinds:
        _refuse_strange_files(path, {"manifest.json": kinds["manifest.json"]})
        return "docker-archive", path
    if "index.json" in kinds:
        # buildah unpacks the whole of it, and reads what is there as files.
        _refuse_strange_files(path, kinds)
        return "oci-archive", path
    raise ImageError(f"{path} holds no image: it has no manifest.json, nor index.json; {_ARCHIVES}")


def _write_unpacked(packed: Path, content: _Unpacked, target: Path) -> None:
    """Unpack a file; raise `ImageError` before it takes the room that the machine needs.

    A packed file of a megabyte may hold a gigabyte of zeros.

    """
    limit_bytes = min(_MOST_UNPACKED, shutil.disk_usage(target.parent).free - _ROOM_LEFT)
    written = 0
    with open(target, "wb") as file:
        while piece := content.read(1 << 20):
            written += len(piece)
            if written > limit_bytes:
                raise ImageError(
                    f"{packed} is unpacked more than {max(limit_bytes, 0) >> 20} MiB, more than "
                    "there is room for: free some, or take a smaller image"
                )
            file.write(piece)


def _kinds_in(path: Path) -> dict[str, bytes]:
    """Return what an archive holds, each with its type as tar(5) has it; the strangest of two."""
    kinds: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = posixpath.normpath(member.name)
                if kinds.get(name, tarfile.REGTYPE) in _USUAL_KINDS:
                    kinds[name] = member.type
    except (tarfile.TarError, EOFError) as error:
        raise ImageError(f"{path} is damaged, or no archive of tar; {_ARCHIVES}") from error
    return kinds


def _refuse_strange_files(path: Path, kinds: Mapping[str, bytes]) -> None:
    """Raise `ImageError` for a pipe, which would never end, or a link, to /dev/zero say."""
    for name, kind in kinds.items():
        if kind not in _USUAL_KINDS:
            raise ImageError(
                f"{path} holds {name!r}, which is no file or folder, as no image's archive does; "
                f"{_ARCHIVES}"
            )


# -- what an image is --------------------------------------------------------------------------

# Of usual systems 400 bytes; whoever made the image may have put anything there.
_OS_RELEASE_BYTES = 1 << 16


def os_release(image: StoredImage) -> str:
    """Return the os-release(5) of an image; "" where it has none.

    The folders of an image are a stranger's: no link in them is followed.

    """
    for layer in image.layers:
        with contextlib.suppress(OSError):
            here = layer
            for name in ("usr", "lib"):
                here = f"{here}/{name}"
                if not stat.S_ISDIR(os.lstat(here).st_mode):
                    return ""
            if not stat.S_ISREG(os.lstat(f"{here}/os-release").st_mode):
                return ""
            with open(f"{here}/os-release", errors="replace") as file:
                return file.read(_OS_RELEASE_BYTES)
    return ""
