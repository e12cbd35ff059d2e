"""Files of a node: where one goes, what is shown, and what a hostile name is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.errors import TransferFailed
from playground.frontends.web.content.folder_listing import FileEntry
from playground.frontends.web.panels.files import _SHOWN_FILES, _Files
from playground.frontends.web.sessions import host_files
from playground.frontends.web.view import LabView
from tests.frontends.web.panels.panel_stubs import StubView, slot, texts


def entry(name: str, kind: str = "file", target: str = "") -> FileEntry:
    return FileEntry(name, kind, 5, 0.0, "-rw-r--r--", "root", target)


class Host:
    """A host's folders, and its files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: dict[str, list[FileEntry]] = {"/root": [], "/": []}
        self.files: dict[str, bytes] = {}
        self.users: set[str | None] = set()
        monkeypatch.setattr(host_files, "list_folder", self.list)
        monkeypatch.setattr(host_files, "read_beginning", self.read)

    def list(self, node: Any, folder: str, user: str | None) -> tuple[list[FileEntry], bool]:
        self.users.add(user)
        if folder not in self.folders:
            raise TransferFailed(f"{folder} on h1 cannot be listed")
        return self.folders[folder], len(self.folders[folder]) > 900

    def read(self, node: Any, path: str, user: str | None) -> tuple[bytes, bool]:
        self.users.add(user)
        return self.files[path], False


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def made(view: StubView) -> _Files:
    return _Files(cast("LabView", view), view.part)


@pytest.mark.parametrize(
    ("typed", "folder"), [("/../../", "/"), ("root/../root/.", "/root"), ("//root", "/root")]
)
def test_wherever_one_goes_it_is_a_folder_of_the_host(host: Host, typed: str, folder: str) -> None:
    with slot():
        panel = made(StubView(SimpleNamespace(name="h1")))
        asyncio.run(panel._open(typed))
        assert panel._folder == folder
        asyncio.run(panel._above())
        assert panel._folder == "/"


def test_names_are_one_line_of_text_whatever_is_in_them(host: Host) -> None:
    host.folders["/root"] = [entry("a\nb<img src=x>\x1b[2J"), entry("to", "link", "/\n/etc")]
    with slot() as client:
        panel = made(StubView(SimpleNamespace(name="h1")))
        asyncio.run(panel._open("/root"))
        said = texts(client)
        assert "a\\nb<img src=x>\\x1b[2J" in " | ".join(said) or "a b<img" in " | ".join(said)
        assert not any("\x1b" in one or "\nb" in one for one in said)


def test_of_many_files_some_are_shown_and_others_are_searched(host: Host) -> None:
    host.folders["/root"] = [entry(f"f{number}") for number in range(1000)]
    with slot() as client:
        panel = made(StubView(SimpleNamespace(name="h1")))
        asyncio.run(panel._open("/root"))
        assert f"{1000 - _SHOWN_FILES} more: search for some" in texts(client)
        assert "The first 1000 are shown of more." in texts(client)
        panel._search.value = "f99"
        panel._draw()
        assert sum(one.startswith("f") for one in texts(client)) == 11


def test_a_link_is_followed_on_the_host_and_a_file_is_shown(host: Host) -> None:
    host.files = {"/root/passwd": b"root:x", "/root/core": b"\x7fELF\0"}
    with slot() as client:
        view = StubView(SimpleNamespace(name="h1"))
        panel = made(view)
        asyncio.run(panel._open("/root"))
        asyncio.run(panel._choose(entry("passwd", "link", "/etc/passwd")))
        assert "root:x" in texts(client) and [*view.served] == ["passwd"]
        asyncio.run(panel._choose(entry("core")))
        assert "5 bytes or more that are no text: download it" in texts(client)
        assert panel._folder == "/root"
        host.folders["/root/sub"] = []
        asyncio.run(panel._choose(entry("sub", "folder")))
        assert panel._folder == "/root/sub"


def test_who_may_only_look_sends_nothing(host: Host) -> None:
    for may_change in (True, False):
        with slot() as client:
            made(StubView(SimpleNamespace(name="h1"), may_change=may_change))
            tags = [element.tag for element in client.elements.values()]
            assert any("upload" in tag for tag in tags) is may_change


def test_who_may_only_look_reads_as_an_ordinary_user(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.files = {"/motd": b"hello"}
    monkeypatch.setattr(host_files, "fetch", None)
    monkeypatch.setattr(host_files, "fetch_as", lambda node, path, user: f"{path} as {user}")
    with slot() as client:
        panel = made(StubView(SimpleNamespace(name="h1"), may_change=False))
        asyncio.run(panel._open(panel._folder))
        asyncio.run(panel._choose(entry("motd")))
        assert host.users == {"nobody"} and panel._fetched("/motd") == "/motd as nobody"
        assert any("what nobody may read" in one for one in texts(client))
