"""Files of a node, read and written without waiting for what is no regular file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from playground.agent.nodes.regular_files import (
    NOT_REGULAR,
    OWN_READ_LIMIT_BYTES,
    open_regular,
    read_in_node,
    read_regular,
    write_all,
)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [_pipe, _device])
def test_what_is_no_regular_file_is_neither_read_nor_written(tmp_path: Path, put: object) -> None:
    path = tmp_path / "strange"
    assert callable(put)
    put(path)
    for touch in (open_regular, lambda path: read_regular(path, None)):
        with pytest.raises(OSError, match=NOT_REGULAR) as caught:
            touch(str(path))
        assert caught.value.errno == errno.EINVAL


def test_a_folder_is_named_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular(str(tmp_path), None)
    with pytest.raises(IsADirectoryError):
        open_regular(str(tmp_path))


def test_a_link_leads_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    fd = open_regular(f"{tmp_path}/link")
    write_all(fd, b"through")
    os.close(fd)
    assert (tmp_path / "file").read_bytes() == b"through"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("tail_bytes", "expected"),
    [(None, b"0123456789"), (3, b"789"), (10, b"0123456789"), (99, b"0123456789")],
)
def test_the_end_of_a_file(tmp_path: Path, tail_bytes: int | None, expected: bytes) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_regular(f"{tmp_path}/file", tail_bytes) == expected


def test_a_file_of_proc_has_content_but_no_size() -> None:
    assert read_regular("/proc/self/comm", None) == Path("/proc/self/comm").read_bytes()
    assert read_regular("/proc/self/comm", 1) == b"\n"


def test_a_file_as_long_as_may_be_is_read_and_one_longer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(bytes(OWN_READ_LIMIT_BYTES))
    assert len(read_in_node(str(path))) == OWN_READ_LIMIT_BYTES
    path.write_bytes(bytes(OWN_READ_LIMIT_BYTES + 1))
    with pytest.raises(OSError, match=r"cannot read .*/long of the node: it has more than 1 MiB"):
        read_in_node(str(path))
