"""Rights: what the holder of a token may do, and the cookies that remember it.  Pure.

A token is a secret that stands in the address of a page, as Jupyter's does.  Each has one
right: to all labs of the machine or to one, to change them or only to look.

"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping

from playground.model.records import dataclass

# 256 bits: nobody guesses it, however many tries the server answers.
_TOKEN_BYTES = 32
# Of a token's SHA-256, in the name of its cookie: enough to tell a browser's few apart.
_NAME_DIGITS = 12


@dataclass(frozen=True)
class Right:
    """The right to look at a lab, or at all with ``lab=None``, and perhaps to change it."""

    lab: str | None = None
    may_change: bool = False

    def allows(self, lab: str, change: bool) -> bool:
        """Tell whether it is a right to look at this lab, or to change it."""
        return self.lab in (None, lab) and (self.may_change or not change)


def allows(rights: Iterable[Right], lab: str, change: bool = False) -> bool:
    """Tell whether any of these rights lets its holder look at a lab, or change it."""
    return any(right.allows(lab, change) for right in rights)


class Keys:
    """The tokens that a server has given out; a token that is lost cannot be read back.

    >>> keys = Keys()
    >>> token = keys.issue(Right("coffee-shop"))
    >>> keys.right_of(token)
    Right(lab='coffee-shop', may_change=False)

    """

    def __init__(self) -> None:
        self._rights: dict[str, Right] = {}

    def issue(self, right: Right) -> str:
        """Return a new token for a right."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._rights[_digest(token)] = right
        return token

    def withdraw(self, lab: str) -> None:
        """Forget the tokens of one lab, which has gone."""
        self._rights = {key: right for key, right in self._rights.items() if right.lab != lab}

    def right_of(self, token: str) -> Right | None:
        """Return what a token lets its holder do; None for one that was never given out."""
        # The digest is looked up: how long that takes tells nothing of the token.
        return self._rights.get(_digest(token))

    def rights_of(self, tokens: Iterable[str]) -> frozenset[Right]:
        """Return the rights of those tokens that are good."""
        return frozenset(right for token in tokens if (right := self.right_of(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def cookie_name(port: int, token: str) -> str:
    """Return the name of the cookie that holds a token.

    Cookies are of a host, not of a port (RFC 6265, 8.5), so the port stands in the name; and a
    browser may hold several rights at once.

    """
    return f"{_prefix(port)}{_digest(token)[:_NAME_DIGITS]}"


def tokens_in(cookies: Mapping[str, str], port: int) -> list[str]:
    """Return what the cookies of a server at this port hold."""
    return [value for name, value in cookies.items() if name.startswith(_prefix(port))]


def _prefix(port: int) -> str:
    return f"playground-{port}-"
