"""Domain names as mail servers and name servers take them."""

from __future__ import annotations

import re

from playground.errors import TopologyError

# Wider than a host's name (RFC 1123): owners such as _dmarc.
DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


def check_domain(name: object) -> None:
    if isinstance(name, str) and name.startswith("*"):
        raise TopologyError(
            f"{name!r} stands for many names (RFC 4592), which the lab's name server does not "
            "serve: give each name a record"
        )
    if not isinstance(name, str) or not DOMAIN.fullmatch(name.lower().rstrip(".")):
        raise TopologyError(f"{name!r} is no domain name: write for example 'example.com'")
