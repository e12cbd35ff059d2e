"""Images of the user's own at Docker: configs, contexts, and what is said where one is missing."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from playground.display.progress import Silent
from playground.engines.docker.archive_names import archive_names
from playground.engines.docker.build_contexts import directory_context
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.errors import pull_failed
from playground.engines.docker.own_images import (
    OwnImages,
    _beginning,
    _only_file,
)
from playground.engines.image_config import image_config, refuse_other_systems
from playground.engines.seam import OwnImage, WantedImage
from playground.errors import ImageError
from playground.model.containers.image_sources import ImageSource
from playground.planning.program_plans import Healthcheck, ImageConfig
from tests.image_archive import link, program, write_archive
from tests.registry import NAME, PASSWORD, running_registry, there_is_one


def test_an_image_that_says_nothing() -> None:
    assert image_config({}) == ImageConfig()
    assert image_config({"Cmd": None, "Env": None, "Healthcheck": None}) == ImageConfig()


@pytest.mark.parametrize("number", [-1, 10**30, "5s", [], None])
def test_numbers_of_an_image_that_are_none_count_for_nothing(number: object) -> None:
    said = dict.fromkeys(("Interval", "Timeout", "StartPeriod", "Retries"), number)
    config = image_config({"Healthcheck": {"Test": ["CMD", "true"], **said}})
    assert config.healthcheck == Healthcheck(("true",))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"Entrypoint": ["/" + "a" * 200_000]},
            "the ENTRYPOINT of its image has a word of 200,001",
        ),
        ({"Cmd": ["a\0b"]}, "the CMD of its image has a NUL"),
        ({"Env": ["A=b\0c"]}, "the ENV of its image has a NUL"),
        ({"Env": ["=c"]}, "the ENV of its image has a variable without a name"),
        ({"User": "u" * 100_000}, "the USER of its image is longer than 256"),
        ({"WorkingDir": "/a" * 20_000}, "the WORKDIR or VOLUME of its image is longer than a path"),
    ],
    ids=["entrypoint", "NUL", "NUL in ENV", "no name", "user", "workdir"],
)
def test_words_of_an_image_that_no_kernel_takes_are_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ImageError, match=why) as refusal:
        image_config(said)
    assert len(str(refusal.value)) < 200


UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.5 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'


@pytest.mark.parametrize(
    ("os_release", "services", "words"),
    [
        (UBUNTU, ("http", "ssh"), None),
        (UBUNTU, ("http", "imap"), r"is Ubuntu 24\.04\.5 LTS, whose daemon for imap is too old"),
        (UBUNTU.replace("24.04", "25.10"), ("imap",), None),
        ('ID=debian\nVERSION_ID="12"\n', ("pop",), r"is debian, whose daemon for pop is too old"),
        ("ID=debian\n", ("pop",), None),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n', ("imap",), None),
        ("ID=alpine\nVERSION_ID=3.20.3\n", ("http",), r"is alpine, and services \(http\) are pro"),
        ("", ("http",), "says nothing of its system"),
    ],
    ids=["noble", "imap", "questing", "bookworm", "sid", "mint", "alpine", "none"],
)
def test_services_stand_on_systems_whose_daemons_read_what_is_written_for_them(
    os_release: str, services: tuple[str, ...], words: str | None
) -> None:
    wanted = WantedImage(ImageSource("reference", "x:1"), frozenset(services))
    if words is None:
        refuse_other_systems("h1", wanted, os_release)
        return
    with pytest.raises(ImageError, match=f"h1: the image x:1 {words}"):
        refuse_other_systems("h1", wanted, os_release)


def test_what_an_image_says() -> None:
    config = image_config(
        {
            "Entrypoint": ["/entry"],
            "Cmd": ["serve"],
            "Env": ["A=b=c", "EMPTY="],
            "User": "app",
            "WorkingDir": "/srv",
            "StopSignal": "SIGQUIT",
            "Shell": ["/bin/ash", "-c"],
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "Volumes": {"/data": {}},
            "Healthcheck": {
                "Test": ["CMD-SHELL", "curl localhost"],
                "Interval": 5_000_000_000,
                "Retries": 2,
            },
        }
    )
    assert config == ImageConfig(
        entrypoint=("/entry",),
        command=("serve",),
        env=(("A", "b=c"), ("EMPTY", "")),
        user="app",
        workdir="/srv",
        healthcheck=Healthcheck(("/bin/ash", "-c", "curl localhost"), interval_s=5.0, retries=2),
        stop_signal="SIGQUIT",
        shell=("/bin/ash", "-c"),
        ports=("53/udp", "80/tcp"),
        volumes=("/data",),
    )


def digest(folder: Path) -> str:
    return hashlib.sha256(directory_context(str(folder))).hexdigest()


def test_a_directory_is_built_anew_when_what_counts_has_changed(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY site /site\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page").write_text("hello")
    (tmp_path / ".dockerignore").write_text("# left out\n*.log\n")
    first = digest(tmp_path)
    (tmp_path / "site" / "page").touch()
    (tmp_path / "noise.log").write_text("much")
    assert digest(tmp_path) == first
    (tmp_path / "site" / "page").chmod(0o755)
    assert digest(tmp_path) != first
    (tmp_path / "site" / "page").chmod(0o644)
    assert digest(tmp_path) == first
    (tmp_path / "site" / "page").write_text("goodbye")
    assert digest(tmp_path) != first


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        (
            "alpine",
            'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: '
            "no such host",
            "the registry docker.io of the image alpine is not reached from here: look at",
        ),
        (
            "nosuch/web",
            "pull access denied for nosuch/web, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied",
            "docker.io has no image nosuch/web, or only for who has logged in",
        ),
        (
            "localhost:5000/web:9",
            "manifest for localhost:5000/web:9 not found: manifest unknown: manifest unknown",
            "localhost:5000 has no image localhost:5000/web:9: look at how its name",
        ),
        (
            "r.example.com/web",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            "r.example.com/web is not for machines of this kind, says r.example.com",
        ),
        (
            "r.example.com/web",
            "Head https://r.example.com/v2/web/manifests/latest: no basic auth credentials",
            "only to who has logged in: run `docker login r.example.com`",
        ),
        (
            "nginx",
            "toomanyrequests: You have reached your pull rate limit",
            "docker.io gives no more images for now",
        ),
        ("nginx", "write /var/lib/docker/tmp: no space left on device", "disk is full"),
    ],
    ids=["unreached", "denied", "tag", "platform", "login", "limit", "full"],
)
def test_what_is_said_where_an_image_cannot_be_pulled(name: str, error: str, sentence: str) -> None:
    assert sentence in str(pull_failed("h1", name, error))


# -- at an engine ---------------------------------------------------------------


def saved_image(path: Path, architecture: str = "amd64", names: tuple[str, ...] = ()) -> Path:
    """Write an archive as `docker save` does, of images with one file each, and these names."""
    files: dict[str, bytes] = {}
    manifest = []
    for number, name in enumerate(names or ("",)):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            member = tarfile.TarInfo("greeting")
            content = f"{path} {number}".encode()
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        files[f"{number}/layer.tar"] = layer.getvalue()
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/greeting"], "Env": ["LANG=C"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"],
            },
        }
        files[f"{number}.json"] = json.dumps(config).encode()
        manifest.append(
            {
                "Config": f"{number}.json",
                "RepoTags": name.split() or None,
                "Layers": [f"{number}/layer.tar"],
            }
        )
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


class Place:
    """An engine, and what its images are called."""

    def __init__(self, engine: DockerEngine) -> None:
        self.engine = engine
        self.made: set[str] = set()

    def get(self, image: str | Path) -> OwnImage:
        kind = "archive" if isinstance(image, Path) else "reference"
        wanted = WantedImage(ImageSource(kind, str(image)))
        found = self.engine.own_image("h1", wanted, Silent())
        self.made |= {found.tag} | ({image} if isinstance(image, str) else set())
        return found

    def refusal(self, image: str | Path) -> str:
        with pytest.raises(ImageError) as caught:
            self.get(image)
        return str(caught.value)

    def names(self) -> dict[str, str]:
        return OwnImages(self.engine.server, self.engine.images)._names()

    def remove(self, *names: str) -> None:
        with self.engine.server.client(60) as api:
            for name in names:
                with contextlib.suppress(docker.errors.APIError):
                    api.remove_image(name, force=True)


@pytest.fixture
def place(docker_engine: DockerEngine) -> Iterator[Place]:
    place = Place(docker_engine)
    yield place
    place.remove(*place.made)


def test_an_image_comes_out_of_an_archive(place: Place, tmp_path: Path) -> None:
    image = place.get(saved_image(tmp_path / "web.tar"))
    assert image.config.command == ("/greeting",)
    assert image.config.env == (("LANG", "C"),)
    assert place.get(tmp_path / "web.tar") == image, "it is not loaded twice"
    other = place.get(saved_image(tmp_path / "other.tar"))
    assert other.tag != image.tag


def test_archives_that_are_refused(place: Place, tmp_path: Path) -> None:
    names = ("parts.example.com/one:1", "parts.example.com/two:1")
    two = saved_image(tmp_path / "two.tar", names=names)
    assert f"two.tar holds 2 images ({', '.join(names)})" in place.refusal(two)
    assert not place.names().keys() & set(names), "nothing is left of them"
    (tmp_path / "text.tar").write_text("no archive")
    assert "text.tar is no image that this engine can load" in place.refusal(tmp_path / "text.tar")
    (tmp_path / "layout").mkdir()
    assert "layout is a folder: pack it, `tar -C" in place.refusal(tmp_path / "layout")
    strange = place.refusal(saved_image(tmp_path / "strange.tar", architecture="s390x"))
    assert "is for linux on s390x, and the engine runs Linux on" in strange


@pytest.mark.parametrize("text", ["FROM scratch\nSTART x\n", ""], ids=["misspelt", "empty"])
def test_what_is_no_dockerfile_is_refused_with_a_log(
    docker_engine: DockerEngine, tmp_path: Path, text: str
) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    wanted = WantedImage(ImageSource("directory", str(tmp_path)))
    with pytest.raises(ImageError, match=r"Dockerfile|dockerfile|START") as caught:
        docker_engine.own_image("h1", wanted, Silent())
    assert str(caught.value).startswith("h1: ") and caught.value.log


def test_an_archive_takes_no_name(place: Place, tmp_path: Path) -> None:
    first = place.get(saved_image(tmp_path / "first.tar"))
    free, taken = "parts.example.com/free:1", "parts.example.com/taken:1"
    with place.engine.server.client(60) as api:
        api.tag(first.tag, "parts.example.com/taken", "1")
    place.made.add(taken)
    before = place.names()[taken]
    second = place.get(saved_image(tmp_path / "second.tar", names=(f"{free} {taken}",)))
    assert second.tag != first.tag
    assert place.names()[taken] == before
    assert free not in place.names()


@pytest.mark.parametrize("name", ["playground/base:0123456789ab", "docker.io/playground/x:1"])
@pytest.mark.parametrize("listed", ["manifest.json", "./index.json", "a/../repositories"])
def test_an_archive_that_takes_a_name_of_ours_is_refused_unread(
    tmp_path: Path, name: str, listed: str
) -> None:
    repository, _, version = name.rpartition(":")
    said = {
        "manifest.json": [{"RepoTags": None}, {"RepoTags": ["web:1", name]}],
        "./index.json": {"manifests": [{"annotations": {"io.containerd.image.name": name}}]},
        "a/../repositories": {repository: {version: "0" * 64}},
    }
    with tarfile.open(tmp_path / "web.tar.gz", "w:gz") as tar:
        for text in (json.dumps(said[listed]), "[]"):  # twice: the engine takes the last
            member = tarfile.TarInfo(listed)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    with pytest.raises(ImageError, match=r"h1: .* calls its image playground/"):
        archive_names("h1", tmp_path / "web.tar.gz")


def test_names_are_in_no_link_of_an_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "web.tar", "w") as tar:
        tar.addfile(link("manifest.json", "other.json"))
    with pytest.raises(ImageError, match=r"manifest.json in .* is no list of an image's names"):
        archive_names("h1", tmp_path / "web.tar")


class Endless:
    """An engine's answer that packs a sparse file of a terabyte."""

    status_code = 200

    def __enter__(self) -> Endless:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True

    def raise_for_status(self) -> None:
        pass

    def iter_content(self, size: int) -> Iterator[bytes]:
        member = tarfile.TarInfo("os-release")
        member.size = 1 << 40
        yield member.tobuf(tarfile.GNU_FORMAT) + b"ID=debian\n"
        for _ in range(1000):
            yield bytes(size)
        pytest.fail("it reads on")


