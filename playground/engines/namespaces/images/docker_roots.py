"""The root file systems of images that a Docker engine of this machine has.

Where the engine keeps layers as directories that we may read (overlay2), they are
used where they lie.  Where it keeps them otherwise (a containerd snapshotter, vfs,
or with shifted user ids), an image is exported once into a directory of ours.

"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playground.display.progress import Progress
from playground.engines import owners
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.errors import engine_errors
from playground.engines.docker.http import Line, Refused, api_number, unix_stream
from playground.engines.docker.server import MINIMUM_API
from playground.engines.images import Image
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem, image_root
from playground.engines.seam import LabLabels, OwnImage, WantedImage
from playground.errors import EngineError, ImageError

# `docker info` says this of engines whose files belong to other users than in
# the container: "Docker security" and "Isolate containers with a user namespace"
# on docs.docker.com.
_SHIFTED = ("name=userns", "name=rootless")

# An engine that stores whole copies (vfs) makes one for a container before it answers.
_COPY_TIMEOUT_S = 600.0


class DockerRoots:
    """The images of the Docker engine on this machine, if one answers.

    ``place`` is the directory for what has to be exported.

    """

    def __init__(self, place: Path, engine: DockerEngine | None = None) -> None:
        self._place = place
        self._engine = engine or DockerEngine()
        self._shifted = False
        self._version = MINIMUM_API
        self._socket: str | None = None
        # Why an engine that is there did not answer; "" for none that is there.
        self.silence = ""

    def __repr__(self) -> str:
        return f"DockerRoots({str(self._place)!r})"

    def answers(self) -> bool:
        """Whether an engine answers at a socket of this machine.

        Its files are elsewhere where it is reached over a network.

        """
        if self._socket is None:
            self._socket = self._look()
        return bool(self._socket)

    def _look(self) -> str:
        if not (self._engine.url or os.environ.get("DOCKER_HOST", "unix://")).startswith("unix:"):
            return ""
        try:
            said = self._engine.describe()
        except EngineError as error:
            if "did not answer in time" in str(error):
                self.silence = str(error)
            return ""
        if not said["url"].startswith("unix://"):
            return ""
        self._version = max(said["version"]["MinAPIVersion"], MINIMUM_API, key=api_number)
        options = said["info"].get("SecurityOptions") or ()
        self._shifted = any(option.startswith(_SHIFTED) for option in options)
        return str(said["url"]).removeprefix("unix://")

    def find(self, tag: str) -> RootFilesystem | None:
        """Return the root of an image; None if it is not here, or not as directories."""
        inspected = self._inspect(tag) if self.answers() else None
        if inspected is None:
            return None
        layers = [] if self._shifted else _layers(inspected)
        return image_root(layers, inspected["Config"] or {}) if layers else None

    def ensure(self, images: Sequence[Image], progress: Progress) -> dict[str, RootFilesystem]:
        """Build the images that the engine lacks; return the roots of all, by tag.

        Raises `EngineError` if the engine goes away, `ImageError` if a build
        fails; images built before that one stay.

        """
        self._engine.build_images(images, progress)
        return {
            image.tag: self.find(image.tag) or self.export(image.tag, progress) for image in images
        }

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image of the user's as the engine has it, or gets it."""
        return self._engine.own_image(here, wanted, progress)

    def _inspect(self, tag: str) -> dict[str, Any] | None:
        with self._errors(f"looking for image {tag}"), self._line() as line:
            try:
                inspected: dict[str, Any] = line.request("GET", f"/images/{tag}/json")
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
                return None
        return inspected

    def export(self, tag: str, progress: Progress) -> RootFilesystem:
        """Copy an image into a directory of ours, unless there is its copy; return its root.

        Labs that run may stand on that copy: it is never taken away.  Tags of ours name
        contents, so it cannot be of another image.  One caller at a time, of all programs:
        they would write into the same place.

        The engine exports containers only, so one is made, which never runs; it
        has the labels of a lab, by which `playground.sweep` finds it.

        """
        inspected = self._inspect(tag) or {}
        lab = LabLabels(
            f"export-{secrets.token_hex(4)}",
            "export",
            owners.own_name(),
            mark=owners.own_mark(),
        )
        # "true": an image may have no program at all, a container must.
        body = {"Image": tag, "Cmd": ["true"], "Labels": lab.as_labels("export")}
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        final = self._place / quote(tag, safe="")
        if final.is_dir():
            return image_root([str(final)], inspected.get("Config") or {})
        partial_copy = final.with_name(final.name + ".partial")
        with (
            progress.step(f"taking image {tag} out of Docker"),
            self._errors(f"taking out image {tag}"),
            self._line() as line,
        ):
            shutil.rmtree(partial_copy, ignore_errors=True)
            partial_copy.mkdir(mode=0o755)
            try:
                made = line.request("POST", "/containers/create", {"name": lab.id}, body)
                self._unpack(made["Id"], partial_copy)
                partial_copy.rename(final)
            finally:
                shutil.rmtree(partial_copy, ignore_errors=True)
                self._engine.stop(lab.id)
        return image_root([str(final)], inspected.get("Config") or {})

    def _unpack(self, container: str, directory: Path) -> None:
        import docker

        api = docker.APIClient(
            base_url=f"unix://{self._socket}", version=self._version, timeout=_COPY_TIMEOUT_S
        )
        # tar(1) keeps what Python's tarfile does not: capabilities of files.
        command = ["tar", "--extract", "--numeric-owner", "--preserve-permissions"]
        command += ["--same-owner", "--xattrs", "--xattrs-include=*", "--directory", str(directory)]
        try:
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            ) as tar:
                assert tar.stdin is not None and tar.stderr is not None
                try:
                    for piece in api.export(container):
                        tar.stdin.write(piece)
                    tar.stdin.close()
                except BrokenPipeError:
                    pass  # tar says why
                except BaseException:
                    tar.kill()
                    raise
                words = tar.stderr.read().decode(errors="replace")
        finally:
            api.close()
        if tar.returncode != 0:
            raise ImageError(f"an image of Docker could not be copied to {directory.parent}", words)

    def _line(self) -> Line:
        return Line(self._dial, self._version)

    def _dial(self) -> socket.socket:
        stream = unix_stream(self._socket or "")
        stream.settimeout(_COPY_TIMEOUT_S)
        return stream

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return engine_errors(doing, lambda: f"unix://{self._socket}")


def _layers(inspected: Mapping[str, Any]) -> list[str]:
    """The directories of an image, uppermost first; none if they are not all here."""
    # https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageInspect
    data = (inspected.get("GraphDriver") or {}).get("Data") or {}
    upper, lower = data.get("UpperDir"), data.get("LowerDir")
    layers = [upper, *(lower.split(":") if lower else ())] if upper else []
    return layers if all(map(os.path.isdir, layers)) else []
