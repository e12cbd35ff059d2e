"""Images made to get out: what is in them is their hosts' own affair, and reaches no machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link, Switch
from playground.engines import pause
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.images.image_roots import STORE, ImageRoots
from playground.engines.seam import Engine
from playground.errors import PlaygroundError
from tests.image_archive import busybox, device, fifo, link, program, write_archive

# Where something is mounted or written when a host is made.
PLACES = ("etc", "home", "tmp", "root")

SLEEP = {"Entrypoint": ["/bin/busybox", "sleep", "1000"], "User": "1000:1000"}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the machine's that links of images lead to."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def lab(
    engine: Engine,
    outside: Path,
    tmp_path_factory: pytest.TempPathFactory,
    keep_lab: Callable[[str], None],
) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("archives")
    links = [link(name, str(outside)) for name in PLACES]
    climbing = link("up", "../" * 40 + str(outside).lstrip("/"))
    kinds = (tarfile.BLKTYPE, (254, 0)), (tarfile.CHRTYPE, (1, 1))
    devices = [device(f"device{number}", *kind) for number, kind in enumerate(kinds)]
    powerful = pause.program(os.uname().machine)
    many = [[link(f"step{number}", "/")] for number in range(60)]
    lan = Switch("lan", subnet="10.9.0.0/24")
    Link(lan, Host("h1"))
    for name, layers in {
        "links": [[busybox(), climbing, *links]],
        "devices": [[busybox(), program("bin/powerful", powerful, 0o6755), *devices]],
        "layers": [[busybox()], *many],
    }.items():
        Link(lan, Host(name, image=write_archive(place / f"{name}.tar", layers, SLEEP)))
    with Lab(lan, name="hostile-images", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


@pytest.mark.parametrize("name", ["links", "devices", "layers"])
def test_it_is_a_host_as_others_are(lab: Lab, name: str) -> None:
    assert lab.node("h1").ping(lab.node(name)).received == 3
    assert lab.node(name).services["main"].status() == "running"


def test_no_link_of_an_image_leads_to_the_machine(lab: Lab, outside: Path) -> None:
    host = lab.node("links")
    for path in ("/etc/hosts", "/tmp/file", "/up/file", "/home/student/file"):
        with contextlib.suppress(PlaygroundError):
            host.write(path, "written into a host")
    assert list(outside.iterdir()) == []
    (outside / "mark").write_text("the machine's")
    try:
        for path in ("/etc/mark", "/up/mark"):
            result = host.run(["/bin/busybox", "cat", path], user="0", check=False)
            assert (result.returncode, result.stdout) == (1, "")
            with pytest.raises(PlaygroundError):
                host.read(path)
    finally:
        (outside / "mark").unlink()


def test_no_device_file_of_an_image_is_of_use(lab: Lab) -> None:
    for number in range(2):
        command = ["/bin/busybox", "head", "-c", "1", f"/device{number}"]
        result = lab.node("devices").run(command, user="0", check=False)
        assert result.returncode == 1
        assert "ermitted" in result.stderr or "denied" in result.stderr


def test_a_set_user_id_program_is_root_of_its_host_alone(lab: Lab) -> None:
    host = lab.node("devices")
    with host.start(["/bin/powerful"]):
        (row,) = (row for row in host.processes() if row.command == "/bin/powerful")
        status = host.read(f"/proc/{row.pid}/status")
    rows = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert rows["Uid"].split()[:2] == ["1000", "0"]
    # Docker's default capabilities and NET_ADMIN, as of any host.
    assert int(rows["CapEff"], 16) == 0xA80435FB


def test_nobody_else_on_the_machine_runs_it(namespaces_engine: Engine) -> None:
    """Images have programs with the set-user-ID bit, years old some day."""
    assert STORE.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("climb", ["/..", "../..", ""])
def test_no_target_of_a_volume_leads_to_the_machine(
    engine: Engine, outside: Path, tmp_path: Path, climb: str
) -> None:
    """By links of an image, and by one that a host left in a volume that it could write."""
    beyond = climb and climb + "/.." * 20
    shared, file = tmp_path / "shared", tmp_path / "one"
    shared.mkdir()
    file.write_text("of a file")
    (shared / "planted").symlink_to(f"{beyond}{outside}/planted")
    links = [link(name, f"{beyond}{outside}/{name}") for name in ("folder", "file", "deep")]
    archive = write_archive(tmp_path / "targets.tar", [[busybox(), *links]], SLEEP)
    folders = ("/folder", "/deep/er/down", "/srv/planted/nested")
    shown = {shared: "/srv:rw", file: "/file"}
    for number, place in enumerate(folders):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "inner").write_text(place)
        shown[folder] = place
    h1 = Host("h1", image=archive, volumes=shown)
    with Lab(h1, name="hostile-targets", engine=engine, quiet=True):
        assert h1.run(["/bin/busybox", "cat", "/file"], user="0").stdout == "of a file"
        for place in folders:
            read = h1.run(["/bin/busybox", "cat", f"{place}/inner"], user="0")
            assert read.stdout == place
    assert list(outside.iterdir()) == []


def test_no_target_leads_by_a_descriptor_of_the_maker_to_the_machine(
    namespaces_engine: Engine, outside: Path, tmp_path: Path
) -> None:
    """/proc is there already, and whoever follows its links has folders of the machine open."""
    numbers = range(12, 17)
    links = [link(str(n), f"/proc/self/fd/{n}{'/..' * 20}{outside}") for n in numbers]
    archive = write_archive(tmp_path / "descriptors.tar", [[busybox(), *links]], SLEEP)
    (tmp_path / "shown").mkdir()
    for number in numbers:
        h1 = Host("h1", image=archive, volumes={tmp_path / "shown": f"/{number}/planted"})
        lab = Lab(h1, name="hostile-descriptors", engine=namespaces_engine, quiet=True)
        # Some lead to nothing where folders can be made.
        with contextlib.suppress(PlaygroundError), lab:
            pass
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/kernel/sys", "it would hide the host's /proc/sys"),
        ("/file/below", "Not a directory: /file"),
        ("/held", "/held is a folder there"),
    ],
)
def test_a_volume_that_cannot_stand_where_it_is_to_is_named(
    namespaces_engine: Engine, tmp_path: Path, target: str, reason: str
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    if target == "/held":
        shown.rmdir()
        shown.write_text("")
    entries = [busybox(), program("file", b""), program("held/file", b""), link("kernel", "/proc")]
    archive = write_archive(tmp_path / "taken.tar", [entries], SLEEP)
    lab = Lab(
        Host("h1", image=archive, volumes={shown: target}),
        name="hostile-taken",
        engine=namespaces_engine,
        quiet=True,
    )
    with pytest.raises(PlaygroundError) as caught, lab:
        pass
    assert f"{shown} cannot stand at {target}: {reason}" in str(caught.value)


def test_pipes_in_the_places_of_files_hold_nobody_up(
    namespaces_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's own runtime would wait for who writes into its /etc/passwd: it is left out."""
    if shutil.which("buildah") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to try images without Docker, but there is no buildah")
        pytest.skip("there is no buildah here")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    engine = NamespacesEngine()
    monkeypatch.setattr(engine, "_roots", ImageRoots(tmp_path / "store"))
    places = [fifo(f"etc/{name}") for name in ("passwd", "group", "shadow", "hosts", "resolv.conf")]
    archive = write_archive(tmp_path / "pipes.tar", [[busybox(), fifo("pipe"), *places]], SLEEP)
    (tmp_path / "shown").write_text("no pipe")
    h1, h2 = Host("h1", image=archive, volumes={tmp_path / "shown": "/pipe"}), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="hostile-pipes", engine=engine, quiet=True):
        assert h1.run(["/bin/busybox", "cat", "/pipe"], user="0").stdout == "no pipe"
        assert h2.ping(h1).received == 3
        said = h1.run(["/bin/busybox", "grep", "Uid", "/proc/self/status"]).stdout
        assert said.split()[1] == "1000"
        with pytest.raises(PlaygroundError, match="it is no regular file"):
            h1.run(["/bin/busybox", "true"], user="somebody")


def test_no_volume_of_an_image_shows_what_is_hidden(
    namespaces_engine: Engine, tmp_path: Path
) -> None:
    """Covers of files of /proc are mounted there: shown a second time they would cover nothing."""
    config = SLEEP | {"Volumes": {"/linked": {}, "/kept": {}, "/../kept/below": {}}}
    archive = write_archive(
        tmp_path / "volumes.tar", [[busybox(), link("linked", "/proc")]], config
    )
    h1, h2 = Host("h1", image=archive, read_only=True), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="hostile-volumes", engine=namespaces_engine, quiet=True):
        for path in ("/proc/interrupts", "/linked/interrupts"):
            assert h1.run(["/bin/busybox", "cat", path], user="0").stdout == ""
        for path in ("/kept/new", "/kept/below/new"):
            assert h1.run(["/bin/busybox", "touch", path], user="0").returncode == 0
        refused = h1.run(["/bin/busybox", "touch", "/new"], user="0", check=False)
        assert "Read-only file system" in refused.stderr
