"""A lab written for another tool: what `Lab.export` does."""

from __future__ import annotations

import difflib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from playground.errors import BadArgument, LabWarning, PlaygroundError
from playground.lab.state import LabObject, callers_level
from playground.model.arguments import check_path, is_choice, shown

if TYPE_CHECKING:
    from playground.lab.exports.export_shapes import Export


def export(lab: LabObject, kind: str, path: str | os.PathLike[str]) -> Path:
    """Write this lab's network for another tool; returns the path.

    ``kind`` is "containerlab", "kathara" (``path`` is then a folder that is made, or is empty) or
    "compose" for those who run it there; "mermaid", "d2", "graphviz" or "drawio" for a drawing;
    "shell" for a script of `ip` and `nft`; "networkx" for a graph as JSON (``node_link_graph``);
    "ansible-inventory".  Addresses and routes are those of `plan`, also where the lab chose them.
    FRR's files go into folders beside a topology of containerlab.

    What the other tool is not told is said by a `LabWarning`, a line for each thing.  Raises
    `BadArgument` for another kind, `PlaygroundError` if a file cannot be written, or one beside
    ``path``, or in a folder that is not empty, would take the place of another.

    >>> lab.export("containerlab", "lab.clab.yml")
    PosixPath('lab.clab.yml')

    """
    from playground.lab.exports.table import EXPORTS  # who exports nothing does without

    if not is_choice(kind, EXPORTS):
        near = difflib.get_close_matches(str(kind), EXPORTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(EXPORTS)}"
        raise BadArgument(f"no lab is exported as {shown(kind)}: {hint}")
    file = check_path(path, '"lab.clab.yml"')
    made = EXPORTS[kind](lab.plan())
    try:
        _write(made, file)
    except OSError as error:
        raise PlaygroundError(f"{file} cannot be written: {error.strerror or error}") from error
    if made.notes:
        warnings.warn(
            f"{file}: {kind} is not told all:\n" + "\n".join(dict.fromkeys(made.notes)),
            LabWarning,
            stacklevel=callers_level(),
        )
    return file


def _write(made: Export, file: Path) -> None:
    folder = file.parent
    if made.text is None:
        if file.is_dir() and any(file.iterdir()):
            raise PlaygroundError(
                f"{file} is not empty; name a folder that is not there, or empty it"
            )
        folder = file
    # Beside a file that was asked for, what is there is somebody's.
    for name, text in made.files.items():
        _refuse_other(folder / name, text)
    for name, text in made.files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    if made.text is not None:
        file.write_text(made.text, encoding="utf-8")


def _refuse_other(place: Path, text: str) -> None:
    """Raise `PlaygroundError` where another file, or a link, is at a place that nobody named."""
    if place.is_file() and not place.is_symlink() and place.read_bytes() == text.encode():
        return
    if os.path.lexists(place):
        raise PlaygroundError(
            f"{place} is there already, and this export would write another; move it away, or "
            "export into another folder"
        )
