"""Files that a host has written: kept as it gives them, within bounds, and given back to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.seam import Engine
from playground.errors import EngineError
from playground.operations.life import written_files


@pytest.fixture
def h1(namespaces_engine: Engine) -> Iterator[Host]:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    with Lab(h1, quiet=True, engine=namespaces_engine):
        yield h1


def keep(h1: Host, folder: Path, limit_bytes: int = 1 << 26) -> int:
    live = h1.running()
    return written_files.keep(live.agent, live.pid, "h1", folder, limit_bytes)


def test_links_devices_and_modes_come_back_and_nothing_leaves_the_archive(
    h1: Host, tmp_path: Path
) -> None:
    h1.run(
        "cd /root; echo secret > file; chmod 640 file; chown 1:2 file; ln -s /etc/shadow link; "
        "mkfifo pipe; mkdir -p a/b; echo odd > 'a/b/a name\n with lines'"
    )
    # A bare host sees the machine's /opt and /usr/local, whose names are kept too.
    assert keep(h1, tmp_path) > 0
    assert 0 < (tmp_path / "h1.tar").stat().st_size < 1 << 20
    # Two files that only this user reads, whatever the host has put there.
    assert {path.name for path in tmp_path.iterdir()} == {"h1.names", "h1.tar"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    h1.run("cd /root; rm -rf file link a; echo new > later; mkdir later.d; ln -s / root-link")
    live = h1.running()
    written_files.put_back(live.agent, live.pid, "h1", tmp_path)
    found = h1.run("cd /root; stat -c '%a %u %g' file; readlink link; cat a/b/*; ls").stdout
    assert found.splitlines()[:3] == ["640 1 2", "/etc/shadow", "odd"]
    assert not {"later", "later.d", "root-link"} & {*found.split()}
    assert h1.run("ls /").stdout  # the link to it led nowhere


def test_what_is_too_much_is_refused_and_ended(h1: Host, tmp_path: Path) -> None:
    h1.run("head -c 3000000 /dev/urandom > /root/large")
    with pytest.raises(EngineError, match="h1 has written more than may be kept of it"):
        keep(h1, tmp_path, 2_000_000)
    # A tar of its own that never ends is a host's that writes much.
    (tmp_path / "again").mkdir()
    h1.write("/usr/local/bin/tar", "#!/bin/sh\nexec yes\n", mode=0o755)
    h1.run("rm /root/large; ln -sf /usr/local/bin/tar /usr/local/sbin/tar")
    with pytest.raises(EngineError, match="h1 has written more"):
        keep(h1, tmp_path / "again", 2_000_000)
    assert not [row for row in h1.processes() if row.command.startswith("yes")]


def test_a_host_that_cannot_do_it_is_told(h1: Host, tmp_path: Path) -> None:
    h1.write("/usr/local/bin/getconf", "#!/bin/sh\necho nonsense\n", mode=0o755)
    h1.run("ln -sf /usr/local/bin/getconf /usr/local/sbin/getconf")
    with pytest.raises(EngineError, match=r"h1 does not tell when it was made|files of h1 cannot"):
        keep(h1, tmp_path)


def test_a_file_that_is_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        written_files.create(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_all_hosts_together_have_a_limit_too() -> None:
    room = written_files.LabRoom(1000)
    room.take(600)
    with pytest.raises(EngineError, match="the hosts of this lab have written more in all"):
        room.take(600)
