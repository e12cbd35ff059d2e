"""A user's own service: what is refused at once, and what its host gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playground import HTTP, Host, Service, TopologyError
from playground.lab.program_starts import service_programs
from playground.model.services.settings import File, Port, Probe, ServiceContext

CONTEXT = ServiceContext("app.example.com", "app")


def files_of(service: Service) -> dict[str, File]:
    return {file.path: file for file in service.own_row.configure(service, CONTEXT)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "My API"}, "cannot be the name of a service"),
        ({"name": "../evil"}, "cannot be the name of a service"),
        ({"name": "http"}, "of playground's own"),
        ({"name": "nginx"}, 'another name, such as "my-nginx"'),
        ({"command": ""}, "is no command"),
        ({"command": []}, "is no command"),
        ({"command": ["python3", 3]}, "is no command"),
        ({"command": {"python3"}}, "is no command"),
        ({"command": "a\0b"}, "is no command"),
        ({"port": 0}, "is no port"),
        ({"port": "80"}, "is no port"),
        ({"port": True}, "is no port"),
        ({"port": 53, "protocol": "icmp"}, 'neither "tcp" nor "udp"'),
        ({"ready": "http"}, "asks a TCP port"),
        ({"ready": "tcp", "port": 53, "protocol": "udp"}, "asks a TCP port"),
        ({"ready": 5}, "neither"),
        ({"ready": []}, "neither"),
        ({"tls": True}, "needs the TCP port"),
        ({"tls": "yes", "port": 443}, "neither True nor False"),
        ({"files": "/srv/api.py"}, "maps nothing"),
        ({"files": {"api.py": ""}}, "is no path in the host"),
        ({"files": {"/srv/../etc/passwd": ""}}, "leads back by .."),
        ({"files": {"/": ""}}, "root of the host"),
        ({"files": {"/srv/api.py": Path("/no/such/file")}}, "does not exist"),
        ({"files": {"/srv/api.py": 5}}, "must be text, bytes, or a Path"),
        ({"packages": ["redis; reboot"]}, "is no name of a Debian package"),
        ({"env": {"A-B": "1"}}, "is no name of a variable"),
        ({"packages": ["-o", "Dir=/"]}, "is no name of a Debian package"),
        ({"packages": ["redis\nreboot"]}, "is no name of a Debian package"),
        ({"env": {"A B": "1"}}, "is no name of a variable"),
        ({"env": {"A": None}}, "is no text"),
        ({"user": "a b"}, "is no user"),
        ({"user": True}, "is no user"),
        ({"workdir": "srv"}, "is no path in the host"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError) as caught:
        Service(**{"name": "api", "command": "true"} | arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python3 -m http.server 80", ("python3", "-m", "http.server", "80")),
        ("python3 'my api.py'", ("python3", "my api.py")),
        (["echo", "$HOME; reboot"], ("echo", "$HOME; reboot")),
        (Path("/srv/api"), ("/srv/api",)),
        ("a && b", ("/bin/sh", "-c", "a && b")),
        ("A=1 b", ("/bin/sh", "-c", "A=1 b")),
        ("exec a", ("/bin/sh", "-c", "exec a")),
        ("echo 'open", ("/bin/sh", "-c", "echo 'open")),
    ],
    ids=str,
)
def test_text_is_for_a_shell_where_it_needs_one(command: Any, words: tuple[str, ...]) -> None:
    assert Service("api", command).words == words


def test_a_port_is_in_the_environment_and_so_are_the_places_of_a_certificate() -> None:
    said = {"port": 8443, "tls": True, "ready": "http"}
    found = Service("api", "x", **said, env={"PORT": 1}).environment
    assert found["TLS_CERT_FILE"] == "/etc/playground/tls/cert.pem"
    assert found["TLS_KEY_FILE"] == "/etc/playground/tls/key.pem"
    assert found["PORT"] == "1"
    own = Service("api", "x", **said, user="app:app").environment
    assert own["TLS_KEY_FILE"] == "/etc/playground/tls/api.pem"


def test_it_is_a_program_that_is_started_again_always() -> None:
    service = Service("api", "a b", user="app", workdir="/srv", env={"A": "b"})
    (program,) = service_programs(Host("h1", services=["ssh", service]).declared_services)
    assert (program.name, program.argv, program.cwd, program.user) == (
        "api",
        ("a", "b"),
        "/srv",
        "app",
    )
    assert dict(program.env)["A"] == "b"
    assert str(program.restart) == "always"


def test_ready_is_what_its_port_answers() -> None:
    row = Service("api", "x", port=8000).own_row
    assert row.ports == (Port(8000),)
    assert row.probes == (Probe(8000),)
    assert Service("api", "x", port=53, protocol="udp").own_row.probes == ()
    (asked,) = Service("api", "x", port=443, ready="http", tls=True).own_row.probes
    assert asked.tls
    assert asked.send is not None
    assert asked.send.startswith(b"GET / HTTP/1.1\r\n")
    readiness = Service("api", "x", port=8000, ready="curl -f localhost:8000").own_row.readiness
    assert readiness is not None
    assert readiness.command == ("curl", "-f", "localhost:8000")


def test_files_are_texts_or_those_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one.py").write_text("1")
    (tmp_path / "main").write_bytes(b"#!/bin/sh\n")
    service = Service("api", "x", files={"/srv/a": "text", "/srv/app": tmp_path})
    files = files_of(service)
    assert files["/srv/a"].content == b"text"
    assert files["/srv/app/lib/one.py"].mode == 0o644
    assert files["/srv/app/main"].mode == 0o755
    whole = service.with_contents()
    (tmp_path / "main").unlink()
    assert files_of(whole) == files


def test_repr_names_its_files() -> None:
    service = Service("api", "python3 /srv/api.py", port=80, files={"/srv/api.py": "secret"})
    assert repr(service) == "Service('api', 'python3 /srv/api.py', port=80, files=['/srv/api.py'])"
    assert repr(Host("h", services=["ssh", service])) == "Host('h', services=['ssh', 'api'])"


def test_programs_are_services_that_say_no_more() -> None:
    host = Host("h1", programs={"api": "python3 /srv/api.py", "b": ["echo", "b"]})
    assert host.declared_services == (
        Service("api", ["python3", "/srv/api.py"]),
        Service("b", ["echo", "b"]),
    )
    assert repr(host) == "Host('h1', programs={'api': 'python3 /srv/api.py', 'b': 'echo b'})"
    with pytest.raises(TopologyError, match="h1: 'nginx' is a service or a program of playground"):
        Host("h1", programs={"nginx": "x"})
    with pytest.raises(TopologyError, match="h1: service 'api' is listed twice"):
        Host("h1", services=[Service("api", "x")], programs={"api": "x"})


def test_a_host_has_one_service_of_a_name() -> None:
    with pytest.raises(TopologyError, match="'api' is listed twice"):
        Host("h1", services=[Service("api", "x"), HTTP(), Service("api", "y")])
