"""Archives of images written by hand, as `docker save` writes them: no builder has seen them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from playground.engines.pull_errors import machine_kind


def link(name: str, to: str) -> tarfile.TarInfo:
    return _member(name, tarfile.SYMTYPE, linkname=to)


def fifo(name: str) -> tarfile.TarInfo:
    return _member(name, tarfile.FIFOTYPE)


def device(name: str, kind: bytes, numbers: tuple[int, int]) -> tarfile.TarInfo:
    return _member(name, kind, mode=0o666, devmajor=numbers[0], devminor=numbers[1])


def _member(name: str, kind: bytes, **more: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, 0o777
    for key, value in more.items():
        setattr(member, key, value)
    return member


def busybox(name: str = "bin/busybox") -> tuple[tarfile.TarInfo, bytes]:
    """One static program."""
    return program(name, Path(str(shutil.which("busybox"))).read_bytes())


def program(name: str, content: bytes, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    return member, content


Entry = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]


def write_archive(
    path: Path, layers: Sequence[Iterable[Entry]], config: Mapping[str, Any] | None = None
) -> Path:
    """Write an image of these layers, the lowest first; return the path."""
    contents = [_layer(entries) for entries in layers]
    said = {
        "architecture": machine_kind(os.uname().machine),
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents],
        },
    }
    names = [f"layer{number}.tar" for number in range(len(contents))]
    listed = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    files = {"config.json": json.dumps(said).encode(), "manifest.json": json.dumps(listed).encode()}
    with tarfile.open(path, "w") as tar:
        for name, content in [*files.items(), *zip(names, contents, strict=True)]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _layer(entries: Iterable[Entry]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for entry in entries:
            member, data = entry if isinstance(entry, tuple) else (entry, b"")
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()
