"""`playground publish` and `playground open`, on a lab that is kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.seam import Engine


@pytest.fixture(scope="module")
def kept(engine: Engine, keep_lab) -> Iterator[str]:
    """The name of a lab in which www has a page at port 8080, and client at none."""
    www = Host("www")
    Link(www, Host("client"))
    with Lab(www, name=f"ports-{os.getpid()}", keep=True, quiet=True) as lab:
        keep_lab(lab.id)
        www.write("/tmp/site/index.html", "hello from www\n")
        # It outlives the line that started it.
        www.run("setsid -f python3 -m http.server 8080 -d /tmp/site >/tmp/log 2>&1 </dev/null")
        lab.check.reaches("client", "www", port=8080, within_s=20)
    yield lab.name
    Lab.attach(lab.id, engine=engine, quiet=True).stop()


def playground(lab: str, command: str, *words: str, status: int = 0, **environ: str) -> str:
    argv = [sys.executable, "-m", "playground", command, "--lab", lab, *words]
    done = subprocess.run(
        argv, env={**os.environ, **environ}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def test_a_port_is_published_listed_and_closed(kept: str) -> None:
    url = playground(kept, "publish", "www", "8080").strip()
    assert urllib.request.urlopen(url, timeout=20).read() == b"hello from www\n"
    listed = playground(kept, "publish", "--list").splitlines()
    assert [line.split() for line in listed[-1:]] == [[url, "www", "8080"]]
    assert playground(kept, "publish", "www", "--close") == f"{url} is closed\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2].strip("/"))), 20)
    assert "no such port of www" in playground(kept, "publish", "www", "--close", status=1)


def test_what_is_not_said_is_asked_for(kept: str) -> None:
    for words in ([], ["www"], ["www", "80", "--list"]):
        assert "say which HOST and PORT" in playground(kept, "publish", *words, status=2)


def test_a_page_is_opened_in_the_browser(kept: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    browser.chmod(0o755)
    first = playground(kept, "open", "www", BROWSER=f"{browser} %s")
    again = playground(kept, "open", "www", BROWSER=f"{browser} %s")
    assert first == again == seen.read_text().splitlines()[0] + "\n"
    assert urllib.request.urlopen(first.strip(), timeout=20).status == 200


def test_without_a_browser_the_address_is_printed(kept: str) -> None:
    nothing = {"BROWSER": "/nowhere", "PATH": "/nowhere", "DISPLAY": ""}
    said = playground(kept, "open", "www", **nothing)
    assert said.startswith("http://127.0.0.1:") and "no browser was found" in said


def test_a_host_without_a_page_is_named(kept: str) -> None:
    assert "client listens at no port" in playground(kept, "open", "client", status=1)
