"""Rights: what the holder of a token may do, and the sessions that remember it.

A token is a secret that stands in the address of a page, as Jupyter's does.  Each has one
right: to all labs of the machine or to one, to change them or only to look.

A browser remembers it as a session, which has two halves.  One is a cookie, that no script can
read, but that every port of the same host is sent.  The other is the proof, which the browser
keeps for this scheme, name and port alone: no other server is ever sent it.  Pages open by both,
or by a ticket that was got with both.

"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from playground.model.records import dataclass

# RFC 6265, 8.5 (a cookie is of a host, not of a port); RFC 6454 and
# https://html.spec.whatwg.org/multipage/webstorage.html (storage is of an origin)

# 256 bits: nobody guesses it, however many tries the server answers.
_TOKEN_BYTES = 32
# A ticket is used at once by the page that asked for it.
_TICKET_S = 30.0
_MOST_TICKETS = 1000
# Tokens of one right, and browsers that remember one token: a school has no more, and who may
# share a lab, or open an address again and again, fills no memory by it.
_MOST_TOKENS, _MOST_SESSIONS = 500, 2000
# Of a token's SHA-256, in the name of its cookie: enough to tell a browser's few apart.
_NAME_DIGITS = 12


@dataclass(frozen=True)
class Right:
    """The right to look at a lab, or at all with ``lab=None``, and perhaps to change it.

    ``bound_to`` is which lab of that name it is (`ServedLabs.opened`): names come back, with
    another lab, of another user perhaps.  "" is any.  ``for_programs`` is that of a token which a
    page makes by itself, for curl: they are counted apart, and push out no address of a person.

    """

    lab: str | None = None
    may_change: bool = False
    bound_to: str = ""
    for_programs: bool = field(default=False, repr=False)

    def allows(self, lab: str, change: bool) -> bool:
        """Tell whether it is a right to look at this lab, or to change it."""
        return self.lab in (None, lab) and (self.may_change or not change)


def allows(rights: Iterable[Right], lab: str, change: bool = False) -> bool:
    """Tell whether any of these rights lets its holder look at a lab, or change it."""
    return any(right.allows(lab, change) for right in rights)


@dataclass(frozen=True)
class Session:
    """What a browser remembers of a token: neither half opens a page without the other."""

    cookie: str
    proof: str


def bound(rights: Iterable[Right], key: str) -> frozenset[Right]:
    """Return those rights that are for this very lab, or for all; not for one before it.

    >>> bound([Right("a", bound_to="a-1"), Right(may_change=True)], "a-2")
    frozenset({Right(lab=None, may_change=True, bound_to='')})

    """
    return frozenset(right for right in rights if right.lab is None or right.bound_to in ("", key))


class Keys:
    """The tokens that a server has given out; a token that is lost cannot be read back.

    It keeps no more than 500 tokens of one right, and 2,000 sessions of one token: those that
    were used last.  Safe to be used by several threads.

    >>> keys = Keys()
    >>> token = keys.issue(Right("coffee-shop"))
    >>> keys.right_of(token)
    Right(lab='coffee-shop', may_change=False, bound_to='')

    """

    def __init__(self) -> None:
        # The one that was used last stands last, of sessions too.
        self._rights: dict[str, Right] = {}
        # By the digest of its cookie: the digests of its token and of its proof.
        self._sessions: dict[str, tuple[str, str]] = {}
        # How many each token has.
        self._remembered: Counter[str] = Counter()
        # By its digest: the cookies it was got with, and when it ends.
        self._tickets: dict[str, tuple[frozenset[str], float]] = {}
        self._password_token: str | None = None
        self._lock = threading.RLock()

    def issue(self, right: Right) -> str:
        """Return a new token for a right."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._lock:
            same = [key for key, other in self._rights.items() if other == right]
            for key in same[: len(same) + 1 - _MOST_TOKENS]:
                self._forget(key)
            self._rights[_digest(token)] = right
        return token

    def log_in(self, right: Right) -> str:
        """Return the token of who has said the password, to be remembered: one for all of them."""
        with self._lock:
            if self._password_token is None or self.right_of(self._password_token) != right:
                self._password_token = self.issue(right)
            return self._password_token

    def forget(self, token: str) -> None:
        """Forget a token, and who came by it; one that is forgotten already is passed over."""
        with self._lock:
            self._forget(_digest(token))

    def withdraw(self, lab: str, but: str | None = None, only: str | None = None) -> None:
        """Forget the tokens of a lab of that name.

        ``but`` keeps those that are bound to this lab, and ``only`` forgets no others.

        """
        with self._lock:
            for key, right in list(self._rights.items()):
                if right.lab != lab or (only is not None and right.bound_to != only):
                    continue
                if but is None or right.bound_to not in ("", but):
                    self._forget(key)

    def labs_ended(self, bound_to: Iterable[str]) -> None:
        """Forget the tokens that are bound to these labs, which have ended (`ServedLabs`)."""
        ended = {*bound_to} - {""}
        with self._lock:
            for key, right in list(self._rights.items()):
                if right.bound_to in ended:
                    self._forget(key)

    def _forget(self, key: str) -> None:
        self._rights.pop(key, None)
        if key in self._remembered:
            del self._remembered[key]
            self._sessions = {
                cookie: said for cookie, said in self._sessions.items() if said[0] != key
            }

    def right_of(self, token: str) -> Right | None:
        """Return what a token lets its holder do; None for one that was never given out."""
        # The digest is looked up: how long that takes tells nothing of the token.
        return self._use(_digest(token))

    def _use(self, key: str) -> Right | None:
        with self._lock:
            right = self._rights.pop(key, None)
            if right is not None:
                self._rights[key] = right
            return right

    def rights_of(self, tokens: Iterable[str]) -> frozenset[Right]:
        """Return the rights of those tokens that are good."""
        return frozenset(right for token in tokens if (right := self.right_of(token)))

    # -- what a browser remembers ---------------------------------------------------

    def remember(self, token: str) -> Session:
        """Return a new session for the right of a token; it ends with its token."""
        session = Session(secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES))
        key = _digest(token)
        with self._lock:
            if self._remembered[key] >= _MOST_SESSIONS:
                oldest = next(cookie for cookie, said in self._sessions.items() if said[0] == key)
                del self._sessions[oldest]
                self._remembered[key] -= 1
            self._sessions[_digest(session.cookie)] = key, _digest(session.proof)
            self._remembered[key] += 1
        return session

    def known(self, cookies: Iterable[str]) -> frozenset[str]:
        """Return those cookies that are a half of a session here; they open no page."""
        return frozenset(one for one in cookies if self.rights_of_cookies([one]))

    def proven(self, cookies: Iterable[str], proofs: Iterable[str]) -> frozenset[str]:
        """Return those cookies whose other half is there too."""
        halves = {_digest(proof) for proof in proofs}
        return frozenset(
            one for one in self.known(cookies) if self._said(_digest(one))[1] in halves
        )

    def rights_of_cookies(self, cookies: Iterable[str]) -> frozenset[Right]:
        """Return the rights of the sessions whose cookies these are."""
        tokens = [self._said(_digest(one))[0] for one in cookies]
        return frozenset(right for token in tokens if (right := self._use(token)))

    def _said(self, cookie: str) -> tuple[str, str]:
        """Return the digests of the token and of the proof of a session, which is used now."""
        with self._lock:
            said = self._sessions.pop(cookie, None)
            if said is None:
                return "", ""
            self._sessions[cookie] = said
            return said

    def ticket(self, cookies: Iterable[str], now: float) -> str:
        """Return what lets a browser open one page within 30 s, for cookies that are `proven`."""
        alive = [pair for pair in self._tickets.items() if pair[1][1] > now]
        self._tickets = dict(alive[-_MOST_TICKETS:])
        ticket = secrets.token_urlsafe(_TOKEN_BYTES)
        self._tickets[_digest(ticket)] = frozenset(map(_digest, cookies)), now + _TICKET_S
        return ticket

    def take_ticket(self, ticket: str, cookies: Iterable[str], now: float) -> frozenset[str]:
        """Return those cookies that a ticket was got with; a second time it is none."""
        got, end = self._tickets.pop(_digest(ticket), (frozenset[str](), 0.0))
        return frozenset(one for one in cookies if _digest(one) in got and now < end)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def cookie_name(port: int, token: str, secure: bool = False) -> str:
    """Return the name of the cookie that remembers a token.

    Cookies are of a host, not of a port (RFC 6265, 8.5), so the port stands in the name; and a
    browser may hold several rights at once.  One that is only sent by TLS has a name that nobody
    can set without TLS (RFC 6265bis, "__Host-").

    """
    return f"{'__Host-' * secure}{_prefix(port)}{_digest(token)[:_NAME_DIGITS]}"


def cookies_of(header: str, port: int) -> list[str]:
    """Return what the cookies of a server at this port hold, out of a Cookie header.

    Other servers of the same host set cookies too, and of any form: each of those is passed over.

    >>> cookies_of('a={"x":1}; b=x y; playground-80-abc=1', 80)
    ['1']

    """
    prefix = _prefix(port)
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [
        value.strip()
        for name, _, value in pairs
        if name.strip().removeprefix("__Host-").startswith(prefix)
    ]


def _prefix(port: int) -> str:
    return f"playground-{port}-"
