"""Container images that a lab needs: directories, chains, tags.

An image is a directory with a Dockerfile that starts with ``ARG BASE`` and
``FROM ${BASE}``, put on another image.  A host with the services ftp and telnet
is the chain base, ftp, telnet.  A tag holds a hash of the contents of the whole
chain, so that a change is rebuilt and nothing else, and two versions of
playground on one machine never disturb each other.

Only files are read here; `docker.server_images` builds.

"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from playground.errors import ImageError
from playground.model.records import dataclass

# The lowest image of every chain stands on one of these: the first that the
# engine has or can get.  The second is made here, where no registry is reached.
PUBLIC_BASE = "debian:trixie-slim"
LOCAL_BASE = "playground/debian:trixie"

# Enough that two contents never meet on one machine (48 bits), short enough to
# be read aloud.
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Image:
    """One image: the files in ``directory``, built on ``base``.

    ``base`` is None for the lowest image of a chain, which stands on Debian.
    ``extra`` are files from elsewhere that belong to the build too, as pairs of
    their name there and their path here, or their content.  ``packages`` are those of Debian
    that it adds.

    """

    tag: str
    directory: Path
    base: Image | None = None
    extra: tuple[tuple[str, Path | bytes], ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple[Image, ...]:
        """All images from the lowest up to this one, in the order to build."""
        return (*(self.base.chain if self.base else ()), self)

    @property
    def layer(self) -> str:
        """The name of the directory, as students and progress bars see it."""
        return self.directory.name

    @property
    def title(self) -> str:
        """The image's name in sentences and in a progress bar."""
        return f"of {', '.join(self.packages)}" if self.packages else self.layer

    def context(self) -> bytes:
        """Return all files of the build as an uncompressed tar archive.

        Owners, times and all of the mode but the executable bit are left out,
        so that the same files make the same archive on every machine.

        """
        import io
        import tarfile

        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in _files(self.directory, dict(self.extra)):
                content = _content(path)
                member = tarfile.TarInfo(name)
                member.size = len(content)
                member.mode = 0o755 if _executable(path) else 0o644
                tar.addfile(member, io.BytesIO(content))
        return archive.getvalue()


def images_directory() -> Path:
    """Return the directory that holds one directory for each layer.

    In an installed package that is ``playground/_images``, which in a clone of the
    repository is a link to ``images`` beside the package.  Raises `ImageError` if it
    is not there.

    """
    place = Path(__file__).resolve().parents[1] / "_images"
    if not (place / "base" / "Dockerfile").is_file():
        raise ImageError(f"playground's images are missing, in {place}: install playground again")
    return place.resolve()


def make_image(
    directory: Path,
    base: Image | None = None,
    extra: Mapping[str, Path | bytes] | None = None,
    packages: tuple[str, ...] = (),
) -> Image:
    """Return the image of a directory on a base, with the tag that its content has.

    Raises `ImageError` if the directory has no Dockerfile.

    """
    files = dict(extra or {})
    if not (directory / "Dockerfile").is_file():
        raise ImageError(f"{directory} is no image: it has no Dockerfile")
    layers = [image.layer for image in base.chain] if base else []
    # The base's tag stands for all the content below.
    digest = hashlib.sha256((base.tag if base else "").encode())
    for name, path in _files(directory, files):
        content = _content(path)
        digest.update(f"\n{name} {_executable(path)} {len(content)}\n".encode())
        digest.update(content)
    name = "-".join([*layers, directory.name])
    tag = f"playground/{name}:{digest.hexdigest()[:_DIGEST_LENGTH]}"
    return Image(tag, directory, base, tuple(sorted(files.items())), packages)


