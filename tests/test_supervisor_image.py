"""The image that the Network Playground's own users knew: two servers below a supervisord."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from playground import CommandFailed, Host, Lab, Link, NotReady, UnknownName
from playground.engines.seam import Engine
from tests.supervisor import supervisor_folder

# Of a server that is starting; apache2 takes half a second on an idle machine.
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def lab(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, keep_lab: Callable[[str], None]
) -> Iterator[Lab]:
    folder = supervisor_folder(engine, tmp_path_factory.mktemp("supervisor"))
    h1, web = Host("h1"), Host("web", build=folder)
    Link(h1, web)
    with Lab(h1, name="supervisor", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def first_words(lab: Lab, port: int, send: bytes = b"") -> bytes:
    """The first words of a server of web to a client on h1."""
    import socket

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with (
                lab.node("h1").sockets(),
                socket.create_connection(("web", port), timeout=10) as stream,
            ):
                stream.sendall(send)
                return stream.recv(100)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_both_servers_answer_another_host(lab: Lab) -> None:
    assert first_words(lab, 22).startswith(b"SSH-2.0-OpenSSH")
    assert first_words(lab, 80, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_the_servers_are_children_of_the_images_own_supervisor(lab: Lab) -> None:
    rows = {row.pid: row for row in lab.node("web").processes()}
    (supervisor,) = (row for row in rows.values() if row.command.endswith("/usr/bin/supervisord"))
    children = [row.command for row in rows.values() if row.parent == supervisor.pid]
    assert any("sshd" in command for command in children)
    assert any("apache" in command for command in children)
    assert lab.node("web").services["main"].status() == "running"


def test_it_is_begun_once_its_network_is_there(lab: Lab) -> None:
    """So it may listen on its own address; and `explain` knows who does."""
    assert lab.explain("h1", "web", port=80)


def test_its_programs_are_among_the_services(lab: Lab) -> None:
    services = lab.node("web").services
    assert list(services) == ["main", "apache2", "sshd"]
    assert {row.status for row in services.table()} == {"running"}
    with pytest.raises(UnknownName, match="main, apache2, sshd"):
        services["nginx"]


def test_one_of_its_programs_is_stopped_and_started(lab: Lab) -> None:
    apache = lab.node("web").services["apache2"]
    apache.stop()
    apache.stop()
    assert apache.status() == "stopped"
    assert not lab.explain("h1", "web", port=80)
    apache.start()
    assert apache.running
    assert first_words(lab, 80, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_one_that_supervisord_gives_up_is_told_with_its_log(lab: Lab) -> None:
    web = lab.node("web")
    web.run(
        "cat >/etc/supervisor/conf.d/bad.conf; supervisorctl update",
        input="[program:bad]\ncommand=/bin/sh -c 'echo no luck; exit 3'\nstartretries=0\n",
    )
    bad = web.services["bad"]
    with pytest.raises(NotReady, match=r"bad of web .*\n  the end of its log:\n    no luck"):
        bad.restart()
    assert bad.status() == "failed"
    assert set(bad.log().splitlines()) == {"no luck"}
    assert bad.log(lines=1) == "no luck\n"


def test_one_without_a_socket_says_what_it_lacks(lab: Lab) -> None:
    web = lab.node("web")
    web.run("mv /run/supervisor.sock /run/away")
    try:
        with pytest.raises(CommandFailed, match=r"let its configuration have \[unix_http_server\]"):
            web.services["apache2"].status()
        assert list(web.services) == ["main"]
    finally:
        web.run("mv /run/away /run/supervisor.sock")
