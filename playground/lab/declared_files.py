"""Files declared for a host, as `Host(files=, volumes=)` names them.

``files`` are written before the programs start.  ``volumes`` are shown by the engine; where
that has no files of this machine, what is in them is written like files.

"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from playground.engines.volume_sources import open_without_links
from playground.errors import EngineError, TopologyError
from playground.model.containers.container import VolumeMount, file_content
from playground.model.services.settings import File
from playground.operations.connection.client import Client
from playground.planning.plan import NodePlan

# All of it is in memory on its way.
COPIED_MB = 64


def declared_files(node: NodePlan, copies_volumes: bool = False) -> tuple[File, ...]:
    """Return what is to be written on a node; reads files of this machine.

    Raises `TopologyError` for what cannot be read, or is too large to be copied.

    """
    found = []
    for place, content in node.container.files:
        found.append(File(place, file_content(content), _mode(content)))
    if copies_volumes:
        for volume in node.container.volumes:
            found += [] if volume.shared else _copied(node.name, volume)
    return tuple(found)


def copy_warnings(nodes: Iterable[NodePlan]) -> Iterator[str]:
    """Yield what is to be said where volumes are copied."""
    for node in nodes:
        for volume in node.container.volumes:
            if volume.shared:
                continue
            back = "" if volume.read_only else ", and what the host changes is not brought back"
            yield (
                f"{node.name}: {volume.source} is copied to {volume.target}, for the engine is "
                f"not on this machine: later edits are not seen there{back}"
            )


def refuse_other_sources(
    agent: Client, pids: Mapping[str, int], nodes: Iterable[NodePlan], shows_files: bool
) -> None:
    """Hold the volumes of nodes whose programs have not begun, and refuse what was not named.

    An engine walks a path by itself when it starts a container, and who may write there can
    have put another folder into its way.  What the node shows is compared with what stands at
    the path now, where no link is followed.  An engine that has no files of this machine
    (``shows_files``) shows what hosts share alone.  Raises `EngineError`.

    """
    for node in nodes:
        shown = [item for item in node.container.volumes if shows_files or item.shared]
        if not shown:
            continue
        targets = [volume.target for volume in shown]
        answer = agent.call("volumes", pid=pids[node.name], targets=targets)
        if answer["boot"] != _own_boot():
            continue  # another machine's kernel counts other files
        for volume, there in zip(shown, answer["files"], strict=True):
            why = f"the engine shows something else than {volume.source}, which was replaced"
            try:
                same = volume.shared or _identity(volume.source) == tuple(there)
            except OSError as error:
                same, why = False, str(error.strerror)
            if not same:
                raise EngineError(
                    f"{node.name}: at {volume.target} {why} while the host started; make it what "
                    "it was, and try again (an engine in a container needs the folder at the same "
                    "path as here)"
                )


def _identity(path: str) -> tuple[int, int]:
    descriptor = open_without_links(path)
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return found.st_dev, found.st_ino


def _own_boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux: the engine has a kernel of its own
        return ""


def _mode(content: bytes | Path) -> int:
    """Return the mode of a file: a script may be run, one of this machine as it may here."""
    if isinstance(content, Path):
        return 0o644 | (stat.S_IMODE(content.stat().st_mode) & 0o111)
    return 0o755 if content.startswith(b"#!") else 0o644


def _copied(name: str, volume: VolumeMount) -> Iterator[File]:
    room = COPIED_MB << 20
    for path, target in _parts(Path(volume.source), volume.target):
        if path is None:
            yield File(f"{target}/", b"")
            continue
        room -= path.stat().st_size
        if room < 0:
            raise TopologyError(
                f"{name}: {volume.source} has more than {COPIED_MB} MiB, and would have to be "
                "copied, for the engine is not on this machine: name a smaller folder, or put "
                "it into the image"
            )
        yield File(target, file_content(path), _mode(path))


def _parts(source: Path, target: str) -> Iterator[tuple[Path | None, str]]:
    """Yield each file of a folder, and its place; None and a folder's place for an empty one.

    Links in it are left out.

    """
    if source.is_file():
        yield source, target
        return
    for folder, folders, names in os.walk(source):
        folders.sort()
        if not folders and not names:
            yield None, os.path.normpath(f"{target}/{Path(folder).relative_to(source)}")
        for name in sorted(names):
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path, f"{target}/{path.relative_to(source)}"