def image_for(services: Iterable[str], packages: Iterable[str] = ()) -> Image:
    """Return the image of a host that offers these services, and has these packages of Debian.

    Services come in any order and any number of times; an image's layers stand
    in the order of `model.services.table.SERVICES`, so that hosts share as many
    as they can.  No services at all give the base.  Raises `KeyError` for a
    name that is no service's.

    """
    from playground.model.services.table import SERVICES

    wanted = {SERVICES[name].layer for name in services}
    top = images_directory()
    image = make_image(top / "base")
    for layer in _layers():
        if layer in wanted:
            image = make_image(top / layer, image)
    return with_packages(image, packages)


def with_packages(image: Image, packages: Iterable[str]) -> Image:
    """Return an image with packages of Debian on it; the same ones in any order are one image."""
    names = tuple(sorted(set(packages)))
    if not names:
        return image
    listed = {"packages": "".join(f"{name}\n" for name in names).encode()}
    return make_image(images_directory() / "packages", image, listed, names)


def registry_image() -> Image:
    """Return the image of the registry that `playground registry` starts on a swarm."""
    return make_image(images_directory() / "registry")


def helper_image() -> Image:
    """Return the image of the container that the agent runs in.

    The agent's source is part of its content: another agent, another tag, so
    the two ends of the line are always of the same version.

    """
    agent = Path(__file__).resolve().parents[1] / "agent"
    modules = {f"agent/{path.relative_to(agent)}": path for path in agent.rglob("*.py")}
    return make_image(images_directory() / "helper", extra=modules)


def all_images() -> tuple[Image, ...]:
    """Return the helper, the base and each service's layer on the base."""
    from playground.model.services.table import SERVICES

    services = [name for name, row in SERVICES.items() if row.layer]
    images = (helper_image(), image_for(()), *(image_for([name]) for name in services))
    return tuple(dict.fromkeys(images))


def built_layers(tags: Iterable[str]) -> set[str]:
    """Return the layers that these tags, of images which are there, show to be built.

    An image that stands on others has all their layers, so that a mail server's
    shows smtp, pop and imap.  Tags of other contents than ours count for nothing.

    >>> sorted(built_layers(["playground/base-http:0123456789ab"]))
    []
    >>> sorted(built_layers([image_for(["http"]).tag]))
    ['base', 'http']

    """
    found: set[str] = set()
    for tag in tags:
        if (image := image_of_tag(tag)) is not None:
            found.update(below.layer for below in image.chain)
    return found


def image_of_tag(tag: str) -> Image | None:
    """Return the image of ours that has this tag now, None for another's and for an older one."""
    top = images_directory()
    name, _, _ = tag.removeprefix("playground/").partition(":")
    layers = name.split("-")
    if layers == ["helper"]:
        image = helper_image()
    elif layers[0] == "base" and set(layers[1:]) <= set(_layers()):
        image = make_image(top / "base")
        for layer in layers[1:]:
            image = make_image(top / layer, image)
    else:
        return None
    return image if image.tag == tag else None


# Dockerfile reference, "FROM": options, then the name.
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)", re.IGNORECASE | re.MULTILINE)


def images_below(dockerfile: str) -> tuple[Image, ...]:
    """Return the images of ours that a Dockerfile builds on by name.

    >>> [image.layer for image in images_below(f"FROM {image_for(['http']).tag} AS web")]
    ['http']
    >>> images_below("FROM debian:trixie-slim")
    ()

    """
    names = (name.removeprefix("localhost/") for name in _FROM.findall(dockerfile))
    found = (image_of_tag(name) for name in names)
    return tuple(dict.fromkeys(image for image in found if image is not None))


def _layers() -> list[str]:
    """The layers of all services, each once, in the order of the table."""
    from playground.model.services.table import SERVICES

    return list(dict.fromkeys(row.layer for row in SERVICES.values() if row.layer))


def _files(
    directory: Path, extra: Mapping[str, Path | bytes]
) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of a build by its name there, sorted, byte code left out."""
    found: dict[str, Path | bytes] = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found |= dict(extra)
    yield from sorted(found.items())


def _content(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _executable(path: Path | bytes) -> bool:
    return isinstance(path, Path) and bool(path.stat().st_mode & 0o100)
