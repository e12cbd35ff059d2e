"""Guards of the ports of bridges: tables of nftables, loaded and read."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from typing import Any

from playground.agent.links.bridge_vlans import parts
from playground.agent.links.interfaces import interface_index
from playground.agent.network.nft_rulesets import ended_nft, start_nft
from playground.agent.protocol import Request


def guard_ports(bridges: Sequence[Request]) -> None:
    commands = []
    for row in bridges:
        for table in row["unguarded"]:
            # To delete what is not there would be an error.
            commands += [f"add table bridge {table}", f"delete table bridge {table}"]
        for guard in row["guards"]:
            commands += _commands(guard)
    status, said = ended_nft(*start_nft(["-f", "-"], "\n".join(commands)))
    if status != 0:
        raise OSError(errno.EINVAL, f"nft refused the guards of ports:\n{said.strip()}")


def _commands(guard: Request) -> list[str]:
    """Return the commands of a guard, in which the port is all that frames come in by.

    Where the bridge does not filter VLANs, there are interfaces upon a trunk that do.

    """
    port = guard["port"]
    upon = parts("t", interface_index(port)).values()
    if not upon:
        return list(guard["commands"])
    names = ", ".join(f'"{name}"' for name in (port, *upon))
    return [
        command.replace(f'iifname != "{port}"', f"iifname != {{ {names} }}")
        for command in guard["commands"]
    ]


def port_guards(device: str, tables: Sequence[str]) -> list[Request]:
    interface_index(device)  # else the bridge is gone, which is said
    rows = []
    for table in tables:
        status, said = ended_nft(*start_nft(["-j", "list", "table", "bridge", table]))
        if status == 0:
            rows.append({"table": table, **_read(json.loads(said)["nftables"])})
    return rows


def _read(items: Sequence[dict[str, Any]]) -> Request:
    counters = {item["counter"]["name"]: item["counter"] for item in items if "counter" in item}
    sets = {item["set"]["name"]: item["set"].get("elem", []) for item in items if "set" in item}
    elements = [item["elem"] for item in sets.get("refused", [])]
    return {
        # One without a timeout and a counter is the bare address.
        "learned": [
            item if isinstance(item, str) else item["elem"]["val"]
            for item in sets.get("learned", [])
        ],
        "refused": [[item["val"], item["counter"]["packets"]] for item in elements],
        **{
            name: counters[name]["packets"] if name in counters else None
            for name in ("refusals", "flooded", "suppressed")
        },
    }
