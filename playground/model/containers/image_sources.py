"""Where a user's image comes from, as data: what ``image=`` and ``build=`` say, checked.

Whether an image can be had is known only when the lab starts.

"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from playground.errors import TopologyError
from playground.model.arguments import check_path, shown
from playground.model.records import dataclass


@dataclass(frozen=True)
class ImageSource:
    """Where an image comes from: a reference, an archive, a directory or a Dockerfile's text.

    Of a directory, ``dockerfile`` is the absolute path of another Dockerfile than its own, or
    that one's text.  ``target`` is the stage to be built, ``args`` what its ARGs are.

    """

    kind: str  # "reference", "archive", "directory" or "dockerfile"
    value: str
    dockerfile: str = ""
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The image's name in a sentence."""
        match self.kind:
            case "reference":
                return f"the image {self.value}"
            case "archive":
                return f"the image saved in {self.value}"
        stage = f"the stage {self.target} " if self.target else "the image "
        if self.kind == "directory":
            return f"{stage}of {self.value}"
        return f"{stage}of its Dockerfile"

    @property
    def dockerfile_text(self) -> str | None:
        """The text of its Dockerfile, where it was given as one; None where it is a file."""
        text = self.value if self.kind == "dockerfile" else self.dockerfile
        return text if is_dockerfile_text(text) else None

    @property
    def dockerfile_path(self) -> Path:
        """The file that a directory's image is built by, where no text was given for it."""
        return Path(self.dockerfile or os.path.join(self.value, "Dockerfile"))

    def __repr__(self) -> str:
        match self.kind:
            case "reference":
                return f"image={self.value!r}"
            case "archive":
                return f"image=Path({self.value!r})"
        first = _counted(self.value) if self.kind == "dockerfile" else repr(self.value)
        named = repr(self.dockerfile) if self.dockerfile_text is None else _counted(self.dockerfile)
        further = {
            "dockerfile": named if self.dockerfile else "",
            "build_target": repr(self.target) if self.target else "",
            "build_args": repr(dict(self.args)) if self.args else "",
        }
        words = [f"{name}={text}" for name, text in further.items() if text]
        return ", ".join([f"build={first}", *words])


def _counted(text: str) -> str:
    count = len(text.splitlines())
    return f"<{count} line{'s' * (count != 1)}>"


# -- image= -------------------------------------------------------------------

