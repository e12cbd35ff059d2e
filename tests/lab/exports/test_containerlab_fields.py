"""Fields of a containerlab node, of what was said of a host's container."""

from __future__ import annotations

from typing import Any

from playground import Host, Lab
from playground.lab.exports.containerlab_fields import container_fields


def fields(*hosts: Host) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the fields of the first of some hosts."""
    plan = Lab(*hosts, quiet=True).plan()
    checked = {host.name for host in hosts if host.container.healthcheck}
    return container_fields(plan.node(hosts[0].name), checked)


def test_words_and_limits_are_as_containerlab_writes_them() -> None:
    said, told = fields(
        Host(
            "web",
            image="alpine:3",
            entrypoint=["/bin/sh", "-c"],
            command=["sleep 1; exit 3"],
            memory_mb=64,
            cpus=0.5,
            shm_mb=32,
            dns=["10.0.0.53"],
        )
    )
    assert (said["entrypoint"], said["cmd"]) == ("/bin/sh -c", "'sleep 1; exit 3'")
    assert (said["memory"], said["cpu"], said["shm-size"]) == ("64mib", 0.5, "32mib")
    assert said["dns"] == {"servers": ["10.0.0.53"]}
    assert told >= {"entrypoint", "command", "memory_mb", "cpus", "shm_mb", "dns"}


def test_hosts_are_waited_for_in_stages() -> None:
    db, init = Host("db", image="x", healthcheck="true"), Host("init", image="x", command="true")
    web = Host("web", image="x", after={"db": "well", "init": "ended"})
    said, told = fields(web, db, init)
    assert said["stages"]["create"]["wait-for"] == [
        {"node": "db", "stage": "healthy"},
        {"node": "init", "stage": "exit"},
    ]
    assert told == {"after", "after_end"}


def test_what_it_has_no_word_for_is_not_told() -> None:
    said, told = fields(
        Host(
            "h",
            restart="on-failure:3",
            healthcheck="true",
            health_timeout_s=0.5,
            health_interval_s=5,
            labels={"empty": ""},
        )
    )
    assert told == {"healthcheck", "health_interval_s"}
    assert said == {"healthcheck": {"test": ["CMD-SHELL", "true"], "interval": 5}}
