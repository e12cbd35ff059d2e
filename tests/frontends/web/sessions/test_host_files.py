"""Files of a hostile host: links lead nowhere else, and nothing is without end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link, PlaygroundError
from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import TransferFailed
from playground.frontends.web.sessions import host_files
from playground.frontends.web.sessions.host_files import (
    LOOKER,
    MOST_FETCHES,
    SHOWN_BYTES,
    fetch,
    fetch_as,
    list_folder,
    read_beginning,
)
from tests.support_agent import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def host(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Host]:
    host = Host("h1")
    Link(host, Host("h2"))
    with Lab(host, name="panels-files", engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        host.run("mkdir -p /srv/a/b && ln -s /srv/a /srv/link && mkfifo /srv/a/pipe")
        host.run("ln -s /dev/zero /srv/a/zero && ln -s ../../../../../etc/shadow /srv/a/shadow")
        host.run("head -c 300000 /dev/zero | tr '\\0' x > /srv/a/large")
        yield host


def test_a_folder_by_a_link_is_the_host_s_own(host: Host) -> None:
    found, more = list_folder(host, "/srv/link")
    assert [one.name for one in found] == ["b", "large", "pipe", "shadow", "zero"]
    assert not more
    shadow = read_beginning(host, "/srv/a/shadow")[0]
    assert shadow == host.read_bytes("/etc/shadow")
    # This machine's is another, or is not there.
    assert not Path("/srv/a/large").exists()


def test_what_is_not_there_or_no_folder_says_so(host: Host) -> None:
    for path in ("/srv/none", "/srv/a/large"):
        with pytest.raises(TransferFailed, match=f"{path} on h1 cannot be listed: "):
            list_folder(host, path)
    for path in ("/srv/none", "/srv/a/pipe", "/srv/a/zero", "/srv/a"):
        with pytest.raises(TransferFailed, match="cannot be shown: it is no file"):
            read_beginning(host, path)


def test_the_beginning_of_a_large_file(host: Host) -> None:
    assert read_beginning(host, "/srv/a/large") == (b"x" * SHOWN_BYTES, True)


def test_a_file_is_fetched_and_its_copy_is_gone(host: Host) -> None:
    before = set(Path(tempfile.gettempdir()).glob("playground-web-*"))
    pieces = fetch(host, "/srv/a/large", "lab 0")
    assert sum(map(len, pieces)) == 300_000
    for path in ("/srv/a/zero", "/srv/a/pipe", "/srv/a"):
        with pytest.raises(PlaygroundError):
            fetch(host, path, "lab")
    assert set(Path(tempfile.gettempdir()).glob("playground-web-*")) <= before


def test_so_many_are_fetched_at_once_and_who_goes_makes_room(host: Host) -> None:
    held = [fetch(host, "/srv/a/large", f"lab {n % 2}") for n in range(MOST_FETCHES)]
    with pytest.raises(PlaygroundError, match="try again when one is done"):
        fetch(host, "/srv/a/large", "lab 0")
    for _ in range(2):
        held[0].close()  # before its first piece
    assert list(held[0]) == []
    held[0] = fetch(host, "/srv/a/large", "lab 0")
    held.clear()  # nor has anybody closed these
    assert sum(map(len, fetch(host, "/srv/a/large", "lab 0"))) == 300_000


def test_who_may_only_look_reads_no_secret_of_the_host(host: Host) -> None:
    host.run("mkdir -p /root/.ssh && echo secret > /root/.ssh/id && chmod 600 /root/.ssh/id")
    host.run("echo hello > /srv/a/open && chmod 644 /srv/a/open && chmod 755 /srv /srv/a")
    assert fetch_as(host, "/srv/a/open", LOOKER) == b"hello\n"
    assert "open" in [one.name for one in list_folder(host, "/srv/a", LOOKER)[0]]
    for path in ("/root/.ssh/id", "/etc/shadow"):
        for read in (read_beginning, fetch_as):
            with pytest.raises(TransferFailed, match="cannot be shown"):
                read(host, path, LOOKER)
    host.run("chmod 700 /root")
    with pytest.raises(TransferFailed, match="cannot be listed"):
        list_folder(host, "/root", LOOKER)


def test_a_file_that_is_not_taken_in_time_is_forgotten(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_files, "_FETCH_LIMIT_S", 0.05)
    pieces = fetch(host, "/srv/a/large", "late")
    assert pieces._late.wait(20)
    with pytest.raises(TransferFailed, match="not taken within"):
        list(pieces)
    assert host_files._fetches.of("late") == 0


def test_a_host_whose_programs_print_without_end_is_cut_off(host: Host) -> None:
    host.write("/usr/local/bin/find", "#!/bin/sh\nexec yes f\n", mode=0o755)
    host.write("/usr/local/bin/head", "#!/bin/sh\nexec yes\n", mode=0o755)
    try:
        with pytest.raises(PlaygroundError):
            list_folder(host, "/srv")
        with pytest.raises(PlaygroundError):
            read_beginning(host, "/srv/a/large")
    finally:
        host.run("rm /usr/local/bin/find /usr/local/bin/head")
