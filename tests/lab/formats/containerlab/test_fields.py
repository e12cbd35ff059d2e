"""Fields of a node that are arguments of a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.lab.formats.containerlab.fields import ELSEWHERE, FIELDS, WHY
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.lab.formats.foreign.notes import Notes


def taken(tmp_path: Path, said: str) -> tuple[dict[str, Any], list[str]]:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology:\n  nodes:\n    a: {said}\n")
    notes = Notes(path)
    node = ContainerlabFile(path, notes).nodes["a"]
    arguments: dict[str, Any] = {}
    for key in node.said:
        if key in FIELDS:
            FIELDS[key](node, arguments)
    return arguments, [line.partition(": a: ")[2] for line in notes.lines]


def test_variables_come_from_files_and_the_topology(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("# both\nexport A=1\nB='two words' # so\n")
    said, _ = taken(tmp_path, "{env-files: [common], env: {B: 2, DEBUG: true}}")
    assert said["env"] == {"A": "1", "B": "2", "DEBUG": "true"}
    _, notes = taken(tmp_path, "{env-files: [none]}")
    assert notes == ["env-files 'none' is not there, and sets no variables"]
    (tmp_path / "common").write_text("A=1\nB\n")
    with pytest.raises(TopologyError, match="common:2: 'B' sets no variable; write NAME=VALUE"):
        taken(tmp_path, "{env-files: [common]}")


def test_sizes_and_checks(tmp_path: Path) -> None:
    said, notes = taken(
        tmp_path,
        "{memory: 1Gb, shm-size: 64MB, cpu: 1.5, healthcheck: {test: [CMD-SHELL, 'true'], "
        "interval: 2, timeout: 1, retries: 4, start-period: 3}}",
    )
    assert (said["memory_mb"], said["shm_mb"], said["cpus"]) == (1024, 64, 1.5)
    assert said["healthcheck"] == "true" and notes == []
    assert [said[f"health_{name}"] for name in ("interval_s", "timeout_s", "retries")] == [2, 1, 4]
    assert said["health_start_period_s"] == 3


def test_what_would_give_the_machine_away_is_noted(tmp_path: Path) -> None:
    said, notes = taken(
        tmp_path, "{cap-add: [NET_ADMIN, SYS_ADMIN], devices: [/dev/net/tun, /dev/kvm:/dev/kvm]}"
    )
    assert (said["cap_add"], said["devices"]) == (["NET_ADMIN"], ["/dev/net/tun"])
    assert notes == [
        "cap-add SYS_ADMIN is not given: with it a host has the machine",
        "devices /dev/kvm:/dev/kvm is not given: it reaches what is the machine's",
    ]


def test_of_two_binds_at_one_place_the_nearest_counts(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    said, _ = taken(tmp_path, "{binds: ['a:/srv', 'b:/srv:ro', '/var/lib/x']}")
    assert said["volumes"] == {tmp_path / "b": ["/srv"]}


def test_what_is_not_heeded_of_dns_is_noted(tmp_path: Path) -> None:
    said, notes = taken(tmp_path, "{dns: {servers: [10.0.0.53], search: [example.com]}}")
    assert said["dns"] == ["10.0.0.53"]
    assert notes == ["dns search is not heeded: a lab writes resolv.conf itself"]


def test_no_field_is_spoken_of_twice() -> None:
    assert not {*FIELDS} & {*ELSEWHERE} and not {*WHY} & ({*FIELDS} | {*ELSEWHERE})
