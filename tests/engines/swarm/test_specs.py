"""Specs that Swarm is given."""

from __future__ import annotations

from typing import Any

from playground.engines.seam import LabLabels, NodeContainer, OwnImage
from playground.engines.swarm.specs import (
    has_volumes,
    helper_of,
    network_spec,
    node_spec,
    server_name,
    server_spec,
    service_name,
)
from playground.model.containers.container import ContainerSettings, VolumeMount
from playground.model.containers.limits import Limits
from playground.planning.program_plans import ImageConfig

LAB = LabLabels("lab-1a2b3c", "lab", "me@here:1", mark="mark")


def spec(**said: Any) -> dict[str, Any]:
    node = NodeContainer("www.example.com", "www", "base:1", **said)
    return node_spec(LAB, node, "node-id", "helper:1")


def test_a_node_is_one_task_on_one_machine_that_is_never_started_anew() -> None:
    made = spec()
    assert made["Mode"] == {"Replicated": {"Replicas": 1}}
    assert made["TaskTemplate"]["RestartPolicy"] == {"Condition": "none"}
    assert made["TaskTemplate"]["Placement"] == {"Constraints": ["node.id==node-id"]}
    assert made["Labels"]["playground.node"] == "www.example.com"
    assert made["TaskTemplate"]["ContainerSpec"]["Hostname"] == "www"


def test_a_lab_knows_the_helper_that_its_oldest_node_was_started_with() -> None:
    def service(created: str, **labels: str) -> dict[str, Any]:
        return {"CreatedAt": created, "Spec": {"Labels": labels}}

    old, new = spec()["Labels"], {"playground.helper": "helper:2"}
    rows = [service("2026-01-02", **new), service("2026-01-01", **old), service("2025-01-01")]
    assert helper_of(rows) == "helper:1"
    assert helper_of([]) is None


def test_volumes_that_hosts_share_are_the_lab_s_and_hold_no_devices() -> None:
    shared = VolumeMount("data", "/data", read_only=False, shared=True)
    folder = VolumeMount("/srv", "/srv", read_only=False)
    made = spec(settings=ContainerSettings(volumes=(shared, folder)))
    container = made["TaskTemplate"]["ContainerSpec"]
    [volume] = [mount for mount in container["Mounts"] if mount["Type"] == "volume"]
    assert (volume["Source"], volume["Target"]) == ("lab-1a2b3c.data", "/data")
    assert volume["VolumeOptions"]["Labels"]["playground.lab"] == LAB.id
    assert container["CapabilityDrop"] == ["CAP_MKNOD"]
    assert has_volumes({"Spec": made})
    assert not has_volumes({"Spec": spec()})


def test_limits_are_reservations_too() -> None:
    resources = spec(limits=Limits(64, 0.5, 100))["TaskTemplate"]["Resources"]
    held = {"MemoryBytes": 64 << 20, "NanoCPUs": 500_000_000}
    assert resources == {"Limits": held | {"Pids": 100}, "Reservations": held}


def test_a_fork_bomb_stays_in_a_host_of_which_nothing_was_said() -> None:
    assert spec()["TaskTemplate"]["Resources"] == {"Limits": {"Pids": 4096}, "Reservations": {}}


def test_what_was_said_of_the_container_holds() -> None:
    settings = ContainerSettings(env=(("A", "b"),), user="1000", cap_add=("SYS_TIME",), shm_mb=8)
    container = spec(settings=settings)["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["A=b"]
    assert container["User"] == "1000"
    assert container["CapabilityAdd"] == ["CAP_NET_ADMIN", "CAP_SYS_TIME"]
    sizes = {row["Target"]: row["TmpfsOptions"]["SizeBytes"] for row in container["Mounts"]}
    assert sizes["/dev/shm"] == 8 << 20


def test_an_image_of_the_user_s_waits_behind_a_program_of_ours() -> None:
    own = OwnImage("own@sha256:1", ImageConfig(entrypoint=("db",), user="db", workdir="/data"))
    container = spec(own_image=own)["TaskTemplate"]["ContainerSpec"]
    assert container["Image"] == "own@sha256:1"
    assert container["Command"] == ["/.playground/pause"]
    assert (container["User"], container["Dir"]) == ("db", "/data")


def test_names_are_labels_of_dns_and_one_of_a_kind() -> None:
    names = {service_name("lab-1", name) for name in ("a.b", "a-b", "a", "a" * 200, "a" * 201)}
    assert len(names) == 5
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() for name in names)


def test_servers_listen_on_a_network_that_leads_nowhere_else() -> None:
    assert network_spec()["Internal"] is True
    made = server_spec("helper@sha256:1", "secret-id", "network-id")
    assert made["Mode"] == {"Global": {}}
    assert made["TaskTemplate"]["Networks"] == [{"Target": "network-id"}]
    assert "Ports" not in made["EndpointSpec"]
    [secret] = made["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert (secret["SecretID"], secret["File"]["Mode"]) == ("secret-id", 0o400)


def test_another_helper_is_another_service() -> None:
    assert server_name("helper@sha256:1") != server_name("helper@sha256:2")
