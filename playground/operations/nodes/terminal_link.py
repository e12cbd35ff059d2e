"""A terminal on a host, opened from a notebook: a button of JupyterLab, or a command to type."""

from __future__ import annotations

import contextlib
import html
import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playground.errors import PlaygroundError
from playground.operations.connection.handles import Node

try:
    from jupyter_core.paths import jupyter_runtime_dir
except ImportError:
    raise PlaygroundError(
        "a button for a terminal is for notebooks: pip install ipykernel; "
        "in a terminal write `playground shell HOST`"
    ) from None

# A server on this machine that has not answered by then never will.
_SERVER_LIMIT_S = 5.0


class TerminalLink:
    """The way to a terminal on a host: in JupyterLab a button, elsewhere a command line."""

    def __init__(self, node: Node, user: str | None = None) -> None:
        lab = node.running().lab
        self._title = f"Open a terminal on {node.short}"
        options = ["--user", user] if user else []
        self._arguments = ["shell", "--lab", lab.id, *options, node.name]
        self._command = shlex.join(["playground", *self._arguments])
        self._terminal = _new_terminal(self._arguments)

    def __repr__(self) -> str:
        return f"type in a terminal: {self._command}"

    def _repr_html_(self) -> str:
        command = f"<code>{html.escape(self._command)}</code>"
        if self._terminal is None:
            return f"Type in a terminal: {command}"
        arguments = html.escape(json.dumps({"name": self._terminal}), quote=True)
        return (
            '<button class="jp-Button jp-mod-styled jp-mod-accept" '
            f'data-commandlinker-command="terminal:open" data-commandlinker-args="{arguments}">'
            f"{html.escape(self._title)}</button> "
            f"<small>or type in a terminal of your own: {command}</small>"
        )


def _new_terminal(arguments: Sequence[str]) -> str | None:
    """Have the Jupyter server of this kernel start a terminal; return its name, None without.

    It is a terminal as the server's launcher makes it, but with our command for a shell.

    """
    server = jupyter_server()
    if server is None:
        return None
    docker_host = os.environ.get("DOCKER_HOST")
    argv = [
        # The server's environment is not ours.
        *("env", "-u", "PLAYGROUND_ENGINE"),
        *([f"DOCKER_HOST={docker_host}"] if docker_host else []),
        # -P: what lies in the folder of the server is no module of ours.
        *(sys.executable, "-P", "-m", "playground", *arguments),
    ]
    request = urllib.request.Request(
        f"{server['url']}api/terminals",
        data=json.dumps({"shell_command": argv}).encode(),
        headers={
            "Authorization": f"token {server['token']}",
            "Content-Type": "application/json",
        },
        method="POST",
    )
    # None of the environment's proxies: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SERVER_LIMIT_S) as answer:
            return str(json.loads(answer.read())["name"])
    except urllib.error.HTTPError as refused:
        refused.close()  # the answer that it holds is open still
        return None
    except (OSError, ValueError, KeyError):
        return None  # it has no terminals, or lets nobody in by what its file says


def jupyter_server() -> dict[str, str] | None:
    """Return address and token of the Jupyter server that started this kernel."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    with contextlib.suppress(OSError, ValueError, KeyError):
        content = Path(jupyter_runtime_dir(), f"jpserver-{int(parent)}.json").read_text()
        found = json.loads(content)
        return {"url": str(found["url"]), "token": str(found["token"])}
    return None
