"""The table of operations, and where the agent begins."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable
from typing import Any

from playground.agent.kernel.ids import has_all_ids
from playground.agent.kernel.syscalls import PR_SET_DUMPABLE, prctl
from playground.agent.line.job_table import Jobs
from playground.agent.line.loop import LATER, Loop
from playground.agent.line.saved_state import (
    state_changes,
    state_load,
    state_save,
    state_stamp,
)
from playground.agent.links.bonds import bond_ports, bonds
from playground.agent.links.bridge_vlans import vlan_ways
from playground.agent.links.bridges import learned, switch, switches
from playground.agent.links.far_ends import far_ends, interface_names, set_far_ends
from playground.agent.links.interfaces import interfaces
from playground.agent.links.kernel_features import kernel_lacks
from playground.agent.links.vxlan import tunnel, untunnel
from playground.agent.links.wiring import bare, unwire, wire
from playground.agent.network.addresses import forget_neighbours
from playground.agent.network.applied_settings import link, network
from playground.agent.network.autoconfiguration import autoconfigured
from playground.agent.network.connections import connections, forget
from playground.agent.network.dhcp_client import dhcp_offers, lease
from playground.agent.network.listening import listening
from playground.agent.network.name_servers import name_servers
from playground.agent.network.nft_rulesets import firewall, rule_counts, ruleset
from playground.agent.network.policy_routing import policy_rules
from playground.agent.network.port_guards import guard_ports, port_guards
from playground.agent.network.power import power_off
from playground.agent.network.route_lookup import look_up_routes
from playground.agent.network.routes import routes
from playground.agent.nodes.accounts import accounts, furnish, hash_passwords
from playground.agent.nodes.descriptors import many_files
from playground.agent.nodes.files import (
    changed_programs,
    file_kind,
    files,
    read_file,
    share_files,
)
from playground.agent.nodes.hostnames import hostname, hostname_of
from playground.agent.nodes.open_sysctls import open_sysctls
from playground.agent.nodes.processes import processes
from playground.agent.nodes.read_only import read_only
from playground.agent.nodes.sysctls import sysctls
from playground.agent.nodes.volumes import volumes
from playground.agent.ports.register import published, unpublish
from playground.agent.queues.impairments import impair, impaired
from playground.agent.queues.statistics import queues
from playground.agent.watching.captures import capture
from playground.agent.watching.datagrams import ask_datagrams
from playground.agent.watching.echoes import echo_all
from playground.agent.watching.happenings import happenings
from playground.agent.watching.link_states import link_states
from playground.agent.watching.packet_watch import watch_packets
from playground.agent.watching.probes import probe
from playground.agent.watching.readiness import wait_ready
from playground.agent.watching.samples import sample
from playground.agent.watching.states import states


def _at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation that needs nothing of the agent's."""
    return lambda agent, request_id, **arguments: function(**arguments)


def _of_a_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation on a job that runs."""
    return lambda agent, request_id, **arguments: method(agent.jobs, **arguments)


def _watch_packets(agent: Loop, request_id: Any, **arguments: Any) -> Any:
    agent.two_part_workers.begin(request_id, watch_packets, arguments)
    return LATER


def _packets_watched(agent: Loop, request_id: Any, watcher: int) -> Any:
    agent.two_part_workers.end(request_id, watcher)
    return LATER


# Done by the loop itself, at once: name -> method(agent, request id, **args).
OPS: dict[str, Callable[..., Any]] = {
    "echo": lambda agent, request_id, value: value,
    "own": Loop.own,
    "disown": lambda agent, request_id: agent.nodes.disown(),
    # A worker would take longer to fork than these take.
    "state_save": _at_once(state_save),
    "state_changes": _at_once(state_changes),
    "state_stamp": _at_once(state_stamp),
    "hash_passwords": _at_once(hash_passwords),
    "link": _at_once(link),
    "interfaces": _at_once(interfaces),
    "far_ends": _at_once(far_ends),
    "set_far_ends": _at_once(set_far_ends),
    "interface_names": _at_once(interface_names),
    "watch_far_ends": Loop.watch_far_ends,
    "boot": Loop.boot,
    "programs": Loop.programs,
    "carry": Loop.carry,
    "spawn": Loop.spawn,
    "write": Loop.write,
    "close_stdin": _of_a_job(Jobs.close_stdin),
    "signal": _of_a_job(Jobs.signal),
    "kill_background": _of_a_job(Jobs.kill_background),
    "resize": _of_a_job(Jobs.resize),
    "credit": _of_a_job(Jobs.credit),
    "socket_line": lambda agent, request_id, **where: agent.sockets.take(where),
    "capture": capture,
    "happenings": happenings,
    "watch_packets": _watch_packets,
    "packets_watched": _packets_watched,
    "clock": lambda agent, request_id: time.time_ns(),
}

# Done by a forked worker: name -> function(**args).
WORK: dict[str, Callable[..., Any]] = {
    "bare": bare,
    "open_sysctls": open_sysctls,
    "power_off": power_off,
    "wire": wire,
    "unwire": unwire,
    "tunnel": tunnel,
    "untunnel": untunnel,
    "network": network,
    "forget_neighbours": forget_neighbours,
    "bond_ports": bond_ports,
    "bonds": bonds,
    "switch": switch,
    "switches": switches,
    "learned": learned,
    "guard_ports": guard_ports,
    "port_guards": port_guards,
    "vlan_ways": vlan_ways,
    "kernel_lacks": kernel_lacks,
    "routes": routes,
    "policy_rules": policy_rules,
    "sysctls": sysctls,
    "impair": impair,
    "impaired": impaired,
    "queues": queues,
    "firewall": firewall,
    "rule_counts": rule_counts,
    "ruleset": ruleset,
    "connections": connections,
    "forget": forget,
    "processes": processes,
    "files": files,
    "furnish": furnish,
    "share_files": share_files,
    "read_file": read_file,
    "read_only": read_only,
    "volumes": volumes,
    "file_kind": file_kind,
    "changed_programs": changed_programs,
    "accounts": accounts,
    "hostname": hostname,
    "hostname_of": hostname_of,
    "wait_ready": wait_ready,
    "lease": lease,
    "dhcp_offers": dhcp_offers,
    "autoconfigured": autoconfigured,
    "name_servers": name_servers,
    "state_load": state_load,
    "states": states,
    "listening": listening,
    "link_states": link_states,
    "look_up_routes": look_up_routes,
    "probe": probe,
    "echo_all": echo_all,
    "ask_datagrams": ask_datagrams,
    "sample": sample,
    "published": published,
    "unpublish": unpublish,
}


def main(socket_line: int | None = None) -> None:
    """Serve the client on descriptors 0 and 1 until it is gone."""
    # A child that enters a node has the node's own powers from there to its
    # execve(2), which ends this again: without it the node's root may trace it
    # and open its files (ptrace(2), "access mode checking").
    prctl(PR_SET_DUMPABLE, 0)
    has_all_ids()  # while it can be looked up
    replies = os.dup(1)
    os.dup2(2, 1)
    # Nothing that the agent was started with may reach a node's commands.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), False)
    # A handle for each node that it owns: usual limits, 1024, are for fewer nodes.
    resource.setrlimit(resource.RLIMIT_NOFILE, many_files())
    agent = Loop(0, replies, OPS, WORK, socket_line)
    # Children share these pages until one side writes to them.
    gc.collect()
    gc.freeze()
    agent.serve()