# Reference of the distribution project: an optional registry, lower-case names, a tag or digest.
_REFERENCE = re.compile(
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def is_reference(value: object) -> bool:
    """Whether it is an image's reference: [REGISTRY/]NAME[:TAG][@DIGEST]."""
    return isinstance(value, str) and len(value) <= 512 and bool(_REFERENCE.fullmatch(value))


def _is_archive(path: Path) -> bool:
    """Whether a file begins as a tar archive does, compressed or not."""
    import tarfile  # 4 ms for who has an image as a file alone

    try:
        with path.open("rb") as file:
            # Python knows no zstd (RFC 8878), which engines do.
            return file.read(4) == b"\x28\xb5\x2f\xfd" or tarfile.is_tarfile(path)
    except OSError:
        return True  # whoever starts it tells why it cannot be read


def check_image(here: str, value: object) -> ImageSource:
    """Return where the image of ``image=`` comes from."""
    if isinstance(value, os.PathLike):
        path = absolute_path(here, value, 'image=Path("web.tar")')
        if not path.exists():
            raise TopologyError(
                f"{here}: there is no archive {path}; write one with `docker save -o {path.name} "
                "NAME`, or give the image's name as a string"
            )
        if path.is_dir() and not (path / "oci-layout").is_file():
            instead = (
                f"build={path.name!r} builds the image of its Dockerfile"
                if (path / "Dockerfile").is_file()
                else "for a folder with a Dockerfile write build="
            )
            raise TopologyError(
                f"{here}: {path} is a folder without an image in it (the OCI's have a file "
                f"oci-layout); name an archive of `docker save`; {instead}"
            )
        if path.is_file() and not _is_archive(path):
            raise TopologyError(
                f"{here}: {path} is no archive of an image; write one with `docker save -o "
                f"{path.stem}.tar NAME`; for a Dockerfile write build="
            )
        return ImageSource("archive", str(path))
    # What begins as "web.tar" may be an image's name as well, but hardly with that file there.
    archive = isinstance(value, str) and os.path.isfile(value)
    if not is_reference(value) or (archive and str(value).endswith(_ARCHIVES)):
        advice = (
            f"for a saved archive write image=Path({value!r})"
            if archive
            else 'write one such as "postgres:17", in lower case, or "registry.example.com/web:1"'
        )
        raise TopologyError(f"{here}={shown(value)} is no image's name; {advice}")
    return ImageSource("reference", str(value))


# -- build= -------------------------------------------------------------------


def check_build(
    here: str,
    build: object,
    dockerfile: object = None,
    build_target: object = None,
    build_args: object = None,
) -> ImageSource:
    """Return where the image of ``build=`` comes from, and what is to be built of it."""
    target = _target(f"{here}: build_target", build_target)
    args = _args(f"{here}: build_args", build_args)
    if isinstance(build, str) and is_dockerfile_text(build):
        if dockerfile is not None:
            raise TopologyError(
                f"{here}: build= is the text of a Dockerfile, and dockerfile= names another one; "
                "leave one out, or give the directory as build="
            )
        return ImageSource("dockerfile", _checked_text(f"{here}: build", build), "", target, args)
    place = f"{here}: build"
    path = absolute_path(place, build, 'build="server/"')
    if not path.is_dir():
        raise TopologyError(
            f"{place}={shown(build)} is no directory; give one that has a Dockerfile, or the text "
            "of a Dockerfile"
        )
    if dockerfile is not None:
        named = _dockerfile(f"{here}: dockerfile", path, dockerfile)
        return ImageSource("directory", str(path), named, target, args)
    if not (path / "Dockerfile").is_file():
        raise TopologyError(
            f"{place}={shown(build)} has no Dockerfile; write {path / 'Dockerfile'}, or name "
            "another file of it, dockerfile="
        )
    return ImageSource("directory", str(path), "", target, args)


def is_dockerfile_text(value: str) -> bool:
    """Whether this is the text of a Dockerfile, and no path of one."""
    return "\n" in value or value.split(maxsplit=1)[:1] in (["FROM"], ["from"])


def _checked_text(here: str, text: str) -> str:
    if not re.search(r"^\s*FROM\s+\S", text, re.IGNORECASE | re.MULTILINE):
        raise TopologyError(
            f"{here} is the text of a Dockerfile without a FROM, the image that it begins "
            'with; write one, as in "FROM debian:trixie-slim"'
        )
    return text


def _dockerfile(here: str, directory: Path, value: object) -> str:
    """Return the path of a Dockerfile, which may stand beside the directory, or its text."""
    if isinstance(value, str) and is_dockerfile_text(value):
        return _checked_text(here, value)
    try:
        found = Path(os.path.abspath(directory / check_path(value, '"Dockerfile.test"')))
        is_file = found.is_file()
    except (ValueError, OSError) as error:
        raise TopologyError(f"{here}: {error}") from None
    if not is_file:
        raise TopologyError(
            f"{here}={shown(value)}: there is no file {found}; name one as it is called from "
            "the directory of build="
        )
    return "" if found == directory / "Dockerfile" else str(found)


# A stage is named by AS in its FROM, or counted: Dockerfile reference, "FROM".
_STAGE = re.compile(r"[a-zA-Z0-9][\w.-]{0,127}", re.ASCII)


def _target(here: str, value: object) -> str:
    if value is None:
        return ""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _STAGE.fullmatch(text):
        raise TopologyError(
            f'{here}={shown(value)} is no stage of a Dockerfile; name one, such as "test" of '
            '"FROM debian AS test"'
        )
    return text


_ARG = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def _args(here: str, value: object) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise TopologyError(
            f'{here}={shown(value)} says no values of ARGs; write for example {{"VERSION": "3"}}'
        )
    for name, text in value.items():
        if not isinstance(name, str) or not _ARG.fullmatch(name):
            raise TopologyError(f"{here}: {shown(name)} is no name of an ARG, such as VERSION")
        if not isinstance(text, (str, int, float)) or "\0" in str(text):
            raise TopologyError(f"{here}: {name}={shown(text)} is no text; write a string")
    return tuple(sorted((name, str(text)) for name, text in value.items()))


# -- paths of this machine ----------------------------------------------------


def absolute_path(here: str, value: object, example: str) -> Path:
    """Return a path that a user gave, absolute and without "~"; links in it are not followed."""
    try:
        path = check_path(value, example).expanduser()
        return Path(os.path.abspath(path))
    except (ValueError, RuntimeError, OSError) as error:
        raise TopologyError(f"{here}: {error}") from None
