"""Files on the user's own machine: saved whole, or a sentence says why not."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import PlaygroundError, TransferFailed
from playground.display.local_files import write_file


def test_a_file_is_written(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.pcap", [b"one", b"two"])
    assert path.read_bytes() == b"onetwo"


@pytest.mark.parametrize(
    ("name", "words"),
    [("none/a.svg", "there is no folder .*none; make it first"), (".", "Is a directory")],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(TransferFailed, match=words) as raised:
        write_file(tmp_path / name, [b""])
    assert isinstance(raised.value, PlaygroundError)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(TransferFailed, match="No space left"):
        write_file(tmp_path / "a.pcap", parts())
    assert list(tmp_path.iterdir()) == []
