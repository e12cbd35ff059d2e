"""Images of the user's own at Docker: configs, contexts, and what is said where one is missing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from playground.engines.docker.errors import pull_failed
from playground.engines.docker.own_images import directory_context
from playground.engines.image_words import image_config
from playground.planning.program_plans import Healthcheck, ImageConfig


def test_an_image_that_says_nothing() -> None:
    assert image_config({}) == ImageConfig()
    assert image_config({"Cmd": None, "Env": None, "Healthcheck": None}) == ImageConfig()


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
            "the engine has no image alpine and does not reach docker.io; look at its network",
        ),
        (
            "nosuch/web",
            "pull access denied for nosuch/web, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied",
            "docker.io has no image nosuch/web, or gives it to those alone who have logged in",
        ),
        (
            "localhost:5000/web:9",
            "manifest for localhost:5000/web:9 not found: manifest unknown: manifest unknown",
            "localhost:5000 has no image localhost:5000/web:9; look at the spelling",
        ),
        (
            "r.example.com/web",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            "there is an image r.example.com/web, but none for the processor of this engine",
        ),
        (
            "r.example.com/web",
            "Head https://r.example.com/v2/web/manifests/latest: no basic auth credentials",
            "to those alone who have logged in; run `docker login r.example.com` and try again",
        ),
        (
            "nginx",
            "toomanyrequests: You have reached your pull rate limit",
            "docker.io gives no more images to this address for a while",
        ),
        ("nginx", "write /var/lib/docker/tmp: no space left on device", "disk is full"),
    ],
    ids=["unreached", "denied", "tag", "platform", "login", "limit", "full"],
)
def test_what_is_said_where_an_image_cannot_be_pulled(name: str, error: str, sentence: str) -> None:
    assert sentence in str(pull_failed("h1", name, error))
