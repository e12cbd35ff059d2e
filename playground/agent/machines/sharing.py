"""One request shared out among the agents of several machines, and one answer made of theirs.

Pure: where an operation's parts belong, and how answers are put together, stands in the table
`LISTS`.  What concerns one process goes to its machine, what concerns a switch to the machine
that has it, and what concerns neither to the machine on which all requests come in.

"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.agent.machines.numbers import (
    global_job,
    global_pid,
    local_job,
    local_pid,
    machine_of,
    machine_of_job,
    with_local_pids,
)
from playground.agent.protocol import Request

# What each machine is asked, and at which places of the whole its parts stand.
Shares = dict[int, Request]


@dataclass(frozen=True)
class Lists:
    """How an operation is shared out that takes lists.

    ``names`` are its arguments that are lists; ``answer`` says what comes back: "null" for
    nothing, "each" for an entry for each item of the first list, "joined" for a list that
    belongs to no items, "one" where all items are of one machine.

    """

    names: tuple[str, ...]
    answer: str = "null"


LISTS: dict[str, Lists] = {
    "own": Lists(("pids",), "joined"),
    "bare": Lists(("pids",)),
    "open_sysctls": Lists(("pids",)),
    "routes": Lists(("pids",), "each"),
    "states": Lists(("pids",), "each"),
    "listening": Lists(("nodes",), "each"),
    "link_states": Lists(("pids",), "each"),
    "read_only": Lists(("pids",)),
    "network": Lists(("nodes",)),
    "power_off": Lists(("nodes",)),
    "firewall": Lists(("nodes",), "joined"),
    "files": Lists(("nodes",)),
    "furnish": Lists(("nodes",)),
    "accounts": Lists(("nodes",)),
    "boot": Lists(("nodes",)),
    "hostname": Lists(("nodes",)),
    "forget_neighbours": Lists(("nodes",)),
    "look_up_routes": Lists(("questions",), "each"),
    "echo_all": Lists(("nodes",), "each"),
    "wait_ready": Lists(("checks",), "joined"),
    "interfaces": Lists(("ends",), "each"),
    "impaired": Lists(("ends",), "each"),
    "queues": Lists(("ends",), "each"),
    "impair": Lists(("directions",), "each"),
    "lease": Lists(("clients",), "each"),
    "autoconfigured": Lists(("interfaces",), "each"),
    "name_servers": Lists(("nodes",), "each"),
    "link": Lists(("ends", "nodes")),
    "unwire": Lists(("veths", "bridges")),
    "switch": Lists(("bridges",)),
    "bond_ports": Lists(("ends",)),
    "bonds": Lists(("ends",), "each"),
    "guard_ports": Lists(("bridges",)),
    "switches": Lists(("devices",), "joined"),
    "sample": Lists(("ends", "pids")),
    "capture": Lists(("places",), "one"),
    "happenings": Lists(("nodes",), "one"),
}

# Of these every agent is told.
EVERYWHERE = frozenset({"disown"})

# What comes back are process ids.
_ANSWER_PIDS = frozenset({"own", "firewall"})


class Places:
    """Which machine has what: processes say it themselves, switches and ports were noted."""

    def __init__(self, home: int) -> None:
        self.home = home
        self.interfaces: dict[str, int] = {}

    def of(self, item: Any) -> int:
        """Return the machine that an item of a list belongs to."""
        if isinstance(item, int):
            return machine_of(item)
        if isinstance(item, str):  # a switch's device
            return self.interfaces.get(item, self.home)
        if isinstance(item, list):  # of `programs`: a process, and a name there
            return machine_of(item[0])
        if item.get("pid") is not None:
            return machine_of(item["pid"])
        for name in ("bridge", "device", "interface"):
            if (found := self.interfaces.get(item.get(name) or "")) is not None:
                return found
        return self.home


def lists_of(op: str, arguments: Request) -> Lists | None:
    """Return how an operation is shared out; None: it belongs to one machine."""
    if op == "programs":
        return {
            "start": Lists(("programs",), "each"),
            "states": Lists(("programs",), "each"),
            "list": Lists(("pids",), "joined"),
        }.get(arguments["do"])
    return LISTS.get(op)


def one_machine(op: str, arguments: Request, places: Places) -> int:
    """Return the machine of an operation that belongs to one."""
    if "job" in arguments:
        return machine_of_job(arguments["job"])
    if arguments.get("pid") is not None:
        return machine_of(arguments["pid"])
    if "device" in arguments:
        return places.of(arguments["device"])
    return places.home


def share(op: str, arguments: Request, places: Places) -> Shares:
    """Return what each machine is asked; of an empty list, it is one machine all the same."""
    lists = lists_of(op, arguments)
    if lists is None:
        return {one_machine(op, arguments, places): _local(op, arguments)}
    machines: dict[int, Request] = {}
    rest = {name: value for name, value in arguments.items() if name not in lists.names}
    for name in lists.names:
        for item in arguments.get(name) or ():
            where = places.of(item)
            if where not in machines:
                machines[where] = rest | {one: [] for one in lists.names if one in arguments}
            machines[where][name].append(item)
    if not machines:
        machines[places.home] = dict(arguments)
    return {where: _local(op, _own_part(where, part)) for where, part in machines.items()}


def _own_part(where: int, part: Request) -> Request:
    """Leave out of a machine's part what it says of processes of other machines."""
    if "servers" in part:
        part["servers"] = [pid for pid in part["servers"] if machine_of(pid) == where]
    for name in ("directions", "clients"):
        if name in part:
            part[name] = [_watched_here(where, item) for item in part[name]]
    return part


