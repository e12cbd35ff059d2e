"""Names of other tools' machines, as hosts."""

from __future__ import annotations

import re


def host_name(name: str) -> str:
    """Return what a machine of another tool is called as a host: RFC 1123 knows no underscores.

    >>> host_name("PC_1")
    'pc-1'

    """
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "service"
