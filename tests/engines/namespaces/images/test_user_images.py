"""Images of users without Docker: from a registry, an archive, a folder, a Dockerfile's text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.display.progress import Silent
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.images import user_images
from playground.engines.namespaces.images.buildah_runs import proxy_arguments
from playground.engines.namespaces.images.image_roots import ImageRoots
from playground.engines.namespaces.images.image_store import ImageStore, StoredImage
from playground.engines.namespaces.images.user_images import UserImages, os_release
from playground.engines.pull_errors import machine_kind
from playground.errors import ImageError
from playground.model.containers.image_sources import ImageSource
from tests.image_archive import fifo, link
from tests.registry import NAME, PASSWORD, running_registry, there_is_one

DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
ENV COLOUR=green
USER 1000
WORKDIR /srv
VOLUME /data
HEALTHCHECK --interval=2s CMD ["/bin/busybox", "true"]
CMD ["/bin/busybox", "sleep", "1000"]
"""
OTHER = "arm64" if machine_kind(os.uname().machine) == "amd64" else "amd64"


@pytest.fixture(scope="module", autouse=True)
def _can_be_tried() -> None:
    missing = [name for name in ("buildah", "busybox") if shutil.which(name) is None]
    missing += ["docker-registry"] * (not there_is_one())
    reason = f"there is no {' and no '.join(missing)} here" if missing else ""
    if os.geteuid() != 0:
        reason = "buildah keeps what others own, which takes root"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to try users' images, but {reason}")
    if reason:
        pytest.skip(reason)


class Place:
    """A store, and what tests get images from."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.images = UserImages(top / "user")
        self.lock = os.open(top / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        self.address = ""
        self.guarded = ""
        self.context = top / "server"
        self.context.mkdir()
        shutil.copy(str(shutil.which("busybox")), self.context / "busybox")
        (self.context / "Dockerfile").write_text(DOCKERFILE)

    def ensure(self, kind: str, value: str | Path) -> StoredImage:
        return self.images.ensure(ImageSource(kind, str(value)), Silent(), self.lock)

    def refusal(self, kind: str, value: str | Path) -> str:
        before = self.ids()
        with pytest.raises(ImageError) as caught:
            self.ensure(kind, value)
        assert self.ids() == before, "something is left of it"
        return str(caught.value)

    def ids(self) -> set[str]:
        return set(ImageStore(self.top / "user/storage").names().values())

    def buildah(self, *words: str | Path) -> None:
        store = ["--root", self.top / "else", "--runroot", self.top / "run"]
        subprocess.run(
            ["buildah", *store, *words], check=True, capture_output=True, timeout=120,
            env=os.environ | {"STORAGE_DRIVER": "overlay", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry with an image for this machine, and one for others; archives of the first."""
    top = tmp_path_factory.mktemp("users-images")
    place = Place(top)
    with running_registry(top) as place.address, running_registry(top, with_login=True) as guarded:
        place.guarded = guarded
        build = ["build", "--isolation", "chroot", "--format", "docker"]
        place.buildah(*build, "--tag", "localhost/own", place.context)
        place.buildah(*build, "--arch", OTHER, "--tag", "localhost/others", place.context)
        push = ["push", "--tls-verify=false"]
        place.buildah(*push, "localhost/own", f"docker://{place.address}/web:1")
        place.buildah(*push, "localhost/others", f"docker://{place.address}/others:1")
        place.buildah("manifest", "create", "localhost/list")
        others = f"docker://{place.address}/others:1"
        place.buildah("manifest", "add", "--tls-verify=false", "localhost/list", others)
        place.buildah(
            *("manifest", "push", "--all", "--tls-verify=false", "localhost/list"),
            f"docker://{place.address}/list:1",
        )
        place.buildah(
            "push", "localhost/own", f"docker-archive:{top}/docker.tar:debian:trixie-slim"
        )
        place.buildah("push", "localhost/own", f"oci-archive:{top}/oci.tar")
        place.buildah("push", "localhost/own", f"oci:{top}/layout")
        write_layout_of_two(top / "layout", top / "both")
        yield place


