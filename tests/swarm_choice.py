"""Tests that run on a swarm too, by their files, each with a reason.

Any test that asks for `engine` could.  But to start a lab there takes seconds, so a run of all
tests takes these files, within some minutes; `scripts/test --engine swarm --all` takes every
file, but what stands in `NOT_ON_SWARM`.  What a swarm cannot do is no matter of this table:
such a test is marked by a row of `WHAT_ONE_CANNOT`, as on any engine.

"""

from __future__ import annotations

from pathlib import Path

# A file, and what of a swarm it would notice.
ON_SWARM = {
    "operations/links/test_link.py": "links that cross: carriers, impairments, captures",
    "operations/links/test_switch.py": "switches with ports on several machines, VLANs",
    "operations/nodes/test_connections.py": "tables of kernels on several machines, as one",
    "operations/nodes/test_routes.py": "routes, which go and come with a crossing link",
    "operations/diagnosis/test_explain.py": "a packet followed over machines",
    "operations/captures/test_capture.py": "captures whose places are on several machines",
    "lab/outside/test_published_ports.py": "ports carried from the manager to other machines",
    "lab/methods/test_live_changes.py": "changes of a lab that runs, wholly or not at all",
    "lab/methods/test_applying.py": "nodes that come, go and stay on their machines",
    "lab/methods/test_snapshots.py": "files and settings of nodes on several machines",
    "lab/life/test_event_stream.py": "listeners on several machines, as one",
    "model/test_nat.py": "routers that translate between machines",
    "planning/test_dhcp_networks.py": "broadcasts over crossing links, leases",
    "lab/test_autoconfigured.py": "IPv6: multicast over crossing links",
}

# Of these files only those tests: the others start a lab each for what one kernel decides alone.
ONLY = {
    "operations/links/test_link.py": (
        "test_nothing_passes_a_link_that_is_down",
        "test_a_host_at_a_switch_loses_its_carrier_and_keeps_its_address",
        "test_a_lab_grows_while_a_link_is_down",
        "test_a_link_that_is_removed_is_gone_and_others_take_its_place",
        "test_who_attaches_later_finds_links_as_they_are",
    ),
    "operations/links/test_switch.py": (
        "test_a_switch_learns_who_is_where",
        "test_a_mirror_takes_in_links_that_come_later",
        "test_a_refused_change_leaves_the_switch_as_it_was",
        "test_a_loop_of_three_switches_heals",
    ),
    "operations/diagnosis/test_explain.py": (
        "test_a_way_on_which_nothing_is_broken",
        "test_both_families_and_pings",
        "test_nat_on_the_way_is_shown",
        "test_datagrams_need_no_answer",
        "test_a_link_that_is_down",
        "test_a_host_that_is_unplugged_at_its_switch",
        "test_two_machines_with_one_address",
        "test_several_explain_at_once",
        "test_a_black_hole_for_large_packets",
    ),
    "lab/outside/test_published_ports.py": (
        "test_a_page_of_a_host_is_a_page_of_this_machine",
        "test_what_a_host_was_declared_with_is_there_from_the_start",
        "test_datagrams_come_back_to_who_asked",
        "test_what_was_said_to_its_end_is_still_answered",
        "test_a_kept_lab_goes_on_offering_it_and_whoever_comes_later_ends_it",
    ),
    "lab/methods/test_live_changes.py": (
        "test_a_link_that_comes_up_again_has_its_own_settings",
        "test_an_interrupt_leaves_the_link_as_it_was",
        "test_what_another_thread_changes_while_the_lab_grows_is_not_lost",
        "test_rules_told_one_by_one_are_those_that_are_loaded_at_once",
        "test_a_rule_taken_away_by_hand_is_back_with_the_next_that_is_told",
    ),
    "lab/life/test_event_stream.py": (
        "test_a_cable_is_told_once_for_each_way",
        "test_services_and_nodes",
        "test_a_node_that_comes_is_listened_to",
    ),
    "model/test_nat.py": (
        "test_what_leaves_has_the_address_that_was_asked_for",
        "test_a_forward_is_there_at_once_and_gone_at_once",
        "test_one_address_stands_for_a_host_both_ways",
        "test_a_symmetric_nat_has_a_port_for_each",
    ),
    "planning/test_dhcp_networks.py": ("test_hosts_ask_a_server_for_their_addresses",),
    "lab/test_autoconfigured.py": (
        "test_a_host_has_the_planned_address_when_the_start_returns",
        "test_its_way_out_is_the_router_that_it_has_heard",
        "test_what_a_router_tells_changes_at_once",
    ),
}

# Of the hosts there, which need images: those machines have no way to where Debian's packages are.
SERVICES_THERE = ((), ("http",), ("dns",), ("radvd",), ("dns", "radvd"))

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

    >>> is_chosen(Path("operations/nodes/test_routes.py"), "test_any", False)
    True

    """
    places = {file.as_posix(), f"{file.as_posix()}::{name}"}
    if places & NOT_ON_SWARM.keys():
        return False
    if everything:
        return True
    some = ONLY.get(file.as_posix())
    return name in some if some else not places.isdisjoint(ON_SWARM)
