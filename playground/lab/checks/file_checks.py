"""Checks of a file asked of a lab that runs, and the table of what came of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.display.tables import Table, Tabular
from playground.errors import BadArgument, CheckFailed, LabWarning, PlaygroundError, TopologyError
from playground.lab.checks.bounded_search import is_found
from playground.lab.checks.kathara_checks import FileCheck, read_checks
from playground.lab.state import LabObject
from playground.model.records import dataclass
from playground.operations.connection.name_queries import servers_of
from playground.operations.diagnosis.checking.looking import WITHIN_S, check_within, wait
from playground.operations.diagnosis.checks import Checks
from playground.operations.network import Machine


@dataclass(frozen=True)
class CheckedRow:
    """One thing that a file wants; ``ok`` is None where nobody here can check it.

    That is what the file itself has wrong, or asks for in words that are not known.  What the lab
    has not, a node or a program that is needed to ask, is a check that fails: whoever made the lab
    may have left it out.

    """

    place: str
    check: str
    ok: bool | None
    reason: str = ""


@dataclass(frozen=True, repr=False)
class CheckReport(Tabular):
    """What came of the checks of a file; true when all that could be checked is so."""

    checks: Table[CheckedRow] = field(repr=False)

    @property
    def failed(self) -> Table[CheckedRow]:
        """The checks that failed."""
        return Table(row for row in self.checks if row.ok is False)

    @property
    def unchecked(self) -> Table[CheckedRow]:
        """What could not be checked."""
        return Table(row for row in self.checks if row.ok is None)

    def table(self) -> Table[CheckedRow]:
        """Return a row for each check."""
        return self.checks

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def line(self) -> str:
        """How many passed, failed, and were not checked."""
        passed = sum(row.ok is True for row in self.checks)
        said = f"{passed} of {passed + len(self.failed)} checks passed"
        return said + (f", {len(self.unchecked)} are not known" if self.unchecked else "")

    def __repr__(self) -> str:
        return f"{self.checks!r}\n{self.line}"


def check_file(
    lab: LabObject, path: Path, *, within_s: float = WITHIN_S, strict: bool = False
) -> CheckReport:
    """Ask a lab for all that a file wants; see `Lab.check_file`."""
    check_within(within_s)
    wanted = read_checks(path)
    unknown = [one for one in wanted if not one.kind]
    for one in unknown:
        if strict:
            raise TopologyError(f"{one.place}: {one.value}")
        warnings.warn(f"{one.place}: {one.value}", LabWarning, stacklevel=4)
    checks = Checks(lab)  # type: ignore[arg-type]  # a lab with all its methods
    return CheckReport(Table(_row(checks, one, within_s) for one in wanted))


def _row(checks: Checks, one: FileCheck, within_s: float) -> CheckedRow:
    place = str(one.place)
    if not one.kind:
        return CheckedRow(place, one.value, None, "not checked")
    try:
        _ask(checks, one, within_s)
    except (CheckFailed, BadArgument, PlaygroundError) as failed:
        return CheckedRow(place, one.words, False, str(failed).partition("\n\n")[0])
    return CheckedRow(place, one.words, True)


def _ask(checks: Checks, one: FileCheck, within_s: float) -> None:
    machine = checks._machine(_owner(checks, one.node))
    kind, _, protocol = one.kind.partition(" into ")
    if protocol:
        _configured(machine, f"router {protocol}", f"redistribute {one.value}", one, within_s)
        return
    _QUESTIONS[kind](checks, machine, one, within_s)


def _owner(checks: Checks, node: str) -> str:
    """Return the node of this name, or the one that has this address."""
    if node in checks._lab:
        return node
    return checks._lab.running_plan().owners.get(node, node)


def _has_address(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    interface, address = one.value
    checks.has_address(machine, address, interface=interface, within_s=within_s)


def _has_route(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    route, hops = one.value if isinstance(one.value, list) else (one.value, [])
    if not one.wanted:
        checks.has_no_route(machine, route, within_s=within_s)
        return
    gateways = [hop for hop in hops if hop[:1].isdigit() or ":" in hop]
    via: Sequence[str] | None = gateways or None
    checks.has_route(machine, route, via=via, within_s=within_s)
    for interface in (hop for hop in hops if hop not in gateways):
        checks.has_route(machine, route, interface=interface, within_s=within_s)


# Who reads its program from a file, of which the command's second word tells.
_INTERPRETERS = re.compile(r"(ba|da|z)?sh|busybox|(python|perl|ruby|lua|node|java)[\d.]*")


def executes(executable: str, command: str, program: str) -> bool:
    """Return whether a process is one of a program, by what the kernel says that it executes.

    A process may call itself anything; its first word counts only where nothing else is seen,
    or among interpreters, which have several names.

    >>> executes("/usr/sbin/named", "/usr/sbin/named -g", "named")
    True
    >>> executes("/usr/bin/sleep", "named -g", "named")
    False

    """
    words = [word.rpartition("/")[2] for word in command.split()]
    first = words[0].rstrip(":") if words else ""
    file = executable.removesuffix(" (deleted)").rpartition("/")[2]
    if not file:
        return first == program
    if re.fullmatch(rf"{re.escape(program)}[\d.]*", file):
        return True
    if not _INTERPRETERS.fullmatch(file):
        return False
    return program in words[1:2] or (first == program and bool(_INTERPRETERS.fullmatch(program)))


def _runs(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    def look() -> bool:
        live = machine.running()
        rows = live.agent.call("processes", pid=live.pid)
        return any(executes(row["executable"], row["command"], one.value) for row in rows)

    if wait(look, lambda found: found == one.wanted, within_s) != one.wanted:
        should, does = ("should", "does not") if one.wanted else ("should not", "does")
        raise CheckFailed(f"{one.value} {should} run on {machine.name}, and {does}.")


def _reaches(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    if not one.wanted:
        checks.does_not_reach(machine, one.value, within_s=within_s)
    # A ping is quicker, and says nothing of why not.
    elif not machine.ping(one.value, count=1, timeout_s=1).received:
        checks.reaches(machine, one.value, within_s=within_s)


def _session(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    checks.neighbours(machine, one.value, "bgp", up=one.wanted, within_s=within_s)


def _announces(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    _configured(machine, "router bgp", f"network {one.value}", one, within_s)


def _configured(machine: Machine, block: str, line: str, one: FileCheck, within_s: float) -> None:
    """Check that a router's FRR was told a line in one of its blocks, or was not."""

    def look() -> bool:
        inside = False
        for text in machine.run(["vtysh", "-c", "show running-config"]).stdout.splitlines():
            if not text.startswith(" "):
                inside = text.startswith(block)
            elif inside and (text.strip() + " ").startswith(f"{line} "):
                return True
        return False

    if wait(look, lambda found: found == one.wanted, within_s) != one.wanted:
        should, has = ("should", "has not") if one.wanted else ("should not", "has")
        raise CheckFailed(f"{machine.name} {should} have {line!r} in {block!r}, and {has}.")


