"""Packages of Debian on a host: a layer of their own, built once, and names that Debian lacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playground import Host, ImageError, Lab, Link, Service, Switch
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.errors import build_failed
from playground.engines.images import image_for
from playground.engines.seam import Engine

REDIS = Service(
    "redis",
    "redis-server --bind 0.0.0.0 --protected-mode no",
    port=6379,
    ready="redis-cli ping",
    packages=["redis-server"],
)


def test_the_same_packages_are_one_image() -> None:
    one = image_for(["http"], ["redis-server", "gawk"])
    assert one == image_for(["http"], ["gawk", "redis-server", "gawk"])
    assert one != image_for(["http"], ["gawk"])
    assert [image.layer for image in one.chain] == ["base", "http", "packages"]
    assert one.title == "of gawk, redis-server"
    assert b"\ngawk\nredis-server\n" in one.context().replace(b"\0", b"\n")
    assert image_for(["http"], []) == image_for(["http"])


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("Reading package lists...\nE: Unable to locate package redis-srever\n", "redis-srever"),
        ("E: Package 'php5' has no installation candidate\n", "php5"),
        ("\x1b[91mE:\x1b[0m\x1b[91m Unable to locate package sl2\n\x1b[0mRemoving\n", "sl2"),
        ("E: Version '1' for 'gawk' was not found\n", "gawk"),
    ],
    ids=["unknown", "without candidate", "in colour", "version"],
)
def test_a_package_that_debian_lacks_is_named(log: str, name: str) -> None:
    error = build_failed(image_for([], [name]), "returned a non-zero code: 123", log)
    assert f"Debian has no package {name} for" in str(error)


def test_a_host_has_its_packages_and_those_of_its_services(
    engine: Engine, keep_lab: Callable[[str], None]
) -> None:
    h1, h2 = Host("h1", services=[REDIS]), Host("h2", packages=["redis-server"])
    Link(h1, h2)
    with Lab(h1, name="packages", quiet=True):
        assert h2.run("redis-cli -h h1 incr counter").stdout == "1\n"


def test_a_package_that_does_not_exist_stops_the_start(docker_engine: DockerEngine) -> None:
    lan = Switch("lan")
    Link(lan, Host("h1", packages=["no-such-package-of-debian"]))
    with pytest.raises(ImageError, match=r"Debian has no package no-such-package-of-debian"):
        Lab(lan, name="no-package", engine=docker_engine, quiet=True).start()
