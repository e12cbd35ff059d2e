"""Cells that run on a host, and the way to a terminal: what a notebook shows of them."""

from __future__ import annotations

import http.server
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import UsageError

import playground
from playground import Host, Lab, Link, NotRunning, PlaygroundError
from playground.engines.seam import Engine
from playground.frontends import notebook

# Cells on a host


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.core.error", None)
    monkeypatch.delitem(sys.modules, "playground.frontends.notebook")
    with pytest.raises(PlaygroundError, match="pip install ipykernel"):
        playground.load_ipython_extension(None)


class Pair:
    def __init__(self) -> None:
        self.h1, self.h2 = Host("h1"), Host("h2.example.com")
        Link(self.h1, self.h2)
        self.lab = Lab(self.h1, name="pair", quiet=True)


@pytest.fixture(scope="module")
def pair(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Pair]:
    pair = Pair()
    with pair.lab:
        keep_lab(pair.lab.id)
        yield pair


@pytest.fixture
def namespace(pair: Pair) -> dict[str, Any]:
    return {"lab": pair.lab, "x": pair.h1, "y": 5}


def test_a_cell_of_shell_shows_both_streams_and_its_exit_status(
    namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run("h2", "hostname\necho complaint >&2\nexit 3\n", namespace)
    assert capsys.readouterr() == ("h2\n", "complaint\n[h2: exit status 3]\n")
    assert namespace["_exit_code"] == 3
    notebook.run("--cwd /tmp x", "pwd", namespace)
    assert capsys.readouterr() == ("/tmp\n", "")
    assert namespace["_exit_code"] == 0
    with pytest.raises(UsageError, match="the cell on h1 ended with exit status 1"):
        notebook.run("--check h1", "false", namespace)


def test_a_cell_of_python_shows_the_value_of_its_last_line(
    namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run("h1 python", "import socket\nprint('é')\nsocket.gethostname()\n", namespace)
    notebook.run("h1 python", "1 + 1;\n", namespace)
    notebook.run("h1 python", "# nothing\n", namespace)
    assert capsys.readouterr() == ("é\n'h1'\n", "")
    notebook.run("h1 python", "def f():\n    return 1 / 0\nf()\n", namespace)
    said = capsys.readouterr().err
    assert 'File "<cell>", line 3, in <module>\n    f()\n' in said
    assert said.endswith("ZeroDivisionError: division by zero\n[h1: exit status 1]\n")


def test_a_line_is_a_command(namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    notebook.run("h1 echo 'two  words' | tr a-z A-Z", None, namespace)
    assert capsys.readouterr().out == "TWO  WORDS\n"


class Listening(io.StringIO):
    """A stream that does something when it is told a word."""

    def __init__(self, word: str, then: Callable[[], None]) -> None:
        super().__init__()
        self._word = word
        self._then = then

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._word in text:
            self._then()
        return written


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        ("h1", "echo begun; until [ -e /tmp/go ]; do sleep 0.01; done; echo done; rm /tmp/go"),
        (
            "h1 python",
            "import os, time\nprint('begun')\nwhile not os.path.exists('/tmp/go'):\n"
            "    time.sleep(0.01)\nprint('done')\nos.remove('/tmp/go')",
        ),
    ],
    ids=["shell", "python"],
)
def test_output_comes_while_the_cell_runs(
    pair: Pair,
    namespace: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    cell: str,
) -> None:
    shown = Listening("begun", lambda: pair.h1.write("/tmp/go", ""))
    monkeypatch.setattr(sys, "stdout", shown)
    notebook.run(line, cell, namespace)
    assert shown.getvalue() == "begun\ndone\n"


def test_to_interrupt_the_cell_ends_what_runs_on_the_host(
    pair: Pair, namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", Listening("begun", interrupt))
    with pytest.raises(KeyboardInterrupt, match="what ran on h1 was ended"):
        notebook.run("h1", "echo begun; yes; sleep 4321", namespace)
    with pytest.raises(KeyboardInterrupt, match="what ran on h1 was ended"):
        notebook.run("h1", "echo begun; sleep 4321", namespace)
    monkeypatch.undo()
    assert not [one for one in threading.enumerate() if one.name == "playground cell"]
    wait = "for i in $(seq 100); do pgrep -fx 'sleep 4321|yes' || exit 0; sleep 0.05; done; exit 1"
    assert pair.h1.run(wait, check=False).returncode == 0


def test_hosts_are_completed_and_found_by_variable_and_by_name(namespace: dict[str, Any]) -> None:
    # Not x, a variable: it is no machine's name.
    assert notebook.host_names(namespace) == {"h1", "h2", "h2.example.com"}
    assert notebook.completions("%%host ", namespace) == ["h1", "h2", "h2.example.com"]
    assert notebook.completions("%%host --check h2.", namespace) == ["h2.example.com"]
    assert notebook.completions("%%host h1 ", namespace) == ["python"]
    assert notebook.completions("%host h1 ", namespace) == []
    assert notebook.found("h2", namespace) is namespace["lab"]["h2"]
    with pytest.raises(UsageError, match=r"no host 'y' here; those that run: h1, h2.example.com$"):
        notebook.found("y", namespace)


# Without an engine


def test_what_is_wrong_is_said_before_anything_is_run() -> None:
    for line, message in [
        ("", "the following arguments are required: host"),
        ("--what h1", "unrecognized arguments: --what"),
        ("'h1", "No closing quotation"),
        ("h1", "there is no host 'h1' here; those that run: none: start a lab first"),
    ]:
        with pytest.raises(UsageError, match=message):
            notebook.run(line, "true", {})
    with pytest.raises(NotRunning, match="h1 is not running"):
        notebook.run("h1", "true", {"h1": Host("h1")})


def test_the_extension_brings_a_magic_and_its_completion() -> None:
    made: list[tuple[Any, ...]] = []
    hooks: dict[str, Any] = {}
    shell = SimpleNamespace(
        user_ns={},
        register_magic_function=lambda function, kind, name: made.append((kind, name)),
        set_hook=lambda name, function, str_key: hooks.update({str_key: function}),
    )
    playground.load_ipython_extension(shell)
    assert made == [("line_cell", "host")]
    assert set(hooks) == {"%%host", "%host"}
    assert hooks["%%host"](shell, SimpleNamespace(line="%%host h")) == []


class Jupyter(http.server.BaseHTTPRequestHandler):
    """As much of a Jupyter server as a kernel asks for a terminal."""

    asked: list[tuple[str, str | None, Any]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"name": "7"}')

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Jupyter]]:
    """A server that has started this kernel, as the environment and its file say."""
    handler = type("Handler", (Jupyter,), {"asked": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("JPY_PARENT_PID", "4711")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    said = {"url": f"http://127.0.0.1:{server.server_port}/base/", "token": "sesame"}
    (tmp_path / "jpserver-4711.json").write_text(json.dumps(said))
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host("h1.example.com")
    monkeypatch.setattr(
        host, "_live", SimpleNamespace(lab=SimpleNamespace(id="shop-1234"), stopped=False)
    )
    return host


def test_a_terminal_is_one_of_jupyters_own(
    jupyter: type[Jupyter], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/other.sock")
    link = host.terminal(user="student")
    ((path, authorization, body),) = jupyter.asked
    assert (path, authorization) == ("/base/api/terminals", "token sesame")
    assert body["shell_command"][:4] == [
        *("env", "-u", "PLAYGROUND_ENGINE", "DOCKER_HOST=unix:///run/other.sock")
    ]
    command = ["shell", "--lab", "shop-1234", "--user", "student", "h1.example.com"]
    assert body["shell_command"][-6:] == command
    html = link._repr_html_()
    assert 'data-commandlinker-command="terminal:open"' in html
    assert 'data-commandlinker-args="{&quot;name&quot;: &quot;7&quot;}"' in html
    assert repr(link) == f"type in a terminal: playground {' '.join(command)}"


@pytest.mark.parametrize("status", [403, 404])
def test_where_the_server_has_no_terminals_it_says_what_to_type(
    jupyter: type[Jupyter], host: Host, status: int
) -> None:
    jupyter.status = status
    html = host.terminal()._repr_html_()
    assert html == (
        "Type in a terminal: <code>playground shell --lab shop-1234 h1.example.com</code>"
    )


def test_without_a_server_it_says_what_to_type(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert "button" not in host.terminal()._repr_html_()
