"""Lab files of every kind, told apart and read: `playground.load`, and ``playground up``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.declarations.declare import declare, told_where
from playground.lab.declarations.shapes import Declarations
from playground.lab.files.reading import FORMAT_KEY, understand
from playground.lab.files.yaml_document import Document, first_key, read_document
from playground.lab.formats.compose_file import COMPOSE_NAMES
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.understood import Declaring
from playground.lab.formats.foreign.unreadable import told_as_unreadable
from playground.lab.formats.mininet import MininetTopology, is_mininet, run_stand_in
from playground.lab.formats.python_file import load_lab
from playground.lab.lab import Lab
from playground.model.arguments import check_flag, check_path, tells_wrong_call


class LoadOptions(NamedTuple):
    """What somebody asked for who loads a file."""

    name: str | None = None
    engine: Engine | str | None = None
    quiet: bool = False
    strict: bool = False
    plain: bool = False


@tells_wrong_call
def load(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    engine: Engine | str | None = None,
    quiet: bool = False,
    strict: bool = False,
    plain: bool = False,
) -> Lab:
    """Return the lab, not yet started, that a file declares.

    ``path`` is a file of our own (`Lab.save`), the folder of a Kathara lab, a topology of
    containerlab, a compose file, or a Python file, which is run: one of ours, or one for Mininet,
    which need not be installed.  A folder stands for the file in it; a package is run where it
    has no such file.  ``name`` is what the lab is
    called, by default what the file says, else the file's own name; of a Python file it chooses
    one of several labs.

    With ``plain`` the hosts of a Kathara lab or a topology of containerlab run none of the images
    that it names, but our own base, so that no registry need be reached: the network is the
    same, and programs of the images are not there.

    No code of a file is run, unless it is Python.  What a lab does not do of another tool's file
    is told by a `LabWarning`, with file and line; with ``strict`` by a `TopologyError`.
    Raises `TopologyError`, with line and column, for what cannot be read or declared.

    >>> with playground.load("lab.yaml") as lab:
    ...     lab.ping_all()

    """
    check_flag("load: strict", strict, TopologyError)
    check_flag("load: plain", plain, TopologyError)
    asked = LoadOptions(name, engine, quiet, strict, plain)
    return load_any(check_path(path, '"lab.yaml"'), asked)


def load_any(
    path: Path,
    asked: LoadOptions,
    say: Callable[[str], object] = lambda text: None,
    limit_s: float | None = None,
) -> Lab:
    """Return what `load` does; ``say`` and ``limit_s`` are for a Python file, which is run."""
    with told_as_unreadable(path):
        there = path.exists()
    if not there:
        raise TopologyError(f"there is no {path}; name a lab file, or the folder of one")
    if path.suffix.lower() in (".yaml", ".yml", ".json") or path.name == "lab.conf":
        if not path.is_file():
            raise TopologyError(f"{path} is called as a lab file is, and is none: name a file")
        return _kathara(path.parent, asked) if path.name == "lab.conf" else _of_yaml(path, asked)
    if path.is_dir():
        found = _file_in(path)
        # A package is run where it has no lab file, of which no code is.
        if found is not None or not (path / "__init__.py").is_file():
            return _of_folder(path, found, asked)
    if path.suffix == ".py" and is_mininet(path):
        return _mininet(path, asked)
    if path.is_file() and path.suffix != ".py" and not _begins_as_python(path):
        raise TopologyError(
            f"{path} is no lab file by its name: a lab is read from .yaml, .yml, .json and "
            "lab.conf, and of files that are run from .py; rename it"
        )
    _refuse_plain(path, asked)
    lab = load_lab(path, asked.name, quiet=asked.quiet, say=say, limit_s=limit_s)
    if asked.engine is not None and not lab.id:
        lab._state.asked_engine = asked.engine
    return lab


def _refuse_plain(path: Path, asked: LoadOptions) -> None:
    if asked.plain:
        raise TopologyError(
            f"{path} is neither a Kathara lab nor a topology of containerlab, of which alone hosts "
            "are made plain; leave it out (plain=True, --plain)"
        )


def _begins_as_python(path: Path) -> bool:
    """Whether a file says itself that Python runs it, as scripts do: execve(2)."""
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def _of_yaml(path: Path, asked: LoadOptions) -> Lab:
    with told_as_unreadable(path):
        # Of a compose file tags have a meaning that they have in no other: it has one reader.
        key = first_key(path, (FORMAT_KEY, "topology"))
        document = read_document(path) if key == FORMAT_KEY else None
    if document is not None:
        return _own(document, asked)
    if key is not None:
        return _containerlab(path, asked)
    return _compose(path, asked)


def _file_in(folder: Path) -> Path | None:
    """Return the lab file that a folder stands for; None where it has none."""
    known = [folder / name for name in ("lab.conf", "lab.yaml", "lab.yml")]
    known += sorted([*folder.glob("*.clab.yml"), *folder.glob("*.clab.yaml")])
    known += [folder / name for name in COMPOSE_NAMES]
    return next((path for path in known if path.is_file()), None)


def _of_folder(folder: Path, found: Path | None, asked: LoadOptions) -> Lab:
    if found is None or found.name in COMPOSE_NAMES:
        return _compose(folder, asked)
    return load_any(found, asked)


def _own(document: Document, asked: LoadOptions) -> Lab:
    _refuse_plain(document.path, asked)
    with told_as_unreadable(document.path):
        said = understand(document)
        nodes = declare(said.declarations).nodes
    settings = dict(said.settings)
    settings["name"] = asked.name or settings.get("name") or document.path.stem
    if asked.engine is not None:
        settings["engine"] = asked.engine
    with told_where(document.at()):
        return Lab(*nodes.values(), **settings, quiet=asked.quiet)


def _kathara(folder: Path, asked: LoadOptions) -> Lab:
    from playground.lab.formats.kathara import KatharaFolder

    def read(notes: Notes, how: Declaring) -> tuple[str, Declarations]:
        lab = KatharaFolder(folder, notes, how, asked.plain)
        return lab.name, lab.declarations()

    return _understood(folder, asked, read)


def _containerlab(path: Path, asked: LoadOptions) -> Lab:
    from playground.lab.formats.containerlab.topology import Containerlab

    def read(notes: Notes, how: Declaring) -> tuple[str, Declarations]:
        lab = Containerlab(path, notes, how, asked.plain)
        return lab.name, lab.declarations()

    return _understood(path, asked, read)


def _mininet(path: Path, asked: LoadOptions) -> Lab:
    _refuse_plain(path, asked)
    made = run_stand_in(path, asked.name)

    def read(notes: Notes, how: Declaring) -> tuple[str, Declarations]:
        lab = MininetTopology(path, made, notes, how)
        return lab.name, lab.declarations()

    return _understood(path, asked, read)


Read = Callable[[Notes, Declaring], tuple[str, Declarations]]


def _understood(path: Path, asked: LoadOptions, read: Read) -> Lab:
    """Declare what a reader says, with as much of its scripts as the model takes.

    A lab that is broken on purpose is taken, with a `LabWarning` for each mistake.

    """
    refused: TopologyError | None = None
    for how in sorted(Declaring, reverse=True):
        notes = Notes(path)
        with told_as_unreadable(path):
            name, declarations = read(notes, how)
        try:
            with told_as_unreadable(path):
                nodes = declare(declarations).nodes.values()
            lab = Lab(
                *nodes,
                name=asked.name or name,
                engine=asked.engine,
                quiet=asked.quiet,
                strict=False,
            )
        except TopologyError as error:
            refused = refused or error
            continue
        if refused is not None:
            notes.lines.append(f"{refused}: it is left to the startup files, as it stands there")
        notes.tell(asked.strict)
        return lab
    assert refused is not None
    raise refused


def _compose(path: Path, asked: LoadOptions) -> Lab:
    from playground.lab.formats.compose import from_compose

    _refuse_plain(path, asked)
    return from_compose(
        path, name=asked.name, engine=asked.engine, quiet=asked.quiet, strict=asked.strict
    )
