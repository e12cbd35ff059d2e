"""Images of the user's own as hosts: their words hold, and their programs wait for the network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import Host, ImageError, Lab, Link, NotReady, Router, Switch
from playground.engines.docker.engine import DockerEngine
from playground.engines.seam import Engine

# Of one static program alone: no shell, no C library, no folders.
STATIC = """
FROM scratch
COPY busybox /bin/busybox
ENV GREETING=hello
WORKDIR /srv/www
USER 65534:65534
ENTRYPOINT ["/bin/busybox"]
CMD ["httpd", "-f", "-v", "-p", "8080"]
"""

# A small system: users by name, a shell, a check of its health.
SMALL = """
FROM scratch
COPY busybox /bin/busybox
COPY etc /etc
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install /bin; mkdir -m 1777 /tmp"]
USER app
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
    folder.mkdir()
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "etc").mkdir()
    (folder / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:500:500::/tmp:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\napp:x:500:\nextra:x:600:app\n")
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def engine(docker_engine: DockerEngine) -> Engine:
    return docker_engine


@pytest.fixture(scope="module")
def lab(engine: Engine, folder: Path, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    static, small = write(folder / "static", STATIC), write(folder / "small", SMALL)
    lan = Switch("lan", subnet="10.8.0.0/24")
    Link(lan, Host("h1"))
    Link(lan, Host("static", build=static))
    Link(lan, Host("small", build=small))
    # Without a command of its own an image's host is there for what is started on it.
    Link(lan, Router("idle", build=static, entrypoint="/bin/busybox true", env={"GREETING": "hi"}))
    with Lab(lan, name="own", quiet=True, engine=engine) as lab:
        keep_lab(lab.id)
        yield lab


def test_a_server_without_a_system_answers_its_neighbours(lab: Lab) -> None:
    answer = lab.node("h1").run("curl -si http://static:8080/nothing").stdout
    assert answer.startswith("HTTP/1.1 404")
    assert "response:404" in lab.node("static").services["main"].log()


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
        pytest.raises(ImageError, match=r"h1: .*no image 127.* does not reach 127\.0\.0\.1:9;"),
        Lab(h1, name="unreached", quiet=True, engine=engine),
    ):
        pass
