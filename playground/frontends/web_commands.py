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
) -> None:
    """Serve the page of one lab, or of all, until Ctrl-C; ``say`` its addresses."""
    check_installed()
    from playground.engines.choice import RunningLabs
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
        which = ""
        if lab_name is not None:
            # No lab of that name: said before anything is served.
            _, which = server.labs.opened(lab_name)
        server.start()
        path = "/" if lab_name is None else f"/lab/{quote(lab_name, safe='')}"
        say(f"to work with: {server.address(path, Right(lab_name, True, which))}")
        path = path.replace("/lab/", "/look/")
        say(f"to look only: {server.address(path, Right(lab_name, bound_to=which))}")
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


def check_installed() -> None:
    """Raise `PlaygroundError` where the package is missing that the page stands upon."""
    if importlib.util.find_spec("nicegui") is None:
        raise PlaygroundError(
            "the page in a browser needs the package nicegui: pip install nicegui"
        )
