"""Tests that run on a swarm too, by their files, each with a reason.

Any test that asks for `engine` could.  But to start a lab there takes seconds, so a run of all
tests takes these files, within some minutes; `scripts/test --engine swarm --all` takes every
file, but what stands in `NOT_ON_SWARM`.  What a swarm cannot do is no matter of this table:
such a test is marked by a row of `WHAT_ONE_CANNOT`, as on any engine.

"""

from __future__ import annotations

from pathlib import Path

# A file or a test, and what of a swarm it would notice.
ON_SWARM = {
    "operations/links/test_link.py": "links that cross: carriers, impairments, captures",
    "operations/links/test_switch.py": "switches with ports on several machines, VLANs",
    "operations/nodes/test_connections.py": "tables of kernels on several machines, as one",
    "operations/nodes/test_routes.py": "routes, which go and come with a crossing link",
    "operations/diagnosis/test_explain.py": "a packet followed over machines",
    "operations/captures/test_capture.py": "captures whose places are on several machines",
    "lab/outside/test_published_ports.py": "ports carried from the manager to other machines",
    "lab/methods/test_live_changes.py": "changes of a lab that runs, wholly or not at all",
    "model/test_nat.py": "routers that translate between machines",
    "test_filtering.py": "firewalls on the way",
    "planning/test_dhcp_networks.py::test_hosts_ask_a_server_for_their_addresses": (
        "broadcasts over crossing links, leases"
    ),
    "planning/test_dhcp_networks.py::test_a_relay_takes_questions_to_a_server_elsewhere": (
        "questions that a router takes on to another machine"
    ),
    "lab/test_autoconfigured.py": "IPv6: multicast over crossing links",
}

# Of the hosts there, which need images: those machines have no way to where Debian's packages are.
SERVICES_THERE = ((), ("http",), ("dns",), ("radvd",), ("dns", "radvd"), ("dhcpv6-client",))

_PROCESSES = "it ends a process by its number on this machine"

# A file or a test, and why it is none of a swarm's.
NOT_ON_SWARM = {
    "operations/nodes/test_node.py::test_a_node_that_died_is_told": _PROCESSES,
    "lab/test_lab.py::test_a_lab_in_which_a_machine_died_does_not_grow": _PROCESSES,
    "operations/pictures/test_picture.py::test_a_running_lab_shows_how_its_links_are": _PROCESSES,
    "model/containers/test_limits.py::test_files_in_memory_are_not_the_end_of_their_host": (
        "the disks of those machines are memory themselves"
    ),
    "lab/test_lab.py::test_those_are_all_the_steps": "a swarm has steps of its own",
    "test_supervisor_image.py": "it builds an image with packages, and those machines have no way "
    "to where these are",
}


def is_chosen(file: Path, name: str, everything: bool) -> bool:
    """Tell whether a test runs on a swarm: ``file`` below tests/, ``name`` without parameters.

    >>> is_chosen(Path("operations/links/test_link.py"), "test_any", False)
    True

    """
    places = {file.as_posix(), f"{file.as_posix()}::{name}"}
    if places & NOT_ON_SWARM.keys():
        return False
    return everything or not places.isdisjoint(ON_SWARM)
