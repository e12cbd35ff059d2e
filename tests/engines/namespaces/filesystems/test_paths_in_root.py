"""Places in a root: whatever links are in it, what is made stays in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.engines.namespaces.filesystems.paths_in_root import made_place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize(
    ("to", "path", "found"),
    [
        ("a/b", "/link/c", "/a/b/c"),
        ("/a", "/link", "/a"),
        ("../../../outside", "/link/x", "/outside/x"),
        ("/../../outside", "/link/x", "/outside/x"),
        ("/a/b/../../../outside", "/link", "/outside"),
        ("x", "/../../outside/y/../z", "/outside/z"),
    ],
)
def test_links_end_at_the_root(root: Path, to: str, path: str, found: str, folder: bool) -> None:
    (root / "link").symlink_to(to)
    with made_place(path, folder, str(root)) as place:
        assert place.path == found
        assert os.path.samestat(os.fstat(place.descriptor), os.stat(f"{root}{found}"))
    assert os.path.isdir(f"{root}{found}") is folder
    assert list((root.parent / "outside").iterdir()) == []


def test_a_link_to_a_descriptor_is_a_text(root: Path) -> None:
    """The kernel would jump to the folder itself, from where ".." leads up the machine."""
    opened = os.open(root.parent / "outside", os.O_RDONLY)
    try:
        os.mkdir(root / "proc")
        (root / "proc/self").symlink_to(f"/proc/{os.getpid()}")
        (root / "link").symlink_to(f"/proc/self/fd/{opened}")
        with made_place("/link/made", root=str(root)) as place:
            assert place.path == f"/proc/{os.getpid()}/fd/{opened}/made"
    finally:
        os.close(opened)
    assert list((root.parent / "outside").iterdir()) == []


def test_links_in_a_circle_end(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with (
        pytest.raises(OSError, match="levels of symbolic links"),
        made_place("/a", True, str(root)),
    ):
        pass


def test_a_file_is_no_way_on(root: Path) -> None:
    (root / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="'/file'"):
        made_place("/file/x", True, str(root)).__enter__()


def test_a_pipe_holds_nobody_up(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with made_place("/pipe", False, str(root)) as place:
        assert place.path == "/pipe"


def test_it_leaves_no_descriptor_open(root: Path) -> None:
    (root / "link").symlink_to("/a/../b")
    before = os.listdir("/proc/self/fd")
    with made_place("/link/../c/d", root=str(root)):
        assert len(os.listdir("/proc/self/fd")) > len(before)
    assert os.listdir("/proc/self/fd") == before
