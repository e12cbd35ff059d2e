"""Images of the user's own at a Docker server: found, pulled, loaded, built, and made ready.

A container of a lab waits for its network before its image's program begins.  So its first
process is a small one of ours, `engines.pause`, put beside the image's files once for all
its containers; the agent starts the image's program later, in the words of its config.

"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client
import io
import json
import stat
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from playground.display.progress import Progress, ProgressStep
from playground.engines import owners, pause
from playground.engines.build_environment import BUILD_TIMEOUT_S
from playground.engines.docker.archive_names import archive_names
from playground.engines.docker.build_contexts import build_context, files_archive
from playground.engines.docker.build_turns import build_turn
from playground.engines.docker.builds import BuildContext, run_build
from playground.engines.docker.container_configs import FIRST_PROGRAM
from playground.engines.docker.errors import own_build_failed, pull_failed
from playground.engines.docker.http import Line, Refused
from playground.engines.docker.server import Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.image_config import (
    image_config,
    refuse_onbuild,
    refuse_other_systems,
    wanted_layers,
)
from playground.engines.seam import MARK, OWNER, OwnImage, WantedImage
from playground.errors import EngineError, ImageError
from playground.model.containers.image_sources import ImageSource

# Names in uname(2) of what images call their architecture (GOARCH).
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

_DIGEST_LENGTH = 16


class OwnImages:
    """The images at a Docker server that are not of playground."""

    def __init__(self, server: Server, images: ServerImages) -> None:
        self._server = server
        self._images = images

    def ready(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image as containers are made of it; get or build it if need be.

        ``here`` is the node that wants it, for what is raised: `ImageError`, `EngineError`.

        """
        found = self._find(here, wanted.source, progress)
        self._refuse_other_platform(here, wanted.source, found)
        refuse_onbuild(here, wanted, found.get("Config") or {})
        try:
            config = image_config(found.get("Config") or {})
        except ImageError as error:
            raise ImageError(f"{here}: {error.args[0]}") from None
        base = str(found["Id"])
        if wanted.services or wanted.packages:
            base = self._with_layers(here, wanted, base, progress)
        return OwnImage(self._with_first_program(here, base, progress), config)

    # ... the image itself

    def _find(self, here: str, source: ImageSource, progress: Progress) -> dict[str, Any]:
        """Return what the engine says of an image, once it is there."""
        match source.kind:
            case "reference":
                return self._inspect(source.value) or self._pull(here, source.value, progress)
            case "archive":
                return self._load(here, Path(source.value), progress)
        return self._build(here, source, progress)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        with self._server.errors(f"looking for image {name}"), self._server.line() as line:
            try:
                found: dict[str, Any] = line.request("GET", f"/images/{name}/json")
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
                return None
        return found

    def _pull(self, here: str, name: str, progress: Progress) -> dict[str, Any]:
        import docker.errors

        error = ""
        with (
            progress.step(f"pulling {name}") as step,
            self._server.errors(f"pulling {name}"),
            self._server.client(BUILD_TIMEOUT_S) as api,
        ):
            try:
                sizes: dict[str, tuple[int, int]] = {}
                for item in api.pull(name, stream=True, decode=True):
                    _note_pull(step, item, sizes)
                    error = item.get("error", error)
            except docker.errors.APIError as refusal:
                error = str(refusal.explanation or refusal)
            if error:
                raise pull_failed(here, name, error)
        return self._there(here, name)

    def _there(self, here: str, name: str) -> dict[str, Any]:
        found = self._inspect(name)
        if found is None:
            raise ImageError(f"{here}: the image {name} is gone again; try once more")
        return found

    def _load(self, here: str, archive: Path, progress: Progress) -> dict[str, Any]:
        tag = f"playground/archive:{_archive_digest(here, archive)}"
        if (known := self._inspect(tag)) is not None:
            return known
        import docker.errors

        names = archive_names(here, archive)
        said: list[str] = []
        with (
            progress.step(f"loading {archive.name}") as step,
            self._server.errors(f"loading {archive}"),
            self._server.client(BUILD_TIMEOUT_S) as api,
            # No build stands on a name while it is the archive's, and no other archive has it.
            build_turn(self._server.socket_path(), step.note),
        ):
            before = self._names()
            try:
                try:
                    with archive.open("rb") as file:
                        for item in api.load_image(file):
                            said.append(str(item.get("stream") or item.get("error") or ""))
                except docker.errors.APIError as refusal:
                    said.append(str(refusal.explanation or refusal))
                loaded = _loaded_names(said)
                found = {name: self._inspect(name) or {"Id": name} for name in loaded}
                ids = {str(image["Id"]) for image in found.values()}
                if len(ids) != 1:
                    text = " ".join("".join(said).split())
                    raise _not_one_image(here, archive, loaded, text)
                repository, _, version = tag.partition(":")
                api.tag(ids.pop(), repository, version)
            finally:
                self._put_back(api, names | set(_loaded_names(said)), before)
        return self._there(here, tag)

    def _names(self) -> dict[str, str]:
        """Return the images of the engine by name."""
        with self._server.errors("looking at the images"), self._server.line() as line:
            images = line.request("GET", "/images/json")
        return {name: str(image["Id"]) for image in images for name in image.get("RepoTags") or ()}

    def _put_back(self, api: Any, names: Iterable[str], before: Mapping[str, str]) -> None:
        """Give names back to the images that had them, and take away those that none had.

        An archive may call its image as one that was pulled, and take its place for all.

        """
        now = self._names()
        for name in names:
            if now.get(name) == before.get(name):
                continue
            if name in before:
                repository, _, version = name.rpartition(":")
                api.tag(before[name], repository, version)
            else:
                api.remove_image(name, noprune=True)

    def _build(self, here: str, source: ImageSource, progress: Progress) -> dict[str, Any]:
        context = _context(here, source)
        tag = f"playground/build:{context.digest}"
        if (known := self._inspect(tag)) is not None:
            return known
        error, log = run_build(self._server, f"building {source.title}", context, tag, progress)
        if error:
            raise own_build_failed(here, source.title, error, log)
        return self._there(here, tag)

    def _refuse_other_platform(
        self, here: str, source: ImageSource, found: Mapping[str, Any]
    ) -> None:
        system, processor = found.get("Os", "linux"), found.get("Architecture", "")
        runs = self._server.architecture
        if system != "linux" or processor not in ("", runs):
            raise ImageError(
                f"{here}: {source.title} is for {system} on {processor}, and the engine runs "
                f"Linux on {runs}; take the image that was built for {runs}"
            )

    # ... and what is put on it

    def _with_layers(self, here: str, wanted: WantedImage, base: str, progress: Progress) -> str:
        """Return a user's image with layers of ours on it; refuse what is no Debian."""
        text = self._read(base, "/etc/os-release", "/usr/lib/os-release")
        refuse_other_systems(here, wanted, text)
        # Whoever the image's program runs as, packages are installed by root.
        below = self._changed(here, base, "own-root", "USER 0", {}, progress)
        for image in wanted_layers(wanted):
            if self._stands_on(base, image.tag):
                continue  # whoever built it began with ours
            digest = hashlib.sha256(f"{below} {image.tag}".encode()).hexdigest()
            tag = f"playground/own-{image.layer}:{digest[:_DIGEST_LENGTH]}"
            if self._inspect(tag) is None:
                self._images.build_one(dataclasses.replace(image, tag=tag), below, progress)
            below = tag
        return below

    def _stands_on(self, image: str, below: str) -> bool:
        """Whether an image was built upon another, one of ours that may not be there."""
        upper, lower = self._inspect(image), self._inspect(below)
        if upper is None or lower is None:
            return False
        layers = lower["RootFS"].get("Layers") or []
        return bool(layers) and (upper["RootFS"].get("Layers") or [])[: len(layers)] == layers

    def _with_first_program(self, here: str, base: str, progress: Progress) -> str:
        machine = _MACHINES.get(self._server.architecture, "")
        try:
            program = pause.program(machine)
        except KeyError:
            raise EngineError(
                f"images of your own run on {' and '.join(sorted(_MACHINES))}, and this engine's "
                f"processor is of another kind, {self._server.architecture}"
            ) from None
        return self._changed(
            here, base, "own", f"COPY pause {FIRST_PROGRAM}", {"/pause": program}, progress
        )

    def _changed(
        self,
        here: str,
        base: str,
        kind: str,
        dockerfile: str,
        files: Mapping[str, bytes],
        progress: Progress,
    ) -> str:
        """Return an image that is another and what a Dockerfile adds, built once."""
        identity = self._inspect(base)
        digest = hashlib.sha256(f"{identity and identity['Id']} {dockerfile}".encode())
        for content in files.values():
            digest.update(content)
        name = f"playground/{kind}:{digest.hexdigest()[:_DIGEST_LENGTH]}"
        if self._inspect(name) is None:
            self._refuse_pipes(here, base)
            text = f"FROM {base}\n{dockerfile}\n"
            context = BuildContext(files_archive({"/Dockerfile": text.encode(), **files}))
            built = run_build(self._server, "making an image ready", context, name, progress)
            if built.error:
                raise ImageError(f"an image could not be made ready: {built.error.strip()}")
        return name

    def _refuse_pipes(self, here: str, base: str) -> None:
        """Refuse an image whose lists of users are no files: the engine would wait for ever.

        It opens them to look up the image's user, and cannot remove a container meanwhile.

        """
        with (
            self._server.errors("looking into an image"),
            self._server.client(BUILD_TIMEOUT_S) as api,
            self._server.line() as line,
        ):
            container = _unstarted(line, base)
            try:
                for path in ("/etc/passwd", "/etc/group"):
                    if _kind(api, container, path):
                        raise ImageError(
                            f"{here}: {path} of its image is no file that lists users, and the "
                            "engine would wait for it; mend the image"
                        )
            finally:
                line.request("DELETE", f"/containers/{container}", {"force": 1, "v": 1})

    def _read(self, image: str, *paths: str) -> str:
        """Return the beginning of the first of these files that an image has; "" for none."""
        with (
            self._server.errors("looking into an image"),
            self._server.client(BUILD_TIMEOUT_S) as api,
            self._server.line() as line,
        ):
            container = _unstarted(line, image)
            try:
                for path in paths:
                    if _kind(api, container, path):
                        continue  # a pipe, for one
                    if text := _only_file(_beginning(api, container, path)):
                        return text
            finally:
                line.request("DELETE", f"/containers/{container}", {"force": 1, "v": 1})
        return ""