def write_layout_of_two(layout: Path, both: Path) -> None:
    """Write the image of a layout as one of several platforms: OCI's image-layout.md."""
    shutil.copytree(layout, both)
    (own,) = json.loads((layout / "index.json").read_text())["manifests"]
    platforms = [
        {**own, "digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": OTHER}},
        {
            **own,
            "platform": {"os": "linux", "architecture": machine_kind(os.uname().machine)},
        },
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": platforms}).encode()
    digest = hashlib.sha256(index).hexdigest()
    (both / "blobs" / "sha256" / digest).write_bytes(index)
    entry = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(index)}
    (both / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def check_words(image: StoredImage) -> None:
    """The image says the same as its Dockerfile."""
    config = image.config
    assert config["Cmd"] == ["/bin/busybox", "sleep", "1000"]
    assert "COLOUR=green" in config["Env"]
    assert (config["User"], config["WorkingDir"], config["Volumes"]) == (
        "1000",
        "/srv",
        {"/data": {}},
    )
    assert (Path(image.layers[-1]) / "bin/busybox").is_file()


def test_an_image_comes_from_a_registry_once(place: Place) -> None:
    name = f"{place.address}/web:1"
    image = place.ensure("reference", name)
    check_words(image)
    assert image.config["Healthcheck"]["Test"] == ["CMD", "/bin/busybox", "true"]
    found = place.images.find(ImageSource("reference", name))
    assert found == image


def test_a_registry_may_want_a_login(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's own credentials are used, where they are and as they are."""
    name = f"{place.guarded}/web:1"
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("HOME", str(place.top))
    assert "only to who has logged in" in place.refusal("reference", name)
    (place.top / ".docker").mkdir()
    entry = {"auth": base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}
    config = {"auths": {place.guarded: entry}}
    (place.top / ".docker/config.json").write_text(json.dumps(config))
    check_words(place.ensure("reference", name))


def test_what_a_registry_lacks_is_said(place: Place) -> None:
    for name in ("nothing", "web:2"):
        assert "has no image" in place.refusal("reference", f"{place.address}/{name}")
    said = place.refusal("reference", "127.0.0.1:9/web")
    assert "the registry 127.0.0.1:9 of the image 127.0.0.1:9/web is not reached from here" in said
    assert "image=Path(" in said


def test_an_image_for_other_machines_is_refused(place: Place) -> None:
    assert "is not for machines of this kind" in place.refusal(
        "reference", f"{place.address}/list:1"
    )
    assert f"({OTHER};" in place.refusal("reference", f"{place.address}/others:1")


def test_an_image_is_pulled_by_its_digest(place: Place) -> None:
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    url = f"http://{place.address}/v2/web/manifests/1"
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept), timeout=20) as page:
        digest = page.headers["Docker-Content-Digest"]
    image = place.ensure("reference", f"{place.address}/web@{digest}")
    check_words(image)
    assert place.ensure("reference", f"{place.address}/web:1@{digest}") == image
    wrong = f"{place.address}/web@sha256:{'0' * 64}"
    assert "has no image" in place.refusal("reference", wrong)


@pytest.mark.parametrize("name", ["docker.tar", "oci.tar", "layout", "docker.tar.gz", "both"])
def test_an_image_comes_from_an_archive(place: Place, name: str) -> None:
    path = place.top / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress((place.top / "docker.tar").read_bytes(), 1))
    check_words(place.ensure("archive", path))


def test_an_archive_takes_no_name(place: Place) -> None:
    """It calls its image debian:trixie-slim, on which others are built."""
    before = ImageStore(place.top / "user/storage").names()
    path = place.top / "called.tar"
    shutil.copy(place.top / "docker.tar", path)
    place.ensure("archive", path)
    after = ImageStore(place.top / "user/storage").names()
    assert len(after) == len(before) + 1
    assert not [name for name in after if "debian" in name]


