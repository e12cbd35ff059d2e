"""Images at a Docker server: looked for, built, pulled, made from a Debian mirror."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress

from playground.display.progress import Progress, Silent
from playground.engines.build_environment import BUILD_TIMEOUT_S
from playground.engines.debian_base import bootstrap, mmdebstrap_command
from playground.engines.docker.builds import BuildContext, run_build
from playground.engines.docker.errors import build_failed
from playground.engines.docker.http import Refused
from playground.engines.docker.server import Server
from playground.engines.images import LOCAL_BASE, PUBLIC_BASE, Image
from playground.errors import ImageError

# A registry that has said nothing for this long is not reached from here.
_SILENCE_S = 15.0


class ServerImages:
    """The images of a Docker server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def build(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Build the images that are missing, lowest layers first.

        What the lowest stand on is `images.PUBLIC_BASE` if that is there or can
        be pulled, else a Debian made by mmdebstrap.  Raises `ImageError` with
        the build's log; images built before that one stay.

        """
        # One by one: the engine adds up sizes when it lists, 40 ms for 50 images.
        # A complete image needs no layers below it.
        tops = dict.fromkeys(images)
        absent = [image for image in tops if not self.has(image.tag)]
        needed = dict.fromkeys(image for top in absent for image in top.chain)
        missing = [image for image in needed if not self.has(image.tag)]
        if not missing:
            return
        show: Progress = progress or Silent()
        base = self._base(show) if any(image.base is None for image in missing) else ""
        for image in missing:
            self.build_one(image, image.base.tag if image.base else base, show)

    def has(self, tag: str) -> bool:
        """Whether the engine has an image of this tag."""
        with self._server.errors(f"looking for image {tag}"), self._server.line() as line:
            try:
                line.request("GET", f"/images/{tag}/json")
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
                return False
        return True

    def tags(self) -> list[str]:
        """Return the tags of the engine's images of ours.  It takes the engine a while."""
        with self._server.errors("looking at the images"), self._server.line() as line:
            query = {"filters": json.dumps({"reference": ["playground/*"]})}
            found = line.request("GET", "/images/json", query)
        return [tag for image in found for tag in image.get("RepoTags") or ()]

    def build_one(self, image: Image, base: str, progress: Progress) -> None:
        """Build one image on another that is there; raises `ImageError` with the build's log."""
        built = run_build(
            self._server,
            f"building image {image.title}",
            BuildContext(image.context(), args=(("BASE", base),)),
            image.tag,
            progress,
            labels={"playground.image": image.layer},
        )
        if built.error:
            raise build_failed(image, built.error, built.log)

    def _base(self, progress: Progress) -> str:
        """Return the tag of a Debian to build on; get or make it if need be."""
        for tag in (PUBLIC_BASE, LOCAL_BASE):
            if self.has(tag):
                return tag
        if self._pull(PUBLIC_BASE, progress):
            return PUBLIC_BASE
        self.make_base(progress)
        return LOCAL_BASE

    def _pull(self, tag: str, progress: Progress) -> bool:
        """Try to pull an image; return False if no registry gives it.

        The limit is on silence: a slow download goes on for as long as
        something comes, and a machine without a way out does not hang.

        """
        import docker.errors
        import requests

        name, _, version = tag.partition(":")
        with progress.step(f"pulling {tag}") as step, self._server.errors(f"pulling {tag}"):
            try:
                with self._server.client(_SILENCE_S) as api:
                    for item in api.pull(name, version, stream=True, decode=True):
                        step.note(item.get("status", ""))
            except (docker.errors.APIError, requests.RequestException):
                return False
        return self.has(tag)

    def make_base(self, progress: Progress) -> None:
        """Make a Debian with mmdebstrap and load it; a Debian mirror is enough.

        As root mmdebstrap makes it directly, for other users in a user
        namespace of its own (mmdebstrap(1), --mode=auto).

        """
        if shutil.which("mmdebstrap") is None:
            raise ImageError(
                f"the engine has no {PUBLIC_BASE} and no registry gives it: install mmdebstrap "
                "(apt-get install mmdebstrap), with which a base is made from a Debian mirror, "
                "or run scripts/demo, which does all that"
            )
        import docker.errors

        repository, _, tag = LOCAL_BASE.partition(":")
        with (
            self._server.errors("loading the Debian base"),
            self._server.client(BUILD_TIMEOUT_S) as api,
            progress.step("making a Debian base with mmdebstrap") as step,
        ):
            command = mmdebstrap_command(api.version().get("Arch", ""))
            # Half a Debian must never get the tag: it comes when all went well.
            unfinished = f"{repository}:unfinished"
            try:
                with bootstrap(command, step.note) as archive:
                    # The tag in the name: Podman overlooks it elsewhere.
                    answer = api.import_image(archive, repository=unfinished, stream_src=True)
                if "errorDetail" in answer:
                    raise ImageError("the engine could not load the Debian base", answer)
                api.tag(unfinished, repository, tag)
            finally:
                with suppress(docker.errors.NotFound):
                    api.remove_image(unfinished)
