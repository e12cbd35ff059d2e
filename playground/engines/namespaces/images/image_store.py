"""A store of buildah's, read without buildah: which images are there, of which folders.

Reading takes no program and no time.  The files are those of containers/storage
(https://github.com/containers/storage, images.go and layers.go).

"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.model.records import dataclass

# overlay wants a file system that may lie on top (not overlay itself, which a
# container's root mostly is); vfs works anywhere, with a whole copy a layer.
# See storage(5) of containers-storage.
DRIVERS = ("overlay", "vfs")


@dataclass(frozen=True)
class StoredImage:
    """An image of a store: its folders, uppermost first, and what it says of itself.

    ``said`` is its configuration as OCI and Docker write it, with "config", "architecture"
    and "os".

    """

    id: str
    names: tuple[str, ...]
    layers: tuple[str, ...]
    said: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """Its settings of how its program is run; empty where it has none."""
        return self.said.get("config") or {}


class ImageStore:
    """The images below one folder, as buildah's ``--root`` has them.

    ``shared`` is another store whose layers its images may stand on.

    """

    def __init__(self, graph: Path, shared: Path | None = None) -> None:
        self.graph = graph
        self.shared = shared

    def find(self, name_or_id: str) -> StoredImage | None:
        """Return an image by its whole name or id; None if it, or a part of it, is not there.

        One with a digest is what it is, whatever it is called.

        """
        for driver, image in self._images():
            names = (image["id"], *(image.get("names") or ()))
            if name_or_id in names or _digest(name_or_id) in _digests(image):
                # One without files has no layer.
                layers = self._layers(driver, image["layer"]) if "layer" in image else []
                # Somebody may have removed some of it: then it is made anew.
                with contextlib.suppress(OSError):
                    if all(map(os.path.isdir, layers)):
                        said = self._said(driver, image["id"])
                        names = tuple(image.get("names") or ())
                        return StoredImage(image["id"], names, tuple(layers), said)
        return None

    def names(self) -> dict[str, str]:
        """Return the names of all images, and whose id each is."""
        images = [image for _, image in self._images()]
        return {name: image["id"] for image in images for name in image.get("names") or ()}

    def driver(self) -> str | None:
        """Return how layers are stored here; None where nothing is yet."""
        for driver in DRIVERS:
            if (self.graph / f"{driver}-images").is_dir():
                return driver
        return None

    def has_containers(self, driver: str) -> bool:
        """Whether a build was interrupted: only then is there a container."""
        containers = self.graph / f"{driver}-containers"
        names = ("containers.json", "volatile-containers.json")
        return any(read_list(containers / name) for name in names)

    def _images(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for driver in DRIVERS:
            for image in read_list(self.graph / f"{driver}-images" / "images.json"):
                yield driver, image

    def _layers(self, driver: str, top: str) -> list[str]:
        """The folders of a layer and of all below it."""
        places = {}
        for graph in (self.shared, self.graph):
            if graph is not None:
                for layer in read_list(graph / f"{driver}-layers" / "layers.json"):
                    places[layer["id"]] = (graph, layer.get("parent"))
        if driver == "vfs":
            return [str(places.get(top, (self.graph, None))[0] / "vfs" / "dir" / top)]
        layers = []
        here: str | None = top
        while here:
            graph, parent = places.get(here, (self.graph, None))
            layers.append(str(graph / driver / here / "diff"))
            here = parent
        return layers

    def _said(self, driver: str, image_id: str) -> dict[str, Any]:
        # A file's name is its key in base64: makeBigDataBaseName in images.go.
        key = base64.standard_b64encode(f"sha256:{image_id}".encode()).decode()
        path = self.graph / f"{driver}-images" / image_id / f"={key}"
        said: dict[str, Any] = json.loads(path.read_bytes())
        return said


def _digest(name: str) -> str:
    """Return the digest in a name, "" for none."""
    return name.partition("@")[2]


def _digests(image: Mapping[str, Any]) -> set[str]:
    """Return the digests of an image's manifests, of the list that it was chosen from too."""
    kept = image.get("big-data-digests") or {}
    found = {digest for key, digest in kept.items() if key.startswith("manifest")}
    return {*found, *([image["digest"]] if image.get("digest") else [])}


def read_list(path: Path) -> list[dict[str, Any]]:
    """The entries of a list of the store; none where there is no list yet."""
    try:
        # The store replaces its lists as a whole: never half of one is seen.
        listed: list[dict[str, Any]] = json.loads(path.read_bytes()) or []
    except FileNotFoundError:
        return []
    return listed
