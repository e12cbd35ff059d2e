"""A lab as a file of our own: what `Lab.save` writes, and `playground.load` reads."""

from __future__ import annotations

import os
from pathlib import Path

from playground.engines.whole_files import write_whole
from playground.errors import PlaygroundError
from playground.lab.state import LabObject
from playground.model.arguments import check_path


def save(lab: LabObject, path: str | os.PathLike[str]) -> Path:
    """Write all that was declared of this lab to a file of YAML; returns its path.

    `playground.load` and ``playground up`` read it.  What the lab chose by itself, such as
    addresses, is not in it, and neither is what was done inside hosts.  In a running lab it is what
    is declared now: links that are down, rules that were added.  Where a file is there already, its
    comments and its mode stay; a new file with ``users``, and so with passwords, is readable for
    its owner only.  Paths of this machine are written as seen from the file, if they lie beside it.

    Raises `TopologyError` for what no file can hold, such as a function that says when a
    service is ready, and `PlaygroundError` if the file cannot be written.

    >>> lab.save("lab.yaml")
    PosixPath('lab.yaml')

    """
    # Only who saves a lab waits for these.
    from playground.lab.declarations.gather import gather
    from playground.lab.files.writing import file_data, file_text

    file = check_path(path, '"lab.yaml"')
    state = lab._state
    with state.declaring:
        declarations = gather(state.nodes)
        data = file_data(state.settings(), declarations, file.absolute().parent)
    try:
        before = file.read_text(encoding="utf-8") if file.is_file() else None
        text = file_text(data, before)
        # Users have their passwords in it.
        write_whole(file, text, new_mode=0o600 if data.get("users") else 0o666)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "what is there is no text"
        raise PlaygroundError(f"{file} cannot be written: {reason or error}") from error
    return file