def _context(here: str, source: ImageSource) -> BuildContext:
    try:
        return build_context(source)
    except OSError as error:
        place = error.filename or source.value
        reason = error.strerror or str(error)
        raise ImageError(f"{here}: {place} cannot be read: {reason}") from error


# -- files of an image --------------------------------------------------------

# An os-release of usual systems has 400 bytes; whoever made an image may have put a sparse
# file of a terabyte there.
_READ_BYTES = 1 << 16


def _beginning(api: Any, container: str, path: str) -> bytes:
    """Return the beginning of what the engine packs of a path in a container; b"" for nothing."""
    found = b""
    with api.get(_place(api, container), params={"path": path}, stream=True) as answer:
        if answer.status_code == http.client.NOT_FOUND:
            return found
        answer.raise_for_status()
        # As much again for what the archive says of the file.
        for piece in answer.iter_content(1 << 14):
            found += piece
            if len(found) >= 2 * _READ_BYTES:
                break
    return found


def _only_file(archive: bytes) -> str:
    """Return the beginning of the file in an archive, which may break off; "" for no file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = tar.next()
            if member is not None and member.isreg():
                file = tar.extractfile(member)
                return file.read(_READ_BYTES).decode(errors="replace") if file else ""
    except tarfile.TarError:
        pass  # empty, or its header alone is longer than what is read of it
    return ""


# Bits of Go's fs.FileMode: a symbolic link, and all that say that something is no file.
_GO_SYMLINK = 1 << 27
_GO_TYPES = 1 << 31 | _GO_SYMLINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_MOST_LINKS = 8


def _place(api: Any, container: str) -> str:
    return f"{api.base_url}/v{api.api_version}/containers/{container}/archive"


def _kind(api: Any, container: str, path: str) -> int:
    """Return the bits of what a path leads to in a container, 0 for a file and for nothing.

    Only HEAD is asked for: to GET a pipe, the engine would open it, and wait.

    """
    place = _place(api, container)
    for _ in range(_MOST_LINKS):
        answer = api.head(place, params={"path": path})
        said = answer.headers.get("X-Docker-Container-Path-Stat")
        if answer.status_code != http.client.OK or not said:
            return 0
        found = json.loads(base64.b64decode(said))
        if not found["mode"] & _GO_SYMLINK:
            return int(found["mode"]) & _GO_TYPES
        path = found["linkTarget"]
    return _GO_SYMLINK


def _unstarted(line: Line, image: str) -> str:
    """Create a container that is never started, for what is in its image; return its id."""
    body = {
        "Image": image,
        "Entrypoint": [FIRST_PROGRAM],
        "Labels": {OWNER: owners.own_name(), MARK: owners.own_mark()},
        "HostConfig": {"NetworkMode": "none"},
    }
    return str(line.request("POST", "/containers/create", body=body)["Id"])


# -- what was said ---------------------------------------------------------------


def _archive_digest(here: str, archive: Path) -> str:
    try:
        found = archive.stat()
    except OSError as error:
        raise ImageError(
            f"{here}: the archive {archive} cannot be read: {error.strerror}"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(
            f"{here}: Docker takes archives alone, and {archive} is a folder: pack it, `tar -C "
            f'{archive} -cf image.tar .`, and give image=Path("image.tar")'
        )
    text = f"{archive} {found.st_size} {found.st_mtime_ns} {found.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def _loaded_names(said: Iterable[str]) -> list[str]:
    """Return what `docker load` says that it has loaded."""
    lines = [line for text in said for line in text.splitlines()]
    found = [line.partition(": ")[2].strip() for line in lines if line.startswith("Loaded image")]
    # Podman says all names of an image in one line.
    return [name for names in found for name in names.split(",") if name]


def _not_one_image(here: str, archive: Path, names: list[str], said: str) -> ImageError:
    if names:
        return ImageError(
            f"{here}: {archive} holds {len(names)} images ({', '.join(names)}); save the one that "
            f"is meant: docker save -o {archive.name} {names[0]}"
        )
    return ImageError(
        f"{here}: {archive} is no image that this engine can load ({said or 'it says nothing'}); "
        f"write it with `docker save -o {archive.name} NAME`"
    )


def _note_pull(
    step: ProgressStep, item: Mapping[str, Any], sizes: dict[str, tuple[int, int]]
) -> None:
    detail = item.get("progressDetail") or {}
    if item.get("status") == "Downloading" and detail.get("total"):
        sizes[str(item.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
        done, total = (sum(pair[place] for pair in sizes.values()) / 1e6 for place in (0, 1))
        step.note(f"{done:.1f} of {total:.1f} MB")
    else:
        step.note(str(item.get("status", "")))
