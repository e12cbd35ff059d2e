"""The reader: a host without links, in which a submission is read by a process of its own.

On that host there is the machine's system, this library and the submission, and nothing else: no
other submission, no exercise, no marks, no network.  The kernel bounds its memory, processes
and disk; whatever the submission starts there ends with the host.

"""

from __future__ import annotations

import json
import os
import re
import signal
import site
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playground.display.safe_text import visible
from playground.engines.namespaces import cgroups
from playground.errors import (
    BadArgument,
    CommandTimeout,
    PlaygroundError,
    TooMuchOutput,
)
from playground.frontends.grading.handed_over import MOST_BYTES
from playground.lab.lab import Lab
from playground.model.containers.container import Volume
from playground.operations.network import Host

READER_LIMITS: cgroups.Limits = {"memory_mb": 768, "processes": 128, "cpus": 1.0}
# The folder of this library.
PACKAGE = Path(__file__).resolve().parents[2]
_MODULE = "playground.frontends.grading.hand_over"
_LIBRARY = "/opt/playground-reader"
_MOST_PRINTED = 4_000
# Packages that this library needs: where they are, Python's own packages are.
_NEEDED = ("cattrs", "click", "dpkt", "ruamel")
# On a busy machine, of so many seconds one is the submission's.
_BUSY = 8

# Folders of the machine that hosts see: `engines.namespaces.filesystems.machine_layer`.
_SHOWN = re.compile(r"bin|sbin|lib(\d+|x32|o32|exec)?|usr|etc|opt|nix|gnu")


class Read(NamedTuple):
    """What a reader has said: what it handed over, and what the submission printed."""

    handed_over: bytes
    printed: str
    status: int


def refuse_shown(what: str, path: Path) -> None:
    """Raise `BadArgument` for a place that submissions or their networks could read."""
    place = path.resolve()
    top = place.parts[1] if len(place.parts) > 1 else ""
    if _SHOWN.fullmatch(top) or any(place.is_relative_to(one) for one in _python_folders()):
        raise BadArgument(
            f"{what} lies in {place}, where hosts of a lab could read it, and so could "
            "submissions: move it below a home folder, or below /srv"
        )


def read_on_host(kind: str, student: str, packed: bytes, name: str, limit_s: int) -> Read:
    """Read a packed submission on a host of its own; ``name`` is that of its lab.

    ``limit_s`` are seconds of a processor; `_BUSY` times as many may pass.  Raises
    `PlaygroundError` with a sentence for the student where it takes more, or says more than it
    may, `EngineError` where this machine can make no such host.

    """
    limits = {} if cgroups.refusal(READER_LIMITS) else READER_LIMITS
    volumes: dict[str | os.PathLike[str] | Volume, str | Sequence[str]] = {}
    for folder in _python_folders():
        volumes[folder] = str(folder)
    volumes[PACKAGE] = f"{_LIBRARY}/{PACKAGE.name}"
    host = Host("reader", volumes=volumes, **limits)  # type: ignore[arg-type]
    with Lab(host, name=name, engine="namespaces", quiet=True):
        try:
            done = host.run(
                _command(kind, student, limit_s),
                input=packed,
                env={"PYTHONPATH": _path(_LIBRARY), "HOME": "/root", **_ENVIRONMENT},
                cwd="/tmp",
                check=False,
                timeout_s=_BUSY * limit_s,
                output_limit_mb=MOST_BYTES >> 20,
            )
        except CommandTimeout as error:
            raise PlaygroundError(_slow(limit_s)) from error
        except TooMuchOutput as error:
            raise PlaygroundError("it prints without an end") from error
        return _read(done.stdout.encode(), done.stderr, done.returncode, limit_s)


def read_in_process(kind: str, student: str, packed: bytes, limit_s: int) -> Read:
    """Read a packed submission of somebody who is trusted, by a process of this user's."""
    with tempfile.TemporaryDirectory(prefix="playground-read-") as folder:
        try:
            done = subprocess.run(
                _command(kind, student, limit_s),
                input=packed,
                env={**os.environ, "PYTHONPATH": _path(str(PACKAGE.parent)), **_ENVIRONMENT},
                cwd=folder,
                capture_output=True,
                timeout=_BUSY * limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PlaygroundError(_slow(limit_s)) from error
        printed = done.stderr.decode(errors="replace")
        return _read(done.stdout, printed, done.returncode, limit_s)


def _read(handed_over: bytes, printed: str, status: int, limit_s: int) -> Read:
    if status == -signal.SIGXCPU:
        raise PlaygroundError(_slow(limit_s))
    return Read(handed_over, _printed(printed), status)


_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


def _path(library: str) -> str:
    """Return where Python is to look for modules: this library, and what it needs."""
    return os.pathsep.join([library, *_packages()])


def _command(kind: str, student: str, limit_s: int) -> list[str]:
    return [sys.executable, "-m", _MODULE, kind, json.dumps(student), str(limit_s)]


def _slow(limit_s: int) -> str:
    return (
        f"it still ran after {limit_s:g} s: it should only declare a network, and not wait, ask or "
        "compute"
    )


def _printed(text: str) -> str:
    text = visible(text.strip())
    return text if len(text) <= _MOST_PRINTED else f"{text[:_MOST_PRINTED]}\n..."


def _python_folders() -> list[Path]:
    """Return the folders outside of the machine's system that this Python is made of."""
    found = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, _packages())]
    kept: list[Path] = []
    for folder in dict.fromkeys(found):
        inside = any(folder.is_relative_to(other) for other in kept)
        if folder.is_dir() and not inside and folder.parts[1:2] != ("usr",):
            kept.append(folder)
    return kept


def _packages() -> list[str]:
    """Return the folders in which Python found what this library needs, and no others.

    Python looks for modules in the folder that it was started in, too, where a class may lie.

    """
    usual = {*site.getsitepackages(), site.getusersitepackages()}
    return [
        folder
        for folder in dict.fromkeys(sys.path)
        if folder in usual or any((Path(folder) / name).exists() for name in _NEEDED)
        if Path(folder).is_absolute()
    ]
