"""Images of the user's own as hosts: their words hold, and their programs wait for the network."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import (
    CommandFailed,
    Host,
    ImageError,
    Lab,
    Link,
    NotReady,
    PlaygroundError,
    Router,
    Switch,
    TransferFailed,
)
from playground.display.progress import Silent
from playground.engines.images import image_for
from playground.engines.seam import Engine

# Of one static program alone: no shell, no C library, no folders.
STATIC = """
FROM scratch
COPY busybox /bin/busybox
ENV GREETING=hello
WORKDIR /srv/www
VOLUME /srv/kept
USER 65534:65534
ENTRYPOINT ["/bin/busybox"]
CMD ["httpd", "-f", "-v", "-p", "8080"]
"""

# A small system: users by name, and a shell.
SYSTEM = """
FROM scratch
COPY busybox /bin/busybox
COPY etc /etc
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install /bin; mkdir -m 1777 /tmp"]
"""

# One with a user, a check of its health and a signal of its own.
SMALL = f"""{SYSTEM}USER app
HEALTHCHECK --interval=1s CMD test -e /tmp/well
STOPSIGNAL SIGUSR1
CMD trap 'echo stopped by its own signal; exit 0' USR1; ip addr show eth0; id -un; \
    sleep 0.3; touch /tmp/well; while :; do sleep 0.1; done
