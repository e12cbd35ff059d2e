"""Files and folders of the user's own in a host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground import Host, Lab, Link
from playground.engines.docker import containers, nodes
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.server import Server
from playground.engines.seam import Engine
from playground.errors import EngineError, LabWarning, TopologyError
from playground.lab.declared_files import copy_warnings, declared_files
from playground.model.containers.own_service import Service
from playground.model.services.http import HTTP
from playground.model.services.settings import ServiceSettings
from playground.planning.plan import NodePlan

pytestmark = pytest.mark.cannot("swarm", "show files of this machine in hosts")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this machine, with a link out of it, and a link to that folder."""
    top = tmp_path_factory.mktemp("mine")
    top.chmod(0o755)
    site = top / "site"
    site.mkdir()
    (site / "index.html").write_text("first\n")
    (site / "below").mkdir()
    (site / "below" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (site / "below" / "run.sh").chmod(0o755)
    (top / "secret").write_text("secret\n")
    (site / "out").symlink_to(top / "secret")
    (top / "link").symlink_to(site)
    (top / "shared").mkdir()
    (top / "empty").mkdir()
    (top / "app.conf").write_text("conf\n")
    (top / "ftp").mkdir()
    (top / "ftp" / "README.txt").write_text("mine\n")
    return top


def host(place: Path) -> Host:
    made = Host(
        "www",
        ["http", "ftp"],
        volumes={
            place / "link": "/var/www/html",
            place / "shared": "/srv/deep/shared:rw",
            place / "app.conf": "/etc/app.conf",
            place / "empty": "/srv/deep/empty",
            place / "ftp": "/srv/ftp:rw",
        },
        files={
            "/srv/hello": "#!/bin/sh\necho hello\n",
            "/srv/conf": place / "app.conf",
            "/srv/bytes": b"\xff",
        },
    )
    Link(made, Host("client"))
    return made


@pytest.fixture(scope="module")
def www(engine: Engine, keep_lab, place: Path) -> Iterator[Host]:
    with Lab(host(place), name=f"user-files-{os.getpid()}", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab["www"]


def test_a_folder_of_the_users_is_the_whole_site(www: Host) -> None:
    assert www.run("curl -s http://localhost/").stdout == "first\n"
    assert www.run("curl -s http://localhost/below/run.sh").stdout.startswith("#!/bin/sh")


def test_the_lab_writes_nothing_of_its_own_into_a_volume(www: Host, place: Path) -> None:
    assert (place / "ftp" / "README.txt").read_text() == "mine\n"
    assert os.listdir(place / "ftp") == ["README.txt"]
    assert www.run("cat /srv/ftp/README.txt").stdout == "mine\n"


@pytest.mark.parametrize(
    "service",
    [
        HTTP(files={"index.html": "of the lab"}),
        Service("api", "sleep 9", files={"/var/www/html/api.py": "of the lab"}),
    ],
)
def test_a_place_with_two_owners_is_refused(service: ServiceSettings, place: Path) -> None:
    with pytest.raises(TopologyError, match=r"www: /var/www/html/.* would be written into .*/site"):
        Host("www", [service], volumes={place / "site": "/var/www/html:rw"})
    Host("www", [service], volumes={place / "site": "/var/www/html2:rw"})


def test_a_served_folder_is_looked_at_as_well(place: Path) -> None:
    below = {place / "empty": "/var/www/html/below"}
    with pytest.raises(TopologyError, match=r"html/below/run.sh of the service http would be"):
        Host("www", [HTTP(files=place / "site")], volumes=below)
    Host("www", [HTTP(files=place / "shared")], volumes=below)


def test_a_file_in_a_volume_is_refused(place: Path) -> None:
    with pytest.raises(TopologyError, match=r"www: files: /srv/a would be written into .*/site"):
        Host("www", volumes={place / "site": "/srv"}, files={"/srv/a": "text"})


def test_an_edit_is_seen_at_once(www: Host, place: Path) -> None:
    page = place / "site" / "index.html"
    assert www.run("cat /var/www/html/index.html").stdout == "first\n"
    page.write_text("second\n")
    try:
        assert www.run("cat /var/www/html/index.html").stdout == "second\n"
    finally:
        page.write_text("first\n")
    assert www.run("cat /etc/app.conf").stdout == "conf\n"


def test_a_host_changes_only_what_it_may(www: Host, place: Path) -> None:
    for change in ("echo x > /var/www/html/index.html", "rm /etc/app.conf", "echo > /etc/app.conf"):
        assert www.run(["sh", "-c", change], check=False).returncode != 0
    again = "mount -o remount,bind,rw /var/www/html; echo x > /var/www/html/index.html"
    assert www.run(["sh", "-c", again], check=False).returncode != 0
    assert (place / "site" / "index.html").read_text() == "first\n"
    www.run("sh -c 'echo from www > /srv/deep/shared/said'")
    assert (place / "shared" / "said").read_text() == "from www\n"
    assert www.run("stat -c %a /srv/deep").stdout == "755\n"


def test_a_volume_shows_no_more_than_was_named(www: Host) -> None:
    # The link leads to a file of the host's, which has none of that name.
    assert www.run("cat /var/www/html/out", check=False).returncode != 0
    www.run("ln -sf /etc/hostname /srv/deep/shared/here")
    assert www.run("cat /srv/deep/shared/here").stdout == "www\n"


def test_a_host_leaves_no_device_in_a_volume(www: Host, place: Path) -> None:
    made = "mknod /srv/deep/shared/disk b 254 0 && head -c 1 /srv/deep/shared/disk"
    assert www.run(["sh", "-c", made], check=False).returncode != 0
    assert not (place / "shared" / "disk").exists()


def test_files_are_there_before_programs_start(www: Host, tmp_path: Path) -> None:
    assert www.run("/srv/hello").stdout == "hello\n"
    assert www.run("cat /srv/conf").stdout == "conf\n"
    www.get("/srv/bytes", tmp_path)
    assert (tmp_path / "bytes").read_bytes() == b"\xff"


@pytest.mark.parametrize("replaced", ["site", "site/pages"])
def test_the_volume_of_a_folder_that_became_a_link_is_refused(
    engine: Engine, tmp_path: Path, replaced: str
) -> None:
    """As another host's root may do that to a folder below its own writable volume."""
    tmp_path.chmod(0o755)
    pages = tmp_path / "site" / "pages"
    pages.mkdir(parents=True)
    www = Host("www", volumes={pages: "/srv/pages"})
    Link(www, Host("client"))
    (tmp_path / replaced).rename(tmp_path / "away")
    (tmp_path / replaced).symlink_to(tmp_path / "away")
    lab = Lab(www, name=f"user-files-link-{os.getpid()}", quiet=True, engine=engine)
    with pytest.raises(EngineError, match=r"www: .*the volume .* was replaced by a link"):
        lab.start()


@pytest.mark.parametrize("back", [False, True], ids=["stays", "goes back"])
def test_a_folder_that_is_replaced_while_docker_looks_is_refused(
    docker_engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """As root of another host, which runs and may write there, could do it."""
    pages, away, secret = (tmp_path / name for name in ("pages", "away", "secret"))
    pages.mkdir()
    secret.mkdir()
    www = Host("www", volumes={pages: "/srv/pages"})
    Link(www, Host("client"))
    start = containers.start

    def replaced(line: Any, name: str) -> int:
        pages.rename(away)
        pages.symlink_to(secret)
        try:
            return start(line, name)
        finally:
            if back:
                pages.unlink()
                away.rename(pages)

    monkeypatch.setattr(
        nodes,
        "start",
        lambda line, name: (replaced if name.endswith(".www") else start)(line, name),
    )
    lab = Lab(www, name=f"user-files-race-{os.getpid()}", quiet=True, engine=docker_engine)
    words = "shows something else than" if back else "was replaced by a link"
    with pytest.raises(EngineError, match=f"www: at /srv/pages .*{words}"):
        lab.start()


def test_no_set_user_id_program_of_a_volume_has_power(
    engine: Engine, www: Host, place: Path
) -> None:
    www.run(
        "cp /bin/cat /srv/deep/shared/cat; chmod 4755 /srv/deep/shared/cat; echo top > /root/secret"
    )
    said = www.run("/srv/deep/shared/cat /root/secret", user="nobody", check=False)
    assert "denied" in said.stderr
    (place / "shared" / "cat").unlink()


# -- where the engine is elsewhere ---------------------------------------------


def planned(place: Path) -> NodePlan:
    return Lab(host(place), engine="namespaces", quiet=True).plan().node("www")


def test_what_is_copied_is_in_files_and_said(place: Path) -> None:
    found = {file.path: file for file in declared_files(planned(place), copies_volumes=True)}
    assert found["/var/www/html/index.html"].content == b"first\n"
    assert (found["/var/www/html/below/run.sh"].mode, found["/srv/conf"].mode) == (0o755, 0o644)
    assert found["/etc/app.conf"].content == b"conf\n"
    assert "/var/www/html/out" not in found
    assert found["/srv/deep/empty/"].content == b""
    first, second, third, *_ = copy_warnings([planned(place)])
    assert first == (
        f"www: {place / 'site'} is copied to /var/www/html, for the engine is not on this machine: "
        "later edits are not seen there"
    )
    assert "is not brought back" in second and "is not brought back" not in third


def test_what_is_not_copied_is_the_engines_affair(place: Path) -> None:
    paths = [file.path for file in declared_files(planned(place))]
    assert paths == ["/srv/hello", "/srv/conf", "/srv/bytes"]


def test_too_much_to_copy_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.lab.declared_files.COPIED_MB", 0)
    with pytest.raises(TopologyError, match="name a smaller folder"):
        declared_files(planned(place), copies_volumes=True)


def test_an_engine_elsewhere_gets_copies(
    docker_engine: DockerEngine, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "has_our_files", False)
    lab = Lab(host(place), name=f"user-files-copied-{os.getpid()}", quiet=True, engine="docker")
    with pytest.warns(LabWarning) as said:
        lab.start()
    assert "is copied to /var/www/html" in str(said[0].message)
    with lab:
        assert lab["www"].run("cat /var/www/html/index.html").stdout == "first\n"
        assert lab["www"].run("/var/www/html/below/run.sh").stdout == "ran\n"
        assert lab["www"].run("ls -d /srv/deep/empty").stdout == "/srv/deep/empty\n"
