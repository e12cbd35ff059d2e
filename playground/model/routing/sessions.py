"""Settings that sessions of all protocols have: passwords, and how soon a neighbour is missed."""

from __future__ import annotations

import re

from playground.errors import TopologyError
from playground.model.arguments import is_whole, shown

# One word of a line of FRR, in which "!" and "#" begin a comment.
_PASSWORD = re.compile(r"[A-Za-z0-9$%&*+,./:;<=>?@^_~-]+")


def check_password(here: str, password: object, most: int) -> None:
    """Refuse what no protocol could take for a password; None is none."""
    if password is None or (
        isinstance(password, str) and len(password) <= most and _PASSWORD.fullmatch(password)
    ):
        return
    raise TopologyError(
        f"{here}: password={shown(password)} is no password: one has 1 to {most} letters, digits "
        f'and signs without blanks, such as "secret"'
    )


def check_bfd(here: str, bfd_ms: object) -> None:
    """Refuse what is no interval of BFD; None is no BFD at all."""
    # https://docs.frrouting.org/en/stable-10.3/bfd.html: receive-interval (10-4294967)
    if bfd_ms is not None and not is_whole(bfd_ms, 10, 60_000):
        raise TopologyError(
            f"{here}: bfd_ms={shown(bfd_ms)} is no whole number of milliseconds from 10 to 60,000; "
            f"100 gives up a neighbour after 0.3 s"
        )


def check_whole(here: str, name: str, value: object, least: int, most: int) -> None:
    """Refuse what is neither None nor a whole number between two."""
    if value is not None and not is_whole(value, least, most):
        raise TopologyError(
            f"{here}: {name}={shown(value)} is no whole number from {least} to {most:,}"
        )
