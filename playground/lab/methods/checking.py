"""`Lab.check_file`: the checks of another tool's file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from playground.lab.state import LabObject
from playground.model.arguments import check_path

if TYPE_CHECKING:
    from playground.lab.checks.file_checks import CheckReport


def check_file(
    lab: LabObject,
    path: str | os.PathLike[str],
    *,
    within_s: float = 5.0,
    strict: bool = False,
) -> CheckReport:
    """Check all that a file of kathara-lab-checker (JSON) wants of this running lab.

    Addresses, daemons, routes, BGP's sessions and networks, redistribution, name servers, who
    reaches whom, commands.  The `CheckReport` is true when all is so, and shows as a table with a
    row for each check, its place in the file, and why it failed.  Each waits up to ``within_s``
    seconds.  A key that is not known is told by a `LabWarning` with its place, or with ``strict``
    refused.

    Raises `TopologyError`, with line and column, for what is no such file, and `NotRunning`.

    >>> lab.check_file("correction.json").line
    '211 of 214 checks passed'

    """
    from playground.lab.checks import file_checks

    lab._state.agent()
    found = check_path(path, '"correction.json"')
    return file_checks.check_file(lab, found, within_s=within_s, strict=strict)