"""

BROKEN = """
FROM scratch
COPY busybox /bin/busybox
CMD ["/bin/busybox", "sh", "-c", "echo there is no database; exit 4"]
"""


def write(folder: Path, dockerfile: str) -> Path:
    """Write a directory to build from, with a static program in it."""
    if folder.is_dir():
        return folder
    folder.mkdir()
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "etc").mkdir()
    (folder / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:500:500::/tmp:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\napp:x:500:\nextra:x:600:app\n")
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write(folder / "static", STATIC)
    write(folder / "small", SMALL)
    return folder


@pytest.fixture(scope="module")
def lab(engine: Engine, folder: Path, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    static, small = folder / "static", folder / "small"
    lan = Switch("lan", subnet="10.8.0.0/24")
    Link(lan, Host("h1"))
    second = {"second": "/bin/busybox httpd -f -p 9090"}
    Link(lan, Host("static", build=static, programs=second))
    Link(lan, Host("small", build=small))
    # Without a command of its own an image's host is there for what is started on it.
    Link(lan, Router("idle", build=static, entrypoint="/bin/busybox true", env={"GREETING": "hi"}))
    Link(lan, Host("still", build=static, read_only=True))
    with Lab(lan, name="own", quiet=True, engine=engine) as lab:
        keep_lab(lab.id)
        yield lab


def test_a_server_without_a_system_answers_its_neighbours(lab: Lab) -> None:
    answer = lab.node("h1").run("curl -si http://static:8080/nothing").stdout
    assert answer.startswith("HTTP/1.1 404")
    assert "response:404" in lab.node("static").services["main"].log()


def test_a_program_of_the_user_s_runs_beside_that_of_the_image(lab: Lab) -> None:
    assert lab.node("h1").run("curl -si http://static:9090/nothing").stdout.startswith("HTTP/1.1")
    services = lab.node("static").services
    assert list(services) == ["second", "main"]
    services["second"].stop()
    assert [services[name].status() for name in services] == ["stopped", "running"]


def test_what_an_image_says_holds_for_all_that_runs_there(lab: Lab) -> None:
    static = lab.node("static")
    assert static.run(["/bin/busybox", "id", "-u"]).stdout == "65534\n"
    assert static.run(["/bin/busybox", "pwd"]).stdout == "/srv/www\n"
    assert "GREETING=hello" in static.run(["/bin/busybox", "env"]).stdout


def test_a_user_is_looked_up_in_the_image(lab: Lab) -> None:
    small = lab.node("small")
    assert small.run("id -un; id -Gn").stdout == "app\napp extra\n"
    assert "\napp\n" in small.services["main"].log()
    assert small.run("id -un", user="root").stdout == "root\n"


def test_a_program_begins_when_its_host_has_its_addresses(lab: Lab) -> None:
    small = lab.node("small")
    assert f"inet {small.address}/24" in small.services["main"].log()


def test_the_start_waits_until_the_image_is_well(lab: Lab) -> None:
    assert lab.node("small").run("test -e /tmp/well").returncode == 0


def test_the_start_waits_until_the_image_listens(engine: Engine, folder: Path) -> None:
    slow = "sleep 0.6; exec httpd -f -p 81 -h /"
    web = Host("web", build=write(folder / "slow", f"{SYSTEM}EXPOSE 81 82\nCMD {slow}\n"))
    h1 = Host("h1")
    Link(web, h1)
    with Lab(web, name="listening", quiet=True, engine=engine):
        assert h1.run("curl -s -o /dev/null http://web:81/bin/busybox").returncode == 0


def test_a_program_is_stopped_by_its_own_signal(lab: Lab) -> None:
    program = lab.node("small").services["main"]
    program.stop()
    assert program.status() == "stopped"
    assert program.log().endswith("stopped by its own signal\n")
    program.start()
    assert program.status() == "running"


def test_declared_words_stand_in_place_of_the_image_s(lab: Lab) -> None:
    idle = lab.node("idle")
    assert idle.services["main"].status() == "ended with status 0"
    assert "GREETING=hi\n" in idle.run(["/bin/busybox", "env"]).stdout


def test_a_host_of_an_image_is_reached_and_reaches_others(lab: Lab) -> None:
    assert lab.node("h1").ping("static").received == 3
    assert lab.explain("h1", "static", port=8080)
    assert lab.ping_all()


@pytest.mark.cannot("swarm", "open sockets of hosts in this program")
def test_an_image_without_programs_can_be_asked_all_that_its_kernel_knows(lab: Lab) -> None:
    static = lab.node("static")
    assert static.ping("h1").received == 3
    assert static.ping("10.8.0.99", count=1, timeout_s=0.2).received == 0
    assert list(static.interfaces) == ["eth0"]
    assert static.routes()
    assert any(row.command.startswith("/bin/busybox httpd") for row in static.processes())
    assert static.sysctls["net.ipv4.ip_forward"] == "0"
    assert lab.explain("static", "h1", port=9).cause == "server stopped"
    with static.sockets(), socket.socket() as probe:
        assert probe.connect_ex((str(lab.node("h1").address), 9)) == errno.ECONNREFUSED
    link = static.links[0]
    with link.capture() as packets:
        static.ping("h1", count=1)
    assert len(packets) >= 2


def test_what_an_image_lacks_is_said(lab: Lab) -> None:
    static = lab.node("static")
    with pytest.raises(CommandFailed, match=r"image of static has no shell, .*as a list"):
        static.run("ls /")
    for call in (lambda: static.traceroute("h1"), lambda: static.python("print()")):
        with pytest.raises(CommandFailed, match=r"no command '.*' on static, whose image lacks it"):
            call()
    with pytest.raises(PlaygroundError, match="static offers no ssh: it has an image of its own"):
        lab.node("h1").ssh(to=static)


def test_files_of_an_image_without_programs(lab: Lab, tmp_path: Path) -> None:
    static = lab.node("static")
    (tmp_path / "page.html").write_text("<p>hello")
    (tmp_path / "page.html").chmod(0o640)
    assert static.put(tmp_path / "page.html", "/srv/www/") == "/srv/www/page.html"
    assert static.run(["/bin/busybox", "stat", "-c", "%a", "/srv/www/page.html"]).stdout == "640\n"
    static.write("/srv/www/new/page.html", "<p>new")
    static.write("/srv/www/new/page.html", "er", append=True)
    assert lab.node("h1").run("curl -s http://static:8080/new/page.html").stdout == "<p>newer"
    got = static.get("/srv/www/new/page.html", tmp_path / "got.html")
    assert got.read_text() == "<p>newer"
    assert static.read("/srv/www/new/page.html") == "<p>newer"
    with pytest.raises(TransferFailed, match="/nowhere on static cannot be read: No such file"):
        static.read("/nowhere")
    with pytest.raises(CommandFailed, match="has no shell"):
        static.get("/srv/www", tmp_path)


def test_names_of_an_image_without_programs(lab: Lab) -> None:
    static = lab.node("static")
    assert static.hosts["h1"] == str(lab.node("h1").address)
    static.hosts["printer"] = "10.8.0.1"
    assert static.ping("printer", count=1)
    static.nameservers = ["10.8.0.9"]
    assert static.nameservers == ["10.8.0.9"]
    static.hostname = "renamed"
    assert static.hostname == "renamed"


def test_a_root_is_read_only_where_that_was_said(lab: Lab) -> None:
    still = lab.node("still")
    words = ["/bin/busybox", "sh", "-c", "echo > /srv/www/page"]
    assert still.run(words, user="0", check=False).stderr.endswith("Read-only file system\n")
    assert still.run(["/bin/busybox", "touch", "/dev/shm/page"]).returncode == 0
    # A VOLUME of the image's is no part of it.
    assert still.run(["/bin/busybox", "touch", "/srv/kept/page"], user="0").returncode == 0
    still.hosts["printer"] = "10.8.0.1"
    with pytest.raises(TransferFailed, match="Read-only file system"):
        still.write("/srv/www/page", "")


@pytest.mark.cannot("swarm", "show files of this machine in hosts")
def test_a_program_is_given_time_where_that_was_said(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    script = "trap 'sleep 0.2; echo saved > /data/state; exit 0' USR1; while :; do sleep 0.1; done"
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)
    db = Host(
        "db",
        build=folder / "small",
        command=["/bin/sh", "-c", script],
        healthcheck=False,
        stop_timeout_s=10,
        volumes={tmp_path / "data": "/data:rw"},
    )
    Link(db, Host("h1"))
    with Lab(db, name="gentle", quiet=True, engine=engine):
        pass
    assert (tmp_path / "data" / "state").read_text() == "saved\n"


def test_a_program_that_ends_at_once_is_told_of(engine: Engine, folder: Path) -> None:
    h1 = Host("h1", build=write(folder / "broken", BROKEN))
    Link(h1, Host("h2", build=folder / "broken", command="/bin/busybox sleep 99"))
    with (
        pytest.raises(NotReady, match=r"main of h1 .* ended with status 4\n(?s:.*)no database"),
        Lab(h1, name="broken", quiet=True, engine=engine),
    ):
        pass


def test_services_stand_on_debian_alone(engine: Engine, folder: Path) -> None:
    h1 = Host("h1", build=folder / "static", services=["http"])
    Link(h1, Host("h2"))
    with (
        pytest.raises(ImageError, match=r"h1: .*says nothing of its system, and services \(http\)"),
        Lab(h1, name="strange", quiet=True, engine=engine),
    ):
        pass


def test_services_stand_beside_the_program_of_a_debian_image(engine: Engine) -> None:
    # Of Debian with what a web server needs, so that nothing has to be installed.
    debian = image_for(["http"])
    engine.ensure_images([debian], Silent())
    web = Host(
        "web",
        build=f"FROM {debian.tag}\nRUN useradd -u 1500 app\nUSER app\nWORKDIR /tmp\nENTRYPOINT []\n"
        'EXPOSE 8000\nCMD ["python3", "-m", "http.server", "8000"]\n',
        services=["http"],
    )
    h1 = Host("h1")
    Link(web, h1)
    with Lab(web, name="debian", quiet=True, engine=engine):
        for place in ("http://web/", "http://web:8000/"):
            assert h1.run(f"curl -s -o /dev/null -w '%{{http_code}}' {place}").stdout == "200"
        assert list(web.services) == ["http", "main"]
        web.services["http"].restart()
        assert web.services["http"].status() == "running"
        web.hosts["printer"] = "10.8.0.1"
        assert web.run("id -un; pwd; grep -c printer /etc/hosts").stdout == "app\n/tmp\n1\n"


def test_an_image_to_be_built_upon_is_refused(engine: Engine) -> None:
    h1 = Host("h1", build="FROM scratch\nONBUILD COPY nowhere /\nLABEL a=b\n")
    Link(h1, Host("h2"))
    with (
        pytest.raises(ImageError, match=r"h1: .* is made to be built upon \(ONBUILD\)"),
        Lab(h1, name="onbuild", quiet=True, engine=engine),
    ):
        pass


def test_lists_of_users_that_are_pipes_stop_nothing(engine: Engine, folder: Path) -> None:
    odd = "RUN mkfifo /etc/pipe; ln -sf pipe /etc/group; ln -s /nowhere /run\n"
    h1 = Host("h1", build=write(folder / "odd", f"{SYSTEM}{odd}CMD sleep 99\n"))
    Link(h1, Host("h2"))
    # Docker itself would wait for somebody to write into it; nobody does on bare namespaces.
    with contextlib.suppress(ImageError), Lab(h1, name="odd", quiet=True, engine=engine):
        assert h1.run("true").returncode == 0


def test_a_build_that_fails_shows_its_log(engine: Engine) -> None:
    h1 = Host("h1", build="FROM scratch\nCOPY nowhere /\n")
    Link(h1, Host("h2"))
    with (
        pytest.raises(
            ImageError, match=r"h1: the image of its Dockerfile could not be built: .*nowhere"
        ),
        Lab(h1, name="unbuilt", quiet=True, engine=engine),
    ):
        pass


def test_an_image_that_no_registry_gives_is_refused(engine: Engine) -> None:
    h1 = Host("h1", image="127.0.0.1:9/nobody/web:1")
    Link(h1, Host("h2"))
    with (
        pytest.raises(
            ImageError,
            match=r"h1: the registry 127\.0\.0\.1:9 of the image 127.* is not reached from here",
        ),
        Lab(h1, name="unreached", quiet=True, engine=engine),
    ):
        pass
