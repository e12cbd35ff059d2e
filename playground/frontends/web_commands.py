"""The command `playground web`: labs of this machine in a browser."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from playground.errors import PlaygroundError

Say = Callable[[str], None]

# Jupyter has 8888.
DEFAULT_PORT = 8810
_LOOK_EVERY_S = 10.0


def serve(
    lab_name: str | None,
    say: Say,
    *,
    host: str | None = None,
    port: int | None = None,
    password: str | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    new: bool = False,
) -> None:
    """Serve the page of one lab, or of all, until Ctrl-C; ``say`` its addresses.

    ``lab_name`` may be a lab's file: it is drawn on until it is started; ``new`` makes one.

    """
    file = drawn_file(lab_name, new)
    check_installed()
    from playground.engines.choice import RunningLabs
    from playground.frontends.web.drawing.drawing import Drawing
    from playground.frontends.web.own_certificate import own_certificate
    from playground.frontends.web.rights import Right
    from playground.frontends.web.server import Listening, WebServer

    where = Listening(
        host or "127.0.0.1", DEFAULT_PORT if port is None else port, password, certificate, key
    )
    own = None
    if password is not None and certificate is None and not where.is_loopback:
        own = own_certificate(where.host)
        where = replace(where, certificate=own.file, key=own.file)
    server = WebServer(where, RunningLabs())
    try:
        which, drawing = "", None
        if file is not None:
            drawing = Drawing(file, server.labs)
            drawing.join()
            server.site.drawings.add(drawing)
            lab_name, which = drawing.name, drawing.began
        elif lab_name is not None:
            # No lab of that name: said before anything is served.
            _, which = server.labs.opened(lab_name)
        server.start()
        path = "/" if lab_name is None else f"/lab/{quote(lab_name, safe='')}"
        if drawing is None:
            say(f"to work with: {server.address(path, Right(lab_name, True, which))}")
        else:
            draw = path.replace("/lab/", "/draw/")
            say(f"to work with {file}: {server.address(draw, drawing.right)}")
        if drawing is None or which:
            path = path.replace("/lab/", "/look/")
            say(f"to look only: {server.address(path, Right(lab_name, bound_to=which))}")
        else:
            say("for others to look at once it is started: see Share on its page")
        if own is not None:
            say(
                "its certificate is this machine's own: a browser asks once whether to trust it; "
                f"let others compare its SHA-256 fingerprint first: {own.fingerprint}"
            )
        say("whoever has the first address is root on the lab's machines; press Ctrl-C to end")
        while True:
            # A lab that has ended takes its addresses along, though nobody looks at the list.
            time.sleep(_LOOK_EVERY_S)
            with suppress(PlaygroundError):
                server.labs.lines()
    finally:
        server.close()


def drawn_file(said: str | None, new: bool) -> Path | None:
    """Return the file that a page is to draw on; None for the name of a lab, or of none.

    Raises `PlaygroundError` for a file that is not there, or with ``new`` for one that is.

    """
    looks_so = said is not None and (
        Path(said).suffix in (".yaml", ".yml") or "/" in said or Path(said).is_file()
    )
    if not looks_so and not new:
        return None
    if said is None or Path(said).suffix not in (".yaml", ".yml"):
        raise PlaygroundError(
            "a page draws on a lab file alone, as in `playground web lab.yaml`, or --new lab.yaml "
            "for a new one; `playground up` starts all others, and `playground web` shows them"
        )
    path = Path(said)
    if new and path.exists():
        raise PlaygroundError(f"{path} is there already: leave out --new to draw on it")
    if not new and not path.is_file():
        raise PlaygroundError(f"there is no {path}: `playground web --new {path}` draws a new one")
    if not path.absolute().parent.is_dir():
        raise PlaygroundError(f"there is no folder {path.parent} to write {path.name} into")
    return path


def check_installed() -> None:
    """Raise `PlaygroundError` where the package is missing that the page stands upon."""
    if importlib.util.find_spec("nicegui") is None:
        raise PlaygroundError(
            "the page in a browser needs the package nicegui: pip install nicegui"
        )
