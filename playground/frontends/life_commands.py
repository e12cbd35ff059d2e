"""The commands `playground apply`, `stop`, `start`, `restart` and `events`, for running labs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from playground.errors import BadArgument
from playground.operations.network import Switch

if TYPE_CHECKING:
    from playground.lab.checks.file_checks import CheckReport
    from playground.lab.lab import Lab
    from playground.operations.network import Machine

Say = Callable[[str], None]


def stop(lab: Lab, names: Sequence[str], grace_s: float, say: Say) -> None:
    """Stop machines, and say so of each."""
    for node in machines(lab, names):
        if node.is_stopped:
            say(f"{node.name} is stopped already")
            continue
        node.stop(grace_s=grace_s)
        say(f"{node.name} is stopped; its files stay, and `playground start` brings it back")


def start(lab: Lab, names: Sequence[str], say: Say) -> None:
    """Start machines that are stopped, and say of each how long it took."""
    for node in machines(lab, names):
        if not node.is_stopped:
            say(f"{node.name} runs already")
            continue
        began = time.monotonic()
        node.start()
        say(f"{node.name} runs again, after {time.monotonic() - began:.1f} s")


def restart(lab: Lab, names: Sequence[str], grace_s: float, say: Say) -> None:
    """Stop machines and start them again, one after the other."""
    for node in machines(lab, names):
        say(f"{node.name} runs again, after {node.restart(grace_s=grace_s):.1f} s")


def apply(
    lab: Lab, wanted: Lab, file: str, dry_run: bool, say: Say, named: str | None = None
) -> None:
    """Make of a running lab what a file declares; show what that changes.

    ``named`` is what stands behind `playground apply` where more than the file does.

    """
    diff = lab.apply(wanted, dry_run=dry_run)
    if not diff:
        say(f"lab {lab.name} is as {file} says{_but_stopped(lab)}")
        return
    for row in diff.differences:
        say(str(row))
    if dry_run:
        say(f"nothing was changed: `playground apply {named or file}` does it{_but_stopped(lab)}")
    else:
        say(f"lab {lab.name} is now as {file} says{_but_stopped(lab)}")


def _but_stopped(lab: Lab) -> str:
    """Return what is said of machines without power, which no file of a lab tells of."""
    names = sorted(lab.running_plan().stopped_names)
    if not names:
        return ""
    several = " and ".join(names)
    one = len(names) == 1
    stay, them = ("is stopped, and stays so", "it") if one else ("are stopped, and stay so", "them")
    return f"; {several} {stay}: `playground start {lab.name} {' '.join(names)}` starts {them}"


def differs(lab: Lab, wanted: Lab, file: str, say: Say) -> bool:
    """Say of a running lab how it differs from a file, and what to do; tell whether it does."""
    diff = lab.apply(wanted, dry_run=True)
    if not diff:
        say(f"lab {lab.name} runs already, as {file} says{_but_stopped(lab)}")
        return False
    for row in diff.differences:
        say(str(row))
    say(
        f"lab {lab.name} runs, and {file} says otherwise: `playground apply {file}` makes these "
        f"changes and leaves the rest alone; `playground down {lab.name}` takes it down first"
    )
    return True


def events(lab: Lab, kinds: Sequence[str], as_json: bool, seconds: float | None, say: Say) -> None:
    """Print events as they happen, a line each, until the lab ends or ``seconds`` are over."""
    end = None if seconds is None else time.monotonic() + seconds
    with lab.events(*kinds) as found:
        while end is None or time.monotonic() < end:
            event = found.get(None if end is None else max(0.001, end - time.monotonic()))
            if event is not None:
                say(json.dumps(event.to_data()) if as_json else event.line)
            elif end is None:
                return


def show_checks(report: CheckReport, say: Say) -> None:
    """Print the checks of a file, a line each, and their number."""
    marks = {True: "ok", False: "NO", None: "??"}
    for row in report.checks:
        say(f"{marks[row.ok]}  {row.check}")
        if row.ok is False:
            say(f"    {row.place}: {row.reason}".replace("\n", "\n    "))
    say(report.line)


def machines(lab: Lab, names: Sequence[str]) -> list[Machine]:
    """Return hosts and routers by their names; none is touched where one is not there."""
    found = [lab[name] for name in names]
    for node in found:
        if isinstance(node, Switch):
            raise BadArgument(
                f"{node.name} is a switch, which has no power to lose here: pull its cables out, "
                f"as in lab.link({node.name!r}, ...).down()"
            )
    return found  # type: ignore[return-value]  # no switch is left
