"""Images on their way to the machines: by a registry, from which each engine pulls.

``PLAYGROUND_REGISTRY`` names it, "registry.example.com:5000".  The manager's engine builds what is
missing there and pushes it; machines get images by their digest, so that none asks
a registry for what it has.  Where none is named, `carried_images` brings them there.

"""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Sequence

from playground.display.progress import Progress
from playground.engines.docker.http import Refused
from playground.engines.docker.logins import login_header
from playground.engines.docker.server import Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import Image
from playground.errors import EngineError, ImageError

VARIABLE = "PLAYGROUND_REGISTRY"

_PUSH_LIMIT_S = 1800.0
_REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:\d+)?(/[a-z0-9._/-]+)?")


def registry_of_environment() -> str | None:
    """Return the registry that was named; raises `EngineError` for what can be none."""
    named = os.environ.get(VARIABLE) or None
    if named is not None and not _REGISTRY.fullmatch(named):
        raise EngineError(
            f"{VARIABLE}={named} names no registry: write its host and port, as in "
            f"{VARIABLE}=registry.example.com:5000"
        )
    return named


def _named_registry() -> str:
    registry = registry_of_environment()
    if registry is None:  # else images are carried
        raise EngineError(f"name a registry in {VARIABLE} for the machines to get images from")
    return registry


class RegistryImages:
    """Images of a manager's engine, and the names by which all machines know them."""

    def __init__(self, server: Server, images: ServerImages) -> None:
        self._server = server
        self._images = images
        self._known: dict[str, str] = {}

    def spread(self, images: Sequence[Image], progress: Progress) -> None:
        """Make images known to all machines; those that the registry lacks are built and pushed."""
        missing = [image for image in dict.fromkeys(images) if image.tag not in self._known]
        if not missing:
            return
        registry = _named_registry()
        absent = [image for image in missing if not self._look(registry, image.tag)]
        self._images.build(absent, progress)
        for image in absent:
            self._push(registry, image.tag, progress)

    def spread_own(self, tag: str, progress: Progress) -> str:
        """Make an image of the user's known to all machines, likewise; return its name there."""
        registry = _named_registry()
        name, _, version = tag.partition(":")
        known = f"{name}:{version or 'latest'}"
        if not self._look(registry, known):
            self._push(registry, known, progress)
        return self._known[known]

    def has(self, tag: str) -> bool:
        """Whether the registry that was named has an image; False where none was named.

        Raises `EngineError` where it does not answer as a registry.

        """
        registry = registry_of_environment()
        return registry is not None and self._look(registry, tag)

    def name_of(self, tag: str) -> str:
        """Return the name by which machines get an image."""
        return self._known.get(tag, tag)

    def _look(self, registry: str, tag: str) -> bool:
        """Ask the registry, by the manager's engine, for an image's digest."""
        name = f"{registry}/{tag}"
        with self._server.errors(f"looking for {name}"), self._server.line() as line:
            try:
                found = line.request(
                    "GET", f"/distribution/{name}/json", headers=login_header(registry)
                )
            except Refused as refusal:
                words = refusal.message.lower()
                if any(word in words for word in ("unauthorized", "no basic auth", "denied")):
                    raise EngineError(
                        f"the registry {registry} lets nobody in without a password: log in with "
                        f"`docker login {registry}`, or with `playground registry` where that "
                        "started it"
                    ) from refusal
                unknown = ("manifest unknown", "name unknown", "not found")
                if refusal.status == http.client.NOT_FOUND or any(w in words for w in unknown):
                    return False
                raise EngineError(
                    f"the registry {registry} does not answer as one: {refusal.message.strip()}; "
                    f"is it up, do the engines trust it (insecure-registries in daemon.json), and "
                    f"is {VARIABLE} right?"
                ) from refusal
        repository = name.rpartition(":")[0]
        self._known[tag] = f"{repository}@{found['Descriptor']['digest']}"
        return True

    def _push(self, registry: str, tag: str, progress: Progress) -> None:
        repository, _, version = f"{registry}/{tag}".rpartition(":")
        error = ""
        with (
            progress.step(f"pushing {tag} to {registry}") as step,
            self._server.errors(f"pushing {tag}"),
            self._server.client(_PUSH_LIMIT_S) as api,
        ):
            api.tag(tag, repository, version)
            for item in api.push(repository, version, stream=True, decode=True):
                step.note(str(item.get("status", "")))
                error = item.get("error", error)
        if error or not self._look(registry, tag):
            raise ImageError(f"the image {tag} could not be pushed to {registry}: {error}")
