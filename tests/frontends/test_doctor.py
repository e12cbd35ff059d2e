"""Findings of the doctor, and what it says to do."""

from __future__ import annotations

from typing import Any

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.images import helper_image
from playground.frontends import doctor
from playground.frontends.doctor import Finding, examine
from playground.model.kernel.features import FEATURES


def described(**info: Any) -> dict[str, Any]:
    version = {"Version": "27.1", "ApiVersion": "1.46", "Components": [{"Name": "Engine"}]}
    return {
        "url": "unix:///var/run/docker.sock",
        "version": version | info.pop("version", {}),
        "info": {"OperatingSystem": "Debian", "Driver": "overlay2", "DefaultRuntime": "runc"}
        | info,
    }


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize(
    ("info", "name", "status", "words"),
    [
        ({}, "engine", "ok", "Docker 27.1, API 1.46"),
        ({"OperatingSystem": "Docker Desktop"}, "engine", "ok", "virtual machine"),
        ({"SecurityOptions": ["name=rootless"]}, "engine", "fail", "without root"),
        ({"SecurityOptions": ["name=userns"]}, "engine", "fail", "userns-remap"),
        (
            {"version": {"Components": [{"Name": "Podman Engine"}]}},
            "engine",
            "warn",
            "Podman 27.1",
        ),
        (
            {
                "version": {"Components": [{"Name": "Podman Engine"}]},
                "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
            },
            "engine",
            "fail",
            "without root",
        ),
        ({"Driver": "vfs"}, "storage", "warn", "whole copy"),
        ({"DefaultRuntime": "runsc"}, "runtime", "fail", "cannot be wired"),
        ({"DefaultRuntime": "io.containerd.runc.v2"}, "runtime", "ok", "runc"),
        ({"CgroupVersion": "2", "CgroupDriver": "systemd"}, "cgroup", "ok", "cgroup v2, driver"),
    ],
    ids=[
        "Docker",
        "Docker Desktop",
        "rootless",
        "userns-remap",
        "Podman",
        "rootless Podman",
        "vfs",
        "gVisor",
        "containerd's runc",
        "cgroup",
    ],
)
def test_an_engine_is_recognised(info: dict[str, Any], name: str, status: str, words: str) -> None:
    finding = by_name(list(doctor._engine(described(**info))))[name]
    assert finding.status == status
    assert words in finding.detail
    assert bool(finding.advice) == (status != "ok")


def test_what_a_kernel_lacks_is_said_with_what_will_not_work() -> None:
    tried = {
        "veth": None,
        "bridge": "Operation not supported",
        "netem": "No such file",
        "nat": None,
    }
    found = by_name(list(doctor._kernel(tried, described(KernelVersion="6.1"))))
    assert found["kernel: bridge"].status == "fail"
    assert "no switch can be made" in found["kernel: bridge"].detail
    assert found["kernel: netem"].status == "warn"
    assert "made by a relay in user space" in found["kernel: netem"].detail
    assert found["kernel"].detail == "kernel 6.1 has veth, nat (tried)"


def test_modules_that_some_declaration_needs_are_named_with_what_to_do() -> None:
    lacks = [None if name == "vxlan" else "Unknown device type" for name in FEATURES]
    tried = {"veth": None, "features": lacks}
    found = by_name(list(doctor._kernel(tried, described(KernelVersion="6.1"))))["kernel modules"]
    assert (found.status, "has vxlan; it has no ip_gre" in found.detail) == ("warn", True)
    assert "modprobe ip_gre ipip sit" in found.advice
    tried["features"] = [None] * len(FEATURES)
    found = by_name(list(doctor._kernel(tried, described(KernelVersion="6.1"))))["kernel modules"]
    assert (found.status, found.advice) == ("ok", "")


def test_a_kernel_elsewhere_that_was_not_tried_is_not_guessed() -> None:
    (finding,) = doctor._kernel({}, described(KernelVersion="0.1-elsewhere"))
    assert (finding.name, finding.status) == ("kernel", "warn")


def test_a_helper_that_is_alone_fails() -> None:
    tried = {"veth": None, "processes": "it is alone"}
    assert by_name(list(doctor._kernel(tried, described())))["helper"].status == "fail"


@pytest.mark.parametrize(
    ("missing", "free", "status"),
    [(["base"], 80e9, "ok"), (["base"], 1e9, "warn"), ([], 1e9, "ok"), ([], 1e8, "warn")],
    ids=["room to build", "no room to build", "room to run", "no room at all"],
)
def test_disk_space_is_measured_by_what_is_still_to_do(
    missing: list[str], free: float, status: str
) -> None:
    (finding,) = doctor._disk({"free_bytes": free}, described(), missing)
    assert finding.status == status


def test_low_limits_are_said_with_the_command_that_raises_them() -> None:
    found = list(doctor._limits({"neighbours": 128, "pid_max": 4_194_304}))
    assert [finding.status for finding in found] == ["warn", "ok"]
    assert "sysctl -w net.ipv4.neigh.default.gc_thresh3=1024" in found[0].advice


def test_no_engine_is_a_finding_and_no_error() -> None:
    found = by_name(examine(DockerEngine("unix:///nowhere/docker.sock")))
    assert found["python"].status == "ok"
    assert found["engine"].status == "fail"
    assert "start Docker" in found["engine"].advice


def test_an_engine_that_runs_labs_is_healthy(docker_engine: DockerEngine) -> None:
    docker_engine.ensure_images([helper_image()])
    found = examine(docker_engine)
    assert [finding for finding in found if finding.status == "fail"] == []
    assert "(tried)" in by_name(found)["kernel"].detail
    assert "this kernel has vxlan" in by_name(found)["kernel modules"].detail
    for finding in found:
        assert finding.detail
        assert finding.advice or finding.status == "ok"
