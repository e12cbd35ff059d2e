"""Processes that hold published ports of a lab that goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

import pytest

from playground import Host, Lab, Link
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import EngineError
from playground.lab.outside import port_holder
from playground.lab.outside.port_holder import PortHolders
from playground.operations.connection.client import Client


@pytest.fixture
def kept(namespaces_engine: NamespacesEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab that stays, on an engine to which no socket can be handed."""
    monkeypatch.setenv("PLAYGROUND_ENGINE", "namespaces")
    monkeypatch.setattr(Client, "ready_sockets", lambda self: "the engine is elsewhere")
    www = Host("www")
    Link(www, Host("client"))
    lab = Lab(www, name=f"held-{os.getpid()}", keep=True, quiet=True, engine=namespaces_engine)
    lab.start()
    www.write("/tmp/site/index.html", "hello")
    www.run("setsid -f python3 -m http.server 8080 -d /tmp/site >/tmp/log 2>&1 </dev/null")
    lab.check.reaches("client", "www", port=8080, within_s=20)
    yield lab
    lab.stop()


_SECOND = """
import sys
from playground import Lab
from playground.operations.connection.client import Client
Client.ready_sockets = lambda self: "the engine is elsewhere"
with Lab.attach(sys.argv[1], quiet=True) as lab:
    place = lab.publish("www", 8080)
    assert not place.carried_here and "while this program runs" not in place.words
    print(place)
"""


def test_a_port_outlives_the_program_that_published_it_and_not_its_lab(kept: Lab) -> None:
    code = [sys.executable, "-c", _SECOND, kept.name]
    url = subprocess.run(code, capture_output=True, text=True, timeout=120, check=True).stdout
    assert urllib.request.urlopen(url.strip(), timeout=20).read() == b"hello"
    (found,) = kept.published
    assert (found, found.node, found.node_port) == (url.strip(), "www", 8080)
    found.close()
    assert kept.published == []
    assert not is_offered(found.port)
    other = kept.publish("www", 8080)
    assert is_offered(other.port)
    kept.stop()
    deadline = time.monotonic() + 20
    while is_offered(other.port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_offered(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionResetError:
        return True
    except ConnectionRefusedError:
        return False
    return True


def test_who_cannot_be_reached_is_said_and_nothing_is_held() -> None:
    engine = cast(Engine, DockerEngine())
    holders = PortHolders("no-lab-1", engine)
    row = {"key": "1a", "node": "www", "port": 80, "protocol": "tcp"}
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(EngineError, match="port 80 of www cannot be published: "),
    ):
        holders.hold(1, row, listener)
    assert holders.rows() == []


class DockerEngine:
    """One of that name, at an address where none is."""

    url = "unix:///nowhere/docker.sock"


def test_nobody_else_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = cast(Any, DockerEngine())
    holders = PortHolders("lab-1", engine)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(f"\0playground.held.{os.geteuid()}.lab-1.2b")
        other.listen()
        monkeypatch.setattr(port_holder, "_is_own", lambda line: False)
        assert holders.rows() == []