def test_of_a_file_without_end_the_beginning_is_read() -> None:
    answer = Endless()
    api = SimpleNamespace(
        base_url="http+docker://x", api_version="1.41", get=lambda *a, **k: answer
    )
    text = _only_file(_beginning(api, "c", "/etc/os-release"))
    assert text.startswith("ID=debian\n")
    assert len(text) == 1 << 16
    assert answer.closed


@pytest.mark.parametrize("archive", [b"", b"x" * 700, bytes(100)])
def test_what_packs_no_file_has_no_text(archive: bytes) -> None:
    assert _only_file(archive) == ""


def test_the_engine_lets_go_of_a_file_that_is_read_in_part(place: Place, tmp_path: Path) -> None:
    release = program("etc/os-release", b"ID=debian\n" + bytes(8 << 20))
    tag = place.get(write_archive(tmp_path / "large.tar", [[release]], {"Cmd": ["/x"]})).tag
    images = OwnImages(place.engine.server, place.engine.images)
    text = images._read(tag, "/etc/os-release")
    assert text.startswith("ID=debian\n")
    assert len(text) == 1 << 16


def test_an_image_is_pulled_with_the_user_s_login(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not there_is_one():
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to try a registry, but docker-registry is not installed")
        pytest.skip("there is no docker-registry here")
    local = place.get(saved_image(tmp_path / "web.tar")).tag
    with running_registry(tmp_path, with_login=True) as address:
        name = f"{address}/web:1"
        token = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": token}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with place.engine.server.client(60) as api:
            api.tag(local, f"{address}/web", "1")
            assert "error" not in api.push(f"{address}/web", "1")
        place.remove(name)
        assert place.get(name).config.command == ("/greeting",)
        place.remove(name)
        assert f"{address} has no image {address}/web:2: look at how its name" in place.refusal(
            f"{address}/web:2"
        )
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nowhere"))
        assert f"run `docker login {address}`" in place.refusal(name)
    assert f"the registry {address} of the image" in place.refusal(name)
