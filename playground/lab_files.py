"""The lab that a Python file declares: for the command line, and for pytest."""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError, TopologyError
from playground.lab import Lab
from playground.network import Host, Router, Switch


def load_lab(file: Path, name: str | None, *, quiet: bool = False) -> Lab:
    """Run a Python file and return the one lab that it declares, not started.

    Takes the `Lab` that a global name of it holds, or, if there is none, makes
    one of all hosts, routers and switches that its global names hold.  With
    ``name`` it takes the lab of that name.  Raises `PlaygroundError` with the
    file's line if it fails, or if there is no lab or more than one.

    """
    values = _globals_of(file)
    labs = list(dict.fromkeys(value for value in values if isinstance(value, Lab)))
    if name is not None:
        fitting = [lab for lab in labs if lab.name == name]
        if len(fitting) != 1:
            names = ", ".join(lab.name for lab in labs) or "none"
            raise TopologyError(f"{file} has no lab named {name!r}; the labs in it: {names}")
        return fitting[0]
    if len(labs) > 1:
        names = ", ".join(lab.name for lab in labs)
        raise TopologyError(f"{file} makes more than one lab: choose one of {names} with --lab")
    if labs:
        return labs[0]
    nodes = [value for value in _flat(values) if isinstance(value, Host | Router | Switch)]
    if not nodes:
        raise TopologyError(
            f"{file} makes no lab: write `lab = Lab(...)` in it, or declare hosts, at its top level"
        )
    return Lab(*dict.fromkeys(nodes), name=file.stem, quiet=quiet)


def _globals_of(file: Path) -> list[Any]:
    """Run the file and return the values of its public global names."""
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        names = runpy.run_path(str(file), run_name="playground_up")
    except SystemExit as error:
        if error.code not in (None, 0):
            raise PlaygroundError(f"{file} ended with {error.code}") from error
        raise PlaygroundError(f"{file} calls exit() before its end") from error
    except SyntaxError as error:
        raise PlaygroundError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(file)
        ]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        kind = "" if isinstance(error, PlaygroundError) else f"{type(error).__name__}: "
        raise PlaygroundError(f"{where}: {kind}{error}") from error
    finally:
        with suppress(ValueError):  # the file may have changed it too
            sys.path.remove(folder)
    return [value for name, value in names.items() if not name.startswith("__")]


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    """The values, and what stands in lists, tuples, sets and dicts of them."""
    for value in values:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            yield from value
        else:
            yield value
