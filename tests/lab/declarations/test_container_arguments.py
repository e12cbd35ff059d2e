"""Arguments of containers: there and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playground.lab.declarations.container_arguments import container_arguments
from playground.model.containers.arguments import make_container
from playground.model.containers.container import Volume

HERE = Path(__file__).parent

SAID: list[Mapping[str, Any]] = [
    {"image": "postgres:17", "command": [], "user": 70, "env": {"A": 1}},
    {"build": "FROM debian\n", "build_args": {"V": 3}, "build_target": 0},
    {"build": HERE, "dockerfile": Path(__file__), "build_target": "test"},
    {"build": HERE, "dockerfile": "FROM debian\n"},
    {"healthcheck": False},
    {"healthcheck": ["pg_isready", "-q"], "health_retries": 3},
    {"healthcheck": "pg_isready -q"},
    {"restart": "always", "init": True, "stop_signal": "SIGINT", "stop_timeout_s": 2},
    {"volumes": {Volume("a"): "/a:ro", HERE: ["/b", "/c:rw"]}, "files": {"/d": b"\xff"}},
    {"publish": [80, "53/udp", "8080:81", "[::1]:82:82"]},
    {"after": {"a": "well", "b": "ended"}, "extra_hosts": {"p": ["10.0.0.1", "10.0.0.2"]}},
    {"programs": {"api": "python3 a.py > log"}, "packages": "nmap", "dns": "10.0.0.1"},
    {"cap_add": "SYS_NICE", "tun": True, "ulimits": {"core": 0, "nofile": (1, 2)}},
    {"labels": {"a": "b"}, "read_only": True, "hostname": "x", "aliases": "y", "shm_mb": 8},
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: "-".join(said))
def test_the_arguments_found_back_make_the_same_container(said: Mapping[str, Any]) -> None:
    container = make_container("Host", "h1", said)
    assert make_container("Host", "h1", container_arguments(container)) == container


def test_nothing_said_is_no_arguments() -> None:
    assert container_arguments(make_container("Host", "h1", {})) == {}
