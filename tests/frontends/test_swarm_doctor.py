"""The doctor's look at a swarm."""

from __future__ import annotations

from typing import Any

import pytest

from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.examination import Examination, SeenFrom
from playground.engines.swarm.manager import _machine
from playground.frontends import swarm_doctor
from playground.frontends.swarm_doctor import findings


def machine(name: str, **more: Any) -> Any:
    said = {"version": "20.10.24", "state": "ready", "availability": "active", "role": "worker"}
    said |= more
    return _machine(
        {
            "ID": name,
            "Spec": {"Availability": said["availability"], "Role": said["role"]},
            "Status": {"State": said["state"], "Addr": "192.0.2.1"},
            "Description": {
                "Hostname": name,
                "Resources": {"MemoryBytes": 1 << 30, "NanoCPUs": 10**9},
                "Engine": {"EngineVersion": said["version"]},
            },
        }
    )


MACHINES = (machine("m1", role="manager"), machine("m2"))


def sees(name: str, other: str, small: float | None = 0.2, full: float | None = 0.3, **more: Any):
    return SeenFrom(
        name, **{"mtu_bytes": 1450, "small_ms": {other: small}, "full_ms": {other: full}} | more
    )


HEALTHY = {
    "engine_version": "28.2",
    "machines": MACHINES,
    "registry": "registry:5000",
    "seen": (sees("m1", "m2"), sees("m2", "m1")),
}


def found(**changes: Any) -> dict[str, Any]:
    return {one.name: one for one in findings(Examination(**(HEALTHY | changes)))}


def test_a_healthy_swarm_is_told_with_its_numbers() -> None:
    rows = found()
    assert {one.status for one in rows.values()} == {"ok"}
    assert "room for 38 plain hosts" in rows["machine m2"].detail
    assert rows["room"].detail.startswith("76 plain hosts on 2 machines")
    assert "all 2 ways between machines, there and back in 0.20" in rows["reachability"].detail
    assert "1450 bytes" in rows["mtu"].detail and "--mtu 1600" in rows["mtu"].detail


@pytest.mark.parametrize(
    ("changes", "name", "status", "words"),
    [
        ({"machines": (machine("m1", state="down"),)}, "machine m1", "warn", "cut off"),
        ({"machines": (machine("m1", availability="drain"),)}, "machine m1", "warn", "drained"),
        ({"machines": (machine("m1", version="19.03.1"),)}, "machine m1", "fail", "too old"),
        ({"machines": (machine("m1", state="down"),)}, "room", "fail", "no machine takes tasks"),
        (
            {"machines": tuple(machine(n, role="manager") for n in ("m1", "m2"))},
            "managers",
            "warn",
            "where either is gone",
        ),
        ({"registry": None}, "registry", "warn", "nobody said how the first one gets there"),
        (
            {"registry": None, "way": "ssh://root@{address}"},
            "registry",
            "ok",
            "carried from the manager to the other machines, whose engines are at ssh://root@{add",
        ),
        ({"registry_error": "it does not answer"}, "registry", "fail", "does not answer"),
        ({"unseen": "no image"}, "reachability", "warn", "not measured: no image"),
        ({"seen": (sees("m1", "m2"),)}, "servers", "fail", "none answers on m2"),
        (
            {"seen": (sees("m1", "m2", small=None), sees("m2", "m1"))},
            "reachability",
            "fail",
            "1 of 2 ways between machines carry nothing: m1 to m2",
        ),
        (
            {"seen": (sees("m1", "m2", full=None), sees("m2", "m1"))},
            "reachability",
            "fail",
            "1 of 2 ways lose packets of full size: m1 to m2",
        ),
        (
            {"seen": (sees("m1", "m2", mtu_bytes=1550), sees("m2", "m1", mtu_bytes=1550))},
            "mtu",
            "ok",
            "passes in one",
        ),
        (
            {"encrypted": True, "seen": (sees("m1", "m2"), sees("m2", "m1", ipsec=False))},
            "encryption",
            "fail",
            "the kernels of m2 have no IPsec",
        ),
        ({"encrypted": True}, "encryption", "ok", "are encrypted"),
        (
            {"idle": ("playground-1", "playground-2")},
            "other versions",
            "ok",
            "no lab needs the servers that other versions of playground have started: "
            "`docker service rm playground-1 playground-2`",
        ),
        (
            {"seen": (sees("m1", "m2", clock_s=100.0), sees("m2", "m1", clock_s=160.0))},
            "clocks",
            "warn",
            "that of m2 is 60 s ahead of that of m1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_is_wrong_is_told(changes: dict[str, Any], name: str, status: str, words: str) -> None:
    row = found(**changes)[name]
    assert (row.status, words in row.detail) == (status, True), row
    assert status == "ok" or row.advice


def test_the_machines_of_a_swarm_look_at_each_other(swarm_engine: SwarmEngine) -> None:
    from playground.display.progress import Silent

    swarm_engine.ensure_images([], Silent())
    rows = {one.name: one for one in swarm_doctor.examine(swarm_engine)}
    assert {name for name, one in rows.items() if one.status != "ok"} == set()
    assert "all 6 ways between machines" in rows["reachability"].detail