def _authority(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    server = one.node if one.node not in checks._lab else str(machine.address)
    checks.answers(machine, one.value, "SOA", server=server, authority=True, within_s=within_s)


def _asks(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    found = wait(
        lambda: servers_of(machine), lambda there: (one.value in there) == one.wanted, within_s
    )
    if (one.value in found) != one.wanted:
        should = "should" if one.wanted else "should not"
        raise CheckFailed(
            f"{machine.name} {should} ask the name server {one.value}, and asks "
            f"{', '.join(found) or 'none'}."
        )


def _says(checks: Checks, machine: Machine, one: FileCheck, within_s: float) -> None:
    said = one.value
    pattern = said.get("regex_match")
    result = machine.run(said["command"], check=False, timeout_s=30, output_limit_mb=1)
    status, output = said.get("exit_code"), said.get("output")
    if status is not None and result.returncode != status:
        raise CheckFailed(
            f"{said['command']!r} on {machine.name} should end with {status}, and ends with "
            f"{result.returncode}."
        )
    if output is not None and str(output).strip() != result.stdout.strip():
        raise CheckFailed(
            f"{said['command']!r} on {machine.name} should say {str(output)[:200]!r}, and says "
            f"{result.stdout[:200]!r}."
        )
    if isinstance(pattern, str):
        _matches(machine, said["command"], pattern, result.stdout)


def _matches(machine: Machine, command: str, pattern: str, output: str) -> None:
    try:
        found = is_found(pattern, output)
    except TimeoutError as error:
        raise CheckFailed(
            f"{command!r} on {machine.name} should say what {pattern!r} is found in; whether it "
            f"does is {error}: an expression that repeats what repeats takes long."
        ) from None
    if not found:
        raise CheckFailed(
            f"{command!r} on {machine.name} should say what {pattern!r} is found in, and says "
            f"{output[:200]!r}."
        )


Question = Callable[[Checks, Machine, FileCheck, float], Any]

_QUESTIONS: dict[str, Question] = {
    "has the address": _has_address,
    "has the route": _has_route,
    "runs": _runs,
    "reaches": _reaches,
    "reaches by name": _reaches,
    "has a BGP session with": _session,
    "announces by BGP": _announces,
    "has authority for": _authority,
    "asks the name server": _asks,
    "says as it should": _says,
}
