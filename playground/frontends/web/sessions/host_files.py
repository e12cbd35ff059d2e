"""Files of a host for a page: folders listed, beginnings shown, whole files copied here first.

A host has the last word on what its programs print, so that all of it is bounded in bytes
and time.  Links lead about the host and never out of it: all is read within.

"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from playground.errors import TransferFailed
from playground.frontends.web.content import folder_listing
from playground.frontends.web.content.folder_listing import FileEntry
from playground.frontends.web.sessions.lab_shares import LabShares
from playground.operations.network import Machine

# Of a file, on the page; the whole is fetched.
SHOWN_BYTES = 64 << 10

_DOWN_MB = 512
# Whoever may only look fetches no more: it is held in memory.
_READ_BYTES = 16 << 20
# Who may only look reads what this one may: an account of every system (Debian Policy, 9.2.2).
LOOKER = "nobody"
# Each may hold as much of this machine's disk.
MOST_FETCHES = 4
_PIECE_BYTES = 256 << 10
_LIMIT_S = 20.0
_FETCH_LIMIT_S = 600.0
_LISTING_MB = 16
_SAID_CHARACTERS = 200


def list_folder(
    node: Machine, folder: str, user: str | None = None
) -> tuple[list[FileEntry], bool]:
    """Return the files of a folder that a user may list, and whether there are more.

    Raises `TransferFailed` for any other.

    """
    result = node.run(
        folder_listing.command(folder),
        user=user,
        check=False,
        timeout_s=_LIMIT_S,
        output_limit_mb=_LISTING_MB,
    )
    if result.stderr and not result.stdout_bytes:
        reason = _reason(result.stderr)
        raise TransferFailed(f"{folder} on {node.name} cannot be listed: {reason}")
    return folder_listing.read(result.stdout_bytes)


def read_beginning(node: Machine, path: str, user: str | None = None) -> tuple[bytes, bool]:
    """Return the first `SHOWN_BYTES` of a file that a user may read, and whether there are more.

    Raises `TransferFailed` for what is no file: a pipe would be waited for, and a device has
    no end.

    """
    return _beginning(node, path, SHOWN_BYTES, user)


def _beginning(node: Machine, path: str, most: int, user: str | None) -> tuple[bytes, bool]:
    # test(1): -f follows links.
    script = '[ -f "$1" ] || { echo ": it is no file" >&2; exit 1; }; exec head -c "$2" -- "$1"'
    result = node.run(
        ["/bin/sh", "-c", script, "sh", path, str(most + 1)],
        user=user,
        check=False,
        timeout_s=_LIMIT_S,
        output_limit_mb=(most >> 20) + 1,
    )
    if result.returncode:
        reason = _reason(result.stderr) or "it cannot be read"
        raise TransferFailed(f"{path} on {node.name} cannot be shown: {reason}")
    data = result.stdout_bytes
    return data[:most], len(data) > most


def fetch_as(node: Machine, path: str, user: str) -> bytes:
    """Return the bytes of a file that a user of the host may read, and of no other.

    Raises `TransferFailed` for one of more than 16 MiB, and for what is no file.

    """
    data, more = _beginning(node, path, _READ_BYTES, user)
    if more:
        raise TransferFailed(
            f"{path} on {node.name} is larger than the {_READ_BYTES >> 20} MiB that a page to look "
            "at fetches: ask for an address that may change the lab"
        )
    return data


def fetch(node: Machine, path: str, lab: str) -> Copy:
    """Return a file's bytes, piece by piece; it is copied here first, and forgotten at the end.

    So a host cannot stretch out what a browser waits for.  Raises `TransferFailed` for what is
    no file, and for one of more than 512 MB; `PlaygroundError` where two of this lab are fetched
    already, or four of all.

    """
    _fetches.take(lab)
    try:
        return Copy(*_copied(node, path), lambda: _fetches.give_back(lab))
    except BaseException:
        _fetches.give_back(lab)
        raise


def _copied(node: Machine, path: str) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Return a folder of this machine, and in it the copy of a host's file."""
    looked = node.run(["/bin/sh", "-c", '[ -f "$1" ]', "sh", path], check=False)
    if looked.returncode:
        raise TransferFailed(f"{path} on {node.name} cannot be fetched: it is no file")
    folder = tempfile.TemporaryDirectory(prefix="playground-web-")
    try:
        copy = node.get(path, Path(folder.name, "file"), limit_mb=_DOWN_MB)
        if copy.is_symlink() or not copy.is_file():
            raise TransferFailed(f"{path} on {node.name} is no file")
    except BaseException:
        folder.cleanup()
        raise
    return folder, copy


class Copy(Iterator[bytes]):
    """The pieces of a copied file, which is forgotten once it is closed, or nobody has this.

    Who fetches it may go before the first piece, or take none for ever: after ten minutes it is
    forgotten in any case, and the next piece raises `TransferFailed`.

    """

    def __init__(
        self, folder: tempfile.TemporaryDirectory[str], copy: Path, ended: Callable[[], object]
    ) -> None:
        self._file = copy.open("rb")
        self._lock = threading.Lock()
        self._late = threading.Event()
        self.close = weakref.finalize(self, _forget, self._file, folder, ended)
        # It keeps nothing alive but what is forgotten then.
        self._timer = threading.Timer(_FETCH_LIMIT_S, _end, [self.close, self._late, self._lock])
        self._timer.daemon = True
        self._timer.start()
        weakref.finalize(self, self._timer.cancel)

    def __next__(self) -> bytes:
        with self._lock:
            if self._late.is_set():  # an end that looks like one of the file would be a lie
                raise TransferFailed(f"this file was not taken within {_FETCH_LIMIT_S:g} s")
            if not self.close.alive or not (piece := self._file.read(_PIECE_BYTES)):
                self._timer.cancel()
                self.close()
                raise StopIteration
            return piece


def _end(close: Callable[[], object], late: threading.Event, lock: threading.Lock) -> None:
    with lock:
        late.set()
        close()


def _forget(
    file: BinaryIO, folder: tempfile.TemporaryDirectory[str], ended: Callable[[], object]
) -> None:
    try:
        file.close()
        folder.cleanup()
    finally:
        ended()


_fetches = LabShares("files are fetched", MOST_FETCHES)


def _reason(stderr: str) -> str:
    """Return what a program gave as its reason, which a host may make as long as it likes."""
    lines = stderr.strip().splitlines()
    return lines[0].rpartition(": ")[2][:_SAID_CHARACTERS] if lines else ""
