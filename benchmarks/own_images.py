"""Hosts of a user's image against bare containers of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground import Host, Lab, Link, Switch

COUNT = 12

DOCKERFILE = """
FROM scratch
COPY busybox /bin/busybox
CMD ["/bin/busybox", "httpd", "-f", "-p", "80"]
"""

PAGE = """
## Your own images

Of an image with one static program, a web server. A host of it is up when its network is there
and its server listens, which begins after that; a bare container's begins at once.

| what | ours | bare containers | ratio | reach |
|---|---|---|---|---|
{rows}
"""


def section(
    row: Callable[..., object],
    up_and_down: Callable[..., tuple[list[float], ...]],
    client: Any,
    runs: int,
    say: Callable[[str], None],
) -> str:
    """Measure labs of a user's image on Docker; return their part of the page."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(str(shutil.which("busybox")), Path(folder, "busybox"))
        Path(folder, "Dockerfile").write_text(DOCKERFILE)
        tag = f"playground-bench:{os.getpid()}"
        for _ in client.build(path=folder, tag=tag, rm=True, decode=True):
            pass
    try:
        say(f"{COUNT} hosts of a user's image")
        with star(tag):
            pass  # it is made ready once, and then it is
        ours, ours_down, bare_up, bare_down = up_and_down(
            client, lambda: star(tag), runs, say, [tag] * COUNT
        )
    finally:
        client.remove_image(tag, force=True)
    rows = (
        row(f"{COUNT} hosts of it up / as many bare containers", ours, bare_up, "1.15x"),
        row(f"{COUNT} hosts of it down / removed", ours_down, bare_down, "1.2x"),
    )
    return PAGE.format(rows="\n".join(map(str, rows)))


def star(tag: str) -> Lab:
    """Declare hosts of an image around one switch."""
    switch = Switch("switch")
    for number in range(1, COUNT + 1):
        Link(switch, Host(f"h{number}", image=tag))
    return Lab(switch, name=f"bench-images-{os.getpid()}", quiet=True, engine="docker")
