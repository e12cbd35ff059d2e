"""Archives as a hostile node could send them."""

from __future__ import annotations

import io
import os
import tarfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from playground.operations.nodes.archives import Room, move, receive

Entry = tuple[str, dict[str, object]]


def archive(entries: Iterable[Entry]) -> io.BytesIO:
    """Build a tar file; content makes a regular file of an entry."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, attributes in entries:
            member = tarfile.TarInfo(name)
            member.mode = 0o644
            member.mtime = 1e9
            content = b""
            for key, value in attributes.items():
                if key == "content":
                    assert isinstance(value, bytes)
                    content = value
                else:
                    setattr(member, key, value)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    data.seek(0)
    return data


def received(tmp_path: Path, *entries: Entry) -> tuple[str, Path]:
    root = tmp_path / "place" / "received"
    root.parent.mkdir()
    return receive(archive(entries), root, Room(None)), root  # type: ignore[arg-type]


DIRECTORY = ("received", {"type": tarfile.DIRTYPE, "mode": 0o750})


def test_a_directory_arrives_with_modes_and_times(tmp_path: Path) -> None:
    problem, root = received(
        tmp_path,
        DIRECTORY,
        ("received/run.sh", {"content": b"echo", "mode": 0o4755}),
        ("received/closed", {"type": tarfile.DIRTYPE, "mode": 0o500}),
        ("received/closed/in", {"content": b"x", "mtime": 1.25}),
        ("received/link", {"type": tarfile.SYMTYPE, "linkname": "./run.sh"}),
        ("received/same", {"type": tarfile.LNKTYPE, "linkname": "received/run.sh"}),
    )
    assert problem == ""
    assert oct((root / "run.sh").stat().st_mode) == "0o100755"
    assert oct((root / "closed").stat().st_mode) == "0o40500"
    assert (root / "closed" / "in").stat().st_mtime == 1.25
    assert os.readlink(root / "link") == "./run.sh"
    assert (root / "same").samefile(root / "run.sh")
    assert root.stat().st_mtime == 1e9


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([("../evil", {"content": b"x"})], id="above"),
        pytest.param([("received/../../evil", {"content": b"x"})], id="above-in-the-middle"),
        pytest.param([("/tmp/evil-of-a-test", {"content": b"x"})], id="absolute"),
        pytest.param([DIRECTORY, ("evil", {"content": b"x"})], id="another-name"),
        pytest.param([DIRECTORY, (".", {"type": tarfile.DIRTYPE})], id="the-place-itself"),
        pytest.param(
            [DIRECTORY, ("received/l", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})],
            id="hard-link-outside",
        ),
        pytest.param(
            [DIRECTORY, ("received/l", {"type": tarfile.LNKTYPE, "linkname": "received/no"})],
            id="hard-link-to-nothing",
        ),
        pytest.param([("received", {"type": tarfile.CHRTYPE})], id="device"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, entries: list[Entry]) -> None:
    problem, root = received(tmp_path, *entries)
    assert problem
    assert [path.name for path in tmp_path.rglob("*") if "evil" in path.name] == []
    assert not Path("/tmp/evil-of-a-test").exists()
    assert list(tmp_path.iterdir()) == [root.parent]


@pytest.mark.parametrize("target", ["/etc", "..", "a/../../..", "../received-not"])
def test_links_that_lead_out_are_left_out(tmp_path: Path, target: str) -> None:
    with pytest.warns(UserWarning, match="left out, .*: out"):
        problem, root = received(
            tmp_path,
            DIRECTORY,
            ("received/out", {"type": tarfile.SYMTYPE, "linkname": target}),
            ("received/stays", {"content": b"x"}),
        )
    assert problem == ""
    assert [path.name for path in root.iterdir()] == ["stays"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(OSError):
            received(
                tmp_path,
                DIRECTORY,
                ("received/a", {"type": tarfile.DIRTYPE, "mode": 0o755}),
                ("received/d", {"type": tarfile.SYMTYPE, "linkname": "a"}),
                ("received/d/x", {"content": b"x"}),
            )
    assert list(outside.iterdir()) == []


def test_a_file_that_comes_twice_does_not_write_through_the_first(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        received(
            tmp_path,
            DIRECTORY,
            ("received/a", {"content": b"1"}),
            ("received/b", {"type": tarfile.LNKTYPE, "linkname": "received/a"}),
            ("received/b", {"content": b"2"}),
        )


def test_an_archive_that_breaks_off_is_told(tmp_path: Path) -> None:
    whole = archive([("received", {"content": b"x" * 100_000})]).getvalue()
    problem = receive(io.BytesIO(whole[:60_000]), tmp_path / "received", Room(None))  # type: ignore[arg-type]
    assert problem.startswith("what came is no whole archive")


def test_no_archive_at_all_is_left_to_the_command_to_explain(tmp_path: Path) -> None:
    assert receive(io.BytesIO(b""), tmp_path / "received", Room(None)) == ""  # type: ignore[arg-type]
    assert not (tmp_path / "received").exists()


def link(name: str, target: str) -> Entry:
    return (f"received/{name}", {"type": tarfile.SYMTYPE, "linkname": target})


def test_dots_behind_another_link_lead_nowhere(tmp_path: Path) -> None:
    """d/e/f is the top, so what goes on from there with ".." would be outside."""
    victim = tmp_path / "place" / "victim"
    with pytest.warns(UserWarning, match="left out.*: g"):
        problem, root = received(
            tmp_path,
            DIRECTORY,
            ("received/d/e", {"type": tarfile.DIRTYPE, "mode": 0o755}),
            link("d/e/f", "../.."),
            link("g", "d/e/f/../../victim"),
            link("g/planted", "anything"),
        )
    assert problem == ""
    assert not victim.exists()
    assert (root / "d" / "e" / "f").resolve() == root
    assert not (root / "g").is_symlink()


def test_no_link_is_made_below_a_link(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.warns(UserWarning, match="left out.*: a/b"):
        root = tmp_path / "place" / "received"
        entries = [DIRECTORY, ("received/d", {"type": tarfile.DIRTYPE, "mode": 0o755})]
        problem = receive(archive([*entries, link("a", "d"), link("a/b", "x")]), root, Room(None))  # type: ignore[arg-type]
    assert problem == ""
    assert list((root / "d").iterdir()) == []


def test_a_second_copy_does_not_enter_a_link_of_the_first(tmp_path: Path) -> None:
    source, target, victim = tmp_path / "source", tmp_path / "target", tmp_path / "victim"
    (source / "g").mkdir(parents=True)
    (source / "g" / "planted").write_text("x")
    target.mkdir()
    victim.mkdir()
    (target / "g").symlink_to(victim)
    with pytest.raises(OSError, match="nothing is written through links"):
        move(source, target)
    assert list(victim.iterdir()) == []


def test_an_archive_takes_no_more_room_here_than_it_may(tmp_path: Path) -> None:
    """However little of it comes: files that are sparse, many empty ones, long names."""
    sparse = tarfile.TarInfo("received")
    sparse.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "received",
        "GNU.sparse.realsize": str(10**15),
    }
    sparse.size = 512
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse, io.BytesIO(b"1\n999999999999999\n1\n".ljust(512, b"\0")))
    packed.seek(0)
    root = tmp_path / "received"
    with pytest.raises(OSError, match="takes more than 1 MB; allow it more with limit_mb="):
        receive(packed, root, Room(1_000_000))  # type: ignore[arg-type]
    root.unlink()
    folder: Entry = ("received", {"type": tarfile.DIRTYPE})
    many: list[Entry] = [(f"received/{number}", {}) for number in range(300)]
    with pytest.raises(OSError, match="takes more than 1 MB"):
        receive(archive([folder, *many]), root, Room(1_000_000))  # type: ignore[arg-type]
    long = archive([folder, ("received/" + "x" * (2 << 20), {})])
    other = tmp_path / "other"
    other.mkdir()
    problem = receive(long, other / "received", Room(None))  # type: ignore[arg-type]
    assert "attributes of more than 1 MiB" in problem
