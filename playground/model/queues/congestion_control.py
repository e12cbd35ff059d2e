"""Congestion control: by which rule TCP on a host decides how much may be under way."""

from __future__ import annotations

from playground.errors import TopologyError
from playground.model.arguments import is_choice, shown

# tcp(7), "tcp_congestion_control"; each is the name of a module of the kernel, tcp_NAME.
CONGESTION_CONTROLS = ("reno", "cubic", "bbr", "vegas", "dctcp")

# The kernel has no module for it: it is always there (RFC 5681).
ALWAYS = "reno"

SETTING = "net.ipv4.tcp_congestion_control"


def congestion_setting(here: str, name: object) -> dict[str, str]:
    """Return the setting, by its name in sysctl(8), that chooses a congestion control.

    >>> congestion_setting("h1", "bbr")
    {'net.ipv4.tcp_congestion_control': 'bbr'}

    """
    if not is_choice(name, CONGESTION_CONTROLS):
        known = ", ".join(f'"{one}"' for one in CONGESTION_CONTROLS)
        raise TopologyError(f"{here}: congestion_control={shown(name)} is not known; use {known}")
    return {SETTING: name}
