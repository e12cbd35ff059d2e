"""Contexts of builds at a Docker server: the archive that a builder gets, and what it is told."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from playground.engines.docker.builds import BuildContext
from playground.model.containers.image_sources import ImageSource

# What a Dockerfile that stands outside of its directory is called in the archive.
_BESIDE = ".playground.Dockerfile"


def build_context(source: ImageSource) -> BuildContext:
    """Return the context of an image that is to be built."""
    text = source.dockerfile_text
    if source.kind == "dockerfile":
        assert text is not None
        archive = files_archive({"/Dockerfile": text.encode()}, mode=0o644)
        return BuildContext(archive, "Dockerfile", source.target, source.args)
    name = os.path.relpath(source.dockerfile_path, source.value)
    beside = None
    if text is not None or name.startswith(".."):
        beside = source.dockerfile_path.read_bytes() if text is None else text.encode()
        name = _BESIDE
    archive = directory_context(source.value, name, beside)
    return BuildContext(archive, name, source.target, source.args)


def directory_context(
    directory: str, dockerfile: str = "Dockerfile", beside: bytes | None = None
) -> bytes:
    """Return what a builder gets of a directory: all but what its .dockerignore names.

    The same files make the same archive, so that its digest says whether it was built.
    ``beside`` is the content of a Dockerfile that is not in the directory.

    """
    from docker.utils.build import exclude_paths

    root = Path(directory)
    ignored = root / ".dockerignore"
    patterns = []
    if ignored.is_file():
        lines = ignored.read_text(errors="replace").splitlines()
        patterns = [line.strip() for line in lines if line.strip() and line[0] != "#"]
    names = set(exclude_paths(str(root), patterns, dockerfile=dockerfile))
    if beside is not None:
        names.discard(dockerfile)
    return _context(((name, root / name) for name in sorted(names)), dockerfile, beside)


def _context(files: Iterable[tuple[str, Path]], dockerfile: str, beside: bytes | None) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in files:
            member = tar.gettarinfo(str(path), arcname=name)
            if member is None:
                continue  # a socket, which no image can hold
            member.mtime, member.uid, member.gid = 0, 0, 0
            member.uname = member.gname = ""
            if member.isreg():
                # As git has it: a umask is no difference.
                member.mode = 0o755 if member.mode & 0o100 else 0o644
                with path.open("rb") as file:
                    tar.addfile(member, file)
            else:
                tar.addfile(member)
        if beside is not None:
            member = tarfile.TarInfo(dockerfile)
            member.size = len(beside)
            tar.addfile(member, io.BytesIO(beside))
    return archive.getvalue()


def files_archive(files: Mapping[str, bytes], mode: int = 0o755) -> bytes:
    """Return an archive of these files, each by its absolute path."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in files.items():
            folder = os.path.dirname(path).lstrip("/")
            if folder:
                member = tarfile.TarInfo(folder)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
