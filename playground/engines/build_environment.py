"""Surroundings of a build, whoever builds: its patience, and its way to a mirror."""

from __future__ import annotations

import os

# apt may be silent for as long as a mirror is slow.
BUILD_TIMEOUT_S = 1800.0


def proxies() -> dict[str, str]:
    """The proxies that a build must use to reach a mirror from here, by variable."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    found = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in names}
    return {name: value for name, value in found.items() if value}
