"""The files of a node: looked at, fetched, and sent."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nicegui import ui
from nicegui.events import UploadEventArguments

from playground.display.safe_text import visible
from playground.errors import PlaygroundError
from playground.frontends.web.content import folder_listing
from playground.frontends.web.content.cells import cell
from playground.frontends.web.content.folder_listing import FileEntry
from playground.frontends.web.sessions import host_files
from playground.frontends.web.view import LabView
from playground.operations.network import Machine

TITLE = "Files"

_SHOWN_FILES = 200

_UP_BYTES = 64 << 20


def fits(view: LabView, name: str) -> bool:
    """Only a host or router has files."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show a folder, by and by others, and what is in a file."""
    _Files(view, view.machine(name))


class _Files:
    """The folder of one node that is looked at, and the file that is."""

    def __init__(self, view: LabView, node: Machine) -> None:
        self._view, self._node = view, node
        # Keys and passwords of a host are not for whoever may only look.
        self._user = None if view.may_change else host_files.LOOKER
        self._folder = "/root" if view.may_change else "/"
        self._entries: list[FileEntry] = []
        with ui.row().classes("w-full items-center no-wrap"):
            up = ui.button(icon="arrow_upward", on_click=self._above)
            up.props('dense flat aria-label="The folder above"')
            self._path = ui.input("Folder", value=self._folder).classes("grow")
            self._path.on("keydown.enter", lambda: self._open(self._path.value or "/"))
            again = ui.button(icon="refresh", on_click=lambda: self._open(self._folder))
            again.props('dense flat aria-label="Look again"')
        if self._user is not None:
            ui.label(f"To look at only: what {self._user} may read on it is shown.").classes(
                "text-sm"
            )
        self._said = ui.label().classes("text-sm whitespace-pre-wrap").props("role=status")
        self._search = ui.input("Only names with", on_change=self._draw).classes("w-full")
        self._search.props("dense clearable")
        self._list = ui.list().props("dense bordered").classes("w-full max-h-80 overflow-y-auto")
        if view.may_change:
            ui.upload(
                label="Send files into this folder",
                on_upload=self._send,
                on_rejected=self._reject,
                max_file_size=_UP_BYTES,
                auto_upload=True,
                multiple=True,
            ).classes("w-full").props("flat bordered")
        with ui.row().classes("w-full items-center"):
            self._file = ui.label().classes("font-bold break-all grow")
            self._fetch = ui.link("Download", "").props("download")
        self._fetch.set_visibility(False)
        self._text = ui.label().classes(
            "w-full font-mono text-xs whitespace-pre-wrap break-all max-h-96 overflow-y-auto"
        )
        ui.timer(0, lambda: self._open(self._folder), once=True)

    # -- folders -------------------------------------------------------------

    async def _above(self) -> None:
        await self._open(folder_listing.folder_above(self._folder))

    async def _open(self, folder: str) -> None:
        # Two slashes at the front would stay (POSIX), and lead above them.
        folder = posixpath.normpath("/" + folder.lstrip("/"))
        self._entries, more = await self._view.ask(
            host_files.list_folder, self._node, folder, self._user
        )
        self._folder = folder
        self._path.value = visible(folder)
        self._said.set_text(f"The first {len(self._entries)} are shown of more." if more else "")
        self._draw()

    def _draw(self) -> None:
        wanted = str(self._search.value or "").lower()
        found = [one for one in self._entries if wanted in one.name.lower()]
        self._list.clear()
        with self._list:
            for entry in found[:_SHOWN_FILES]:
                self._item(entry)
            if len(found) > _SHOWN_FILES:
                ui.item_label(f"{len(found) - _SHOWN_FILES} more: search for some").classes("p-2")
            if not found:
                ui.item_label("Nothing is here.").classes("p-2")

    def _item(self, entry: FileEntry) -> None:
        with ui.item(on_click=lambda: self._choose(entry)), ui.item_section():
            mark = "/" if entry.kind == "folder" else ""
            points = f" → {cell(entry.target)}" if entry.target else ""
            ui.item_label(f"{cell(entry.name)}{mark}{points}").classes("break-all")
            when = folder_listing.time_words(entry.time_s)
            kind = "" if entry.kind in ("file", "folder") else f"{entry.kind}  "
            ui.item_label(
                f"{kind}{entry.size_bytes} bytes  {when}  {cell(entry.permissions)}  "
                f"{cell(entry.owner)}"
            ).props("caption")

    async def _choose(self, entry: FileEntry) -> None:
        path = entry.path_in(self._folder)
        if entry.kind == "folder":
            await self._open(path)
        elif entry.kind == "link":
            # Where it points is the host's word: a folder there is opened, within the host.
            try:
                await self._open(path)
            except PlaygroundError:
                await self._show(path)
        elif entry.kind == "file":
            await self._show(path)
        else:
            ui.notify(f"{cell(entry.name)} is a {entry.kind}, and has nothing to be shown")

    # -- files ---------------------------------------------------------------

    async def _show(self, path: str) -> None:
        data, more = await self._view.ask(host_files.read_beginning, self._node, path, self._user)
        self._file.set_text(visible(path))
        name = str(cell(posixpath.basename(path))) or "file"
        self._fetch.props(f'href="{self._view.serve(name, lambda: self._fetched(path))}"')
        self._fetch.set_visibility(True)
        if folder_listing.is_text(data):
            text = visible(data.decode("utf-8", "replace"))
        else:
            text = f"{len(data)} bytes or more that are no text: download it"
        self._text.set_text(
            text + (f"\n… the first {host_files.SHOWN_BYTES} bytes" if more else "")
        )

    def _fetched(self, path: str) -> bytes | Iterator[bytes]:
        if self._user is not None:
            return host_files.fetch_as(self._node, path, self._user)
        return host_files.fetch(self._node, path, self._view.name)

    async def _send(self, event: UploadEventArguments) -> None:
        name = folder_listing.upload_name(event.file.name)
        folder = self._folder
        with tempfile.TemporaryDirectory(prefix="playground-web-") as temporary:
            copy = Path(temporary, "file")
            self._view.check_may_change()
            await event.file.save(copy)
            copy.chmod(0o644)
            path = posixpath.join(folder, name)
            await self._view.act(self._node.put, copy, path)
        ui.notify(f"{visible(path)} was written")
        await self._open(folder)

    def _reject(self) -> None:
        ui.notify(f"No more than {_UP_BYTES >> 20} MiB: put larger files by a program, h1.put()")
