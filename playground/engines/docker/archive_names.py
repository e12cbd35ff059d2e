"""What the images in an archive are called: names that an engine would give them.

An engine that loads an archive takes these names from whatever has them.  None of them may be
ours, for hosts of every lab stand on those.

"""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground.errors import ImageError

OURS = "playground/"

# What engines take for the same place as none: Docker, and Podman beside it.
_PLACES = ("docker.io/", "index.docker.io/", "localhost/")

# A list of a thousand images has a tenth of it.
_LIST_BYTES = 1 << 20


def archive_names(here: str, archive: Path) -> set[str]:
    """Return what an archive of `docker save` calls its images; none for what we cannot read.

    Raises `ImageError` where a name is ours, or where its lists of names are no usual files.

    """
    names: set[str] = set()
    # What is no archive, or is packed as only the engine can read it, the engine judges.
    with suppress(OSError, EOFError, tarfile.TarError), tarfile.open(archive) as tar:
        for member in tar:
            names_of = _LISTS.get(posixpath.normpath(f"/{member.name}").lstrip("/"))
            if names_of is None:
                continue
            file = tar.extractfile(member) if member.isreg() else None
            if file is None or member.size > _LIST_BYTES:
                raise ImageError(
                    f"{here}: {member.name} in {archive} is no list of an image's names: write it "
                    f"anew with `docker save -o {archive.name} NAME`"
                )
            # What is no such list the engine refuses.
            with suppress(ValueError, TypeError, AttributeError, RecursionError):
                names.update(filter(None, map(_usual, names_of(json.loads(file.read())))))
    for name in sorted(names):
        if name.startswith(OURS):
            raise ImageError(
                f"{here}: {archive} calls its image {name}, and names that begin with {OURS} are "
                "for images that playground makes: give it another with `docker tag`, and save that"
            )
    return names


def _usual(name: Any) -> str:
    """Return a name as an engine shows it."""
    text = str(name)
    for place in _PLACES:
        text = text.removeprefix(place)
    return text


# https://github.com/moby/moby/blob/master/image/spec/v1.2.md, and image-layout.md of OCI.


def _of_manifest(said: Any) -> Iterator[Any]:
    for image in said:
        yield from image.get("RepoTags") or ()


def _of_repositories(said: Any) -> Iterator[Any]:
    for repository, versions in said.items():
        yield from (f"{repository}:{version}" for version in versions)


def _of_index(said: Any) -> Iterator[Any]:
    for image in said["manifests"]:
        noted = image.get("annotations") or {}
        yield noted.get("io.containerd.image.name", "")
        yield noted.get("org.opencontainers.image.ref.name", "")


_LISTS = {
    "manifest.json": _of_manifest,
    "repositories": _of_repositories,
    "index.json": _of_index,
}
