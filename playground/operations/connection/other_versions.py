"""An agent of another version: a lab that stays is of the playground that started it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What an agent says of a request that it does not know, and Python of arguments that it does not.
_UNKNOWN = re.compile(
    r"there is no operation |got an unexpected keyword argument |missing \d+ required "
)


def misunderstood(op: str, error: Mapping[str, Any]) -> str | None:
    """Return a sentence where an agent did not understand a request; None: it did.

    Both ends of a line are of one version, but of a lab that was kept running, which another
    version may enter.  Most of what it asks is understood.

    >>> misunderstood("power_off", {"type": "LookupError", "message": "there is no operation 'p'"})
    "the agent of this lab knows no power_off as this playground asks for it (there is no op...
    >>> misunderstood("power_off", {"type": "OSError", "message": "No such process"})

    """
    if error.get("type") not in ("LookupError", "TypeError"):
        return None
    said = str(error.get("message"))
    if not _UNKNOWN.search(said):
        return None
    return (
        f"the agent of this lab knows no {op} as this playground asks for it "
        f"({said.partition(';')[0]}): the lab was started by another version; do this with that "
        "one, or take the lab down, with `playground down`, and start it anew"
    )