def _watched_here(where: int, item: Request) -> Request:
    watch = item.get("watch")
    if watch is None or machine_of(watch) == where:
        return item
    return item | {"watch": item["pid"]}


def _local(op: str, arguments: Request) -> Request:
    found: Request = with_local_pids(arguments)
    if "job" in found:
        found["job"] = local_job(found["job"])
    if op == "programs" and arguments["do"] == "states":
        found["programs"] = [[local_pid(pid), name] for pid, name in arguments["programs"]]
    return found


def undone(op: str, part: Request) -> Request | None:
    """Return what takes back one machine's part of a request that failed on another; None: nothing.

    An agent does its own part wholly or not at all, and what is shared out is to be so too.

    """
    if op != "impair":
        return None
    rows = [
        row | {"impairment": row["before"], "before": None, "replace": True}
        for row in part["directions"]
    ]
    return {"directions": rows}


def put_together(op: str, arguments: Request, places: Places, answers: Mapping[int, Any]) -> Any:
    """Return the answer to the whole request, of the answers of all machines that had a part."""
    lists = lists_of(op, arguments)
    up = {where: _global(op, arguments, where, answer) for where, answer in answers.items()}
    if lists is None or lists.answer == "one":
        return next(iter(up.values()))
    if op == "sample":
        first = next(iter(up.values()))
        for name, asked in (("interfaces", "ends"), ("connections", "pids")):
            rows = {where: answer[name] for where, answer in up.items()}
            first = first | {name: _in_order(arguments[asked], places, rows.__getitem__)}
        return first
    if lists.answer == "each":
        return _in_order(arguments[lists.names[0]], places, up.__getitem__)
    if lists.answer == "joined":
        joined = [item for answer in up.values() for item in answer]
        if op == "switches":
            order = {device: number for number, device in enumerate(arguments["devices"])}
            joined.sort(key=lambda row: order.get(row["device"], 0))
        return joined
    return None


def lacking(answers: Mapping[str, Sequence[str | None]]) -> list[Request | None]:
    """Return for each trial None, or the machines that lack that, and what the first one says.

    ``answers`` are those of `kernel_lacks`, by the machine's name.

    >>> lacking({"m2": [None, "no such device"], "m1": [None, None]})
    [None, {'machines': ['m2'], 'said': 'no such device'}]

    """
    found: list[Request | None] = []
    for said in zip(*answers.values(), strict=True):
        by_name = sorted((name, one) for name, one in zip(answers, said, strict=True) if one)
        names = [name for name, _ in by_name]
        found.append({"machines": names, "said": by_name[0][1]} if by_name else None)
    return found


def _in_order(
    items: Sequence[Any], places: Places, answer: Callable[[int], Sequence[Any]]
) -> list[Any]:
    """Return entries of several machines' answers in the order in which they were asked for."""
    taken: dict[int, int] = {}
    entries = []
    for item in items:
        where = places.of(item)
        number = taken.get(where, 0)
        taken[where] = number + 1
        entries.append(answer(where)[number])
    return entries


def _global(op: str, arguments: Request, where: int, answer: Any) -> Any:
    """Return one machine's answer with numbers that are one of a kind among all."""
    if op in _ANSWER_PIDS:
        return [global_pid(where, pid) for pid in answer]
    if op in ("spawn", "capture", "happenings"):
        return answer | {
            "job": global_job(where, answer["job"]),
            "pid": global_pid(where, answer["pid"]),
        }
    if op == "programs" and arguments["do"] == "list":
        return [
            {
                "pid": global_pid(where, item["pid"]),
                "request": item["request"] | {"pid": global_pid(where, item["request"]["pid"])},
            }
            for item in answer
        ]
    return answer