def test_an_archive_that_was_written_anew_is_loaded_anew(place: Place) -> None:
    path = place.top / "changing.tar"
    shutil.copy(place.top / "docker.tar", path)
    place.ensure("archive", path)
    os.utime(path, (1, 1))
    assert place.images.find(ImageSource("archive", str(path))) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no archive", "is damaged, or no archive of tar; write one with `docker save"),
        (gzip.compress(b"no archive"), "is damaged, or no archive of tar"),
        (gzip.compress(os.urandom(5000))[:2000], "is damaged"),
    ],
    ids=["text", "packed text", "half of it"],
)
def test_what_is_no_archive_is_refused(place: Place, content: bytes, sentence: str) -> None:
    path = place.top / "broken.tar"
    path.write_bytes(content)
    assert sentence in place.refusal("archive", path)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_images, "_MOST_UNPACKED", 3 << 20)
    path = place.top / "bomb.tar"
    path.write_bytes(gzip.compress(bytes(4 << 20), 1))
    assert "is unpacked more than 3 MiB" in place.refusal("archive", path)


@pytest.mark.parametrize("name", ["index.json", "./blobs/../index.json", "oci-layout", "blobs/x"])
@pytest.mark.parametrize("strange", [fifo, lambda name: link(name, "/dev/zero")])
def test_a_pipe_or_a_link_in_an_archive_holds_nobody_up(
    place: Place, name: str, strange: Callable[[str], tarfile.TarInfo]
) -> None:
    path = place.top / "strange.tar"
    with tarfile.open(path, "w") as tar:
        for member in (tarfile.TarInfo("index.json"), strange(name)):
            tar.addfile(member)
    assert "which is no file or folder" in place.refusal("archive", path)


def test_an_image_is_built_from_a_folder_and_again_when_that_changes(place: Place) -> None:
    image = place.ensure("directory", place.context)
    check_words(image)
    assert image.config["Healthcheck"]["Interval"] == 2_000_000_000
    assert place.ensure("directory", place.context) == image
    (place.context / "Dockerfile").write_text(DOCKERFILE + "ENV MORE=1\n")
    try:
        assert "MORE=1" in place.ensure("directory", place.context).config["Env"]
    finally:
        (place.context / "Dockerfile").write_text(DOCKERFILE)


def test_a_stage_of_another_dockerfile_is_built_with_its_args(place: Place) -> None:
    text = "FROM scratch AS one\nARG WORD=no\nLABEL said=$WORD\nFROM one\nLABEL said=last\n"
    beside = place.top / "Dockerfile.beside"
    beside.write_text(text)
    for dockerfile in (str(beside), text):
        source = ImageSource(
            "directory", str(place.context), dockerfile, "one", (("WORD", "hello"),)
        )
        image = place.images.ensure(source, Silent(), place.lock)
        assert image.config["Labels"]["said"] == "hello"
        assert place.images.find(source) == image
    plain = ImageSource("dockerfile", text)
    assert place.images.ensure(plain, Silent(), place.lock).config["Labels"]["said"] == "last"


def test_an_image_is_built_from_a_text(place: Place) -> None:
    image = place.ensure("dockerfile", f"FROM {built(place)}\nLABEL owner=me\n")
    check_words(image)
    assert image.config["Labels"]["owner"] == "me"


def test_a_build_knows_a_proxy_whose_password_is_in_no_command_line(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTP_PROXY", "http://me:secret@proxy.example.com:3128")
    monkeypatch.delenv("ftp_proxy", raising=False)
    words = list(proxy_arguments())
    assert "ftp_proxy" in words
    assert "secret" not in " ".join(words)
    text = f"FROM {built(place)}\nARG ftp_proxy\nLABEL by=$ftp_proxy\n"
    image = place.ensure("dockerfile", text)
    assert image.config["Labels"]["by"] == "http://me:secret@proxy.example.com:3128"


def built(place: Place) -> str:
    """A name of the folder's image in the store."""
    image = place.ensure("directory", place.context)
    return next(name for name in image.names if name.startswith("localhost/"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("FROM scratch\nNONSENSE x\n", 'STEP "NONSENSE ": Build error: Unknown instruction'),
        ("FROM scratch\nCOPY nothing /\n", "nothing"),
        ("FROM 127.0.0.1:9/base\n", "the registry 127.0.0.1:9 of the image 127.0.0.1:9/base"),
    ],
)
def test_a_build_that_fails_says_at_which_step(place: Place, text: str, sentence: str) -> None:
    said = place.refusal("dockerfile", text)
    assert said.startswith("the image of its Dockerfile could not be built: ")
    assert sentence in said


def test_it_may_stand_on_an_image_of_ours(place: Place) -> None:
    """Found in the other store, whose layers are used where they lie."""
    other = UserImages(place.top / "other", place.top / "user/storage")
    name = built(place)
    image = other.ensure(
        ImageSource("dockerfile", f"FROM {name}\nENV MORE=1\n"), Silent(), place.lock
    )
    check_words(image)
    assert Path(image.layers[-1]).is_relative_to(place.top / "user/storage")


def test_nothing_is_left_but_images(place: Place) -> None:
    place.ensure("directory", place.context)
    assert not list((place.top / "user/tmp").glob("*"))
    assert not ImageStore(place.top / "user/storage").has_containers("overlay")
    assert str(place.top) not in Path("/proc/self/mountinfo").read_text()


def test_a_lab_needs_no_docker_for_an_image(
    place: Place, namespaces_engine: NamespacesEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's words hold for what runs in a host of it, as on Docker."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    engine = NamespacesEngine()
    monkeypatch.setattr(engine, "_roots", ImageRoots(place.top / "whole"))
    h1, h2 = Host("h1", image=place.top / "docker.tar"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="images-of-users", engine=engine, quiet=True):
        assert h1.run(["busybox", "id", "-u"]).stdout == "1000\n"
        assert h1.run(["busybox", "pwd"]).stdout == "/srv\n"
        assert "COLOUR=green" in h1.run(["busybox", "env"]).stdout
        main = [row for row in h1.processes() if row.command == "/bin/busybox sleep 1000"]
        assert [row.user for row in main] == ["1000"]
        assert h1.run(["busybox", "id", "-u"], user="0").stdout == "0\n"


def test_the_words_of_a_system_are_read_and_no_link_followed(tmp_path: Path) -> None:
    layers = [tmp_path / name for name in ("top", "middle", "bottom")]
    for layer in layers:
        (layer / "usr/lib").mkdir(parents=True)
    (layers[2] / "usr/lib/os-release").write_text("ID=below\n")
    image = StoredImage("", (), tuple(map(str, layers)), {})
    assert os_release(image) == "ID=below\n"
    (layers[1] / "usr/lib/os-release").write_text("ID=debian\n")
    assert os_release(image) == "ID=debian\n"
    secret = tmp_path / "secret"
    secret.write_text("ID=the-machines\n")
    (layers[0] / "usr/lib/os-release").symlink_to(secret)
    assert os_release(image) == ""
    (layers[0] / "usr/lib/os-release").unlink()
    os.mkfifo(layers[0] / "usr/lib/os-release")
    assert os_release(image) == ""
    shutil.rmtree(layers[0] / "usr/lib")
    (layers[0] / "usr/lib").symlink_to(tmp_path)
    assert os_release(image) == ""
