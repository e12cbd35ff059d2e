"""Whose pages may show the live page in a frame: the one notebook that its program runs in."""

# Content Security Policy Level 3, 6.4.2 (frame-ancestors)

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playground.errors import PlaygroundError

# What may stand in a policy: a name or an address, and nothing that would end the word.
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
_LOOPBACK = ("localhost", "127.0.0.1")


def notebook_origins() -> tuple[str, ...]:
    """Return the origins of the Jupyter server that started this program, as it names itself.

    None where no Jupyter server did: then no page may frame ours.

    """
    try:
        from playground.operations.nodes.terminal_link import jupyter_server
    except PlaygroundError:
        return ()  # without ipykernel it is no notebook
    server = jupyter_server()
    return () if server is None else origins_of(server["url"])


def origins_of(url: str) -> tuple[str, ...]:
    """Return the origins of an address; one of the loopback has two names for it.

    >>> origins_of("http://localhost:8888/tree")
    ('http://localhost:8888', 'http://127.0.0.1:8888')

    """
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError:
        return ()
    host = f"[{host}]" if ":" in host else host
    if split.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ()
    end = "" if port is None else f":{port}"
    hosts = _LOOPBACK if host in _LOOPBACK else (host,)
    return tuple(f"{split.scheme}://{one}{end}" for one in hosts)
