"""Images of systems with musl and busybox, as alpine is: another C library, another resolver."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import Host, ImageError, Lab, Link, Switch
from playground.engines.seam import Engine

# What musl's own resolver says of a name, and a server of one line.
PROGRAM = r"""
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int serves = !strcmp(words[1], "serve"), one, size;
    char line[100];
    hints.ai_flags = serves ? AI_PASSIVE : 0;
    int error = getaddrinfo(serves ? NULL : words[2], words[3], &hints, &found);
    if (error) { printf("%s\n", gai_strerror(error)); return 1; }
    int end = socket(AF_INET, SOCK_STREAM, 0);
    if (!serves) {
        if (connect(end, found->ai_addr, found->ai_addrlen)) { perror("connect"); return 1; }
        while ((size = read(end, line, sizeof line)) > 0) fwrite(line, 1, size, stdout);
        return 0;
    }
    if (bind(end, found->ai_addr, found->ai_addrlen) || listen(end, 5)) return 1;
    while ((one = accept(end, NULL, NULL)) >= 0) { dprintf(one, "hello of musl\n"); close(one); }
    return 1;
}
"""

DOCKERFILE = """
FROM scratch
COPY root /
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install /bin; mkdir -m 1777 /tmp"]
USER app
EXPOSE 8000
CMD ["talk", "serve", "-", "8000"]
"""

RELEASE = "NAME=Alpine\nID=alpine\nVERSION_ID=3.20.3\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a directory to build from: a loader that is the C library, busybox, a program."""
    if shutil.which("musl-gcc") is None and os.environ.get("CI") != "true":
        pytest.skip("apt-get install musl-tools gcc: there is no compiler for musl here")
    folder = tmp_path_factory.mktemp("musl")
    root = folder / "root"
    for name in ("bin", "lib", "etc"):
        (root / name).mkdir(parents=True)
    (folder / "talk.c").write_text(PROGRAM)
    subprocess.run(["musl-gcc", "-o", root / "bin/talk", folder / "talk.c"], check=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (loader,) = Path("/lib").glob("ld-musl-*.so.1")
    shutil.copy(loader, root / "lib" / loader.name)
    (root / "etc/os-release").write_text(RELEASE)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/ash\napp:x:500:500::/tmp:/bin/ash\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:500:\n")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@pytest.fixture(scope="module")
def lab(engine: Engine, folder: Path, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan", subnet="10.8.1.0/24")
    for host in (Host("h1"), Host("app.example", build=folder), Host("other", build=folder)):
        Link(lan, host)
    dns = Host("dns", services=["dns"])
    Link(lan, dns)
    with Lab(lan, name="musl", quiet=True, engine=engine) as lab:
        keep_lab(lab.id)
        yield lab


def test_its_server_answers_a_neighbour_of_another_system(lab: Lab) -> None:
    assert lab.node("h1").run("nc -d app.example 8000").stdout == "hello of musl\n"


def test_names_are_found_by_its_own_resolver(lab: Lab) -> None:
    # From /etc/hosts, and from the lab's name server, which knows both forms of a name.
    other = lab.node("other")
    for name in ("app", "app.example"):
        assert other.run(["talk", "ask", name, "8000"]).stdout == "hello of musl\n"
    other.run("grep -v app /etc/hosts > /tmp/hosts; cat /tmp/hosts > /etc/hosts", user="root")
    assert other.run("talk ask app.example 8000").stdout == "hello of musl\n"
    failed = other.run("talk ask nobody.example 8000", check=False)
    assert (failed.returncode, failed.stdout) == (1, "Name does not resolve\n")


def test_its_shell_and_users_are_busybox_s(lab: Lab) -> None:
    app = lab.node("app")
    assert app.run("id -un; busybox | head -1 | cut -c-7").stdout == "app\nBusyBox\n"
    assert app.run("ip -o -4 addr show eth0 | grep -c 10.8.1", user="root").stdout == "1\n"


def test_it_is_looked_at_as_others_are(lab: Lab, tmp_path: Path) -> None:
    app, h1 = lab.node("app"), lab.node("h1")
    assert app.ping("h1").received == 3  # by the lab's name server
    assert list(app.interfaces) == ["eth0"]
    with app.links[0].capture() as packets:
        h1.run("nc -d app.example 8000")
    assert len(packets) >= 6
    for source, target in (("h1", "app"), ("app", "other")):
        assert lab.explain(source, target, port=8000), (source, target)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("text")
    app.put(tmp_path / "folder", "/tmp/")
    assert app.get("/tmp/folder", tmp_path / "back").joinpath("file").read_text() == "text"


def test_sockets_of_it_know_its_names_though_it_has_no_python(lab: Lab) -> None:
    app = lab.node("app")
    with app.sockets():
        # By the lab's name server; its own name stands in its /etc/hosts.
        for name in ("other", "app.example"):
            with socket.create_connection((name, 8000), timeout=10) as line:
                assert line.recv(100) == b"hello of musl\n"
        with pytest.raises(socket.gaierror, match="not known"):
            socket.create_connection(("nobody.example", 8000), timeout=10)
    with app.socket() as line:
        line.connect(("other", 8000))
        assert line.recv(100) == b"hello of musl\n"


def test_services_of_debian_are_refused_there(engine: Engine, folder: Path) -> None:
    h1 = Host("h1", build=folder, services=["http"])
    Link(h1, Host("h2"))
    with (
        pytest.raises(ImageError, match=r"h1: .* is alpine, and services \(http\) are programs of"),
        Lab(h1, name="strange", quiet=True, engine=engine),
    ):
        pass
