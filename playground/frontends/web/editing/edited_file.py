"""The file on this machine in which a lab stands, as long as nobody else writes it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from playground.engines.whole_files import write_whole
from playground.errors import PlaygroundError
from playground.lab.declarations.gather import gather
from playground.lab.files.bounded_files import read_bounded
from playground.lab.files.writing import file_data, file_text
from playground.lab.files.yaml_document import parse_document
from playground.lab.lab import Lab

_MOST_BYTES = 1 << 20
# What a lab that was attached to says of itself, and its file need not.
_OF_THE_RUNNING = ("keep", "name", "engine")


class EditedFile:
    """A file, and the text that it had when it was read or written last; "" for one to be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.text = self._there()

    def _there(self) -> str:
        if not self.path.exists():
            return ""
        try:
            return read_bounded(self.path, _MOST_BYTES).decode()
        except UnicodeDecodeError as error:
            raise PlaygroundError(f"{self.path} cannot be read: it is no text") from error

    def write(self, text: str) -> None:
        """Write a text; raises `PlaygroundError` where another program has written another."""
        with self._lock:
            if self._there() != self.text:
                raise PlaygroundError(
                    f"{self.path} was written by another program since: nothing was written over "
                    "it; keep this draft with Download, then open the page anew to see the file"
                )
            try:
                # What is there keeps its mode; users have their passwords in it.
                write_whole(self.path, text, new_mode=0o600)
            except OSError as error:
                raise PlaygroundError(f"{self.path} cannot be written: {error.strerror}") from error
            self.text = text

    def write_lab(self, lab: Lab) -> None:
        """Write a running lab down: what stands there then is what runs; comments stay."""
        before = parse_document(self.text.encode(), self.path).data if self.text else {}
        state = lab._state
        with state.declaring:
            data = file_data(state.settings(), gather(state.nodes), self.path.absolute().parent)
        self.write(file_text(_as_before(data, before), self.text or None))


def _as_before(data: dict[str, Any], before: Any) -> dict[str, Any]:
    """Return data of a file whose lab's users, and what only a running lab says, stay as before."""
    kept = {key: value for key, value in data.items() if key not in (*_OF_THE_RUNNING, "users")}
    said = before if isinstance(before, dict) else {}
    return kept | {key: said[key] for key in (*_OF_THE_RUNNING, "users") if key in said}
