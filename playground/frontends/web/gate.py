"""The gate: whom the server answers.

All that comes in passes here first, requests and sockets alike, before any other code sees it:

* **Host** names this server (`is_our_name`).  A page of somebody else's, whose name was made to
  lead here (DNS rebinding), names itself and is refused.
* **Origin** is the page's own wherever a browser says one, and has to be said by sockets and by
  whatever is no GET: no other page of the same browser can drive this one.
* A **token** in the address says what may be done, or a session that came of one (`rights`).  Of
  a session the cookie alone, which other ports of this host are sent too, opens no page: the
  browser has to show the other half, which it keeps for our origin alone.

`decide` is pure; `Gate` carries it out as an ASGI application around another.

"""

# https://asgi.readthedocs.io/en/latest/specs/www.html
# RFC 6454 (origin), RFC 6265 and 6265bis (cookies, SameSite), https://www.w3.org/TR/fetch-metadata/

from __future__ import annotations

import asyncio
import hmac
import html
import ipaddress
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.requests import ClientDisconnect

from playground.frontends.web.files import FILES
from playground.frontends.web.notice_page import notice_page
from playground.frontends.web.rights import Keys, Right, cookie_name, cookies_of
from playground.model.records import dataclass

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Where the rights of who asks stand in the scope of a request.
RIGHTS = "playground.rights"

# Names of a machine for itself.
LOOPBACK_NAMES = frozenset({"localhost"})

# A password has no more bytes, and a form not many more.
_FORM_BYTES = 4096
_FORM_WITHIN_S = 10.0
# So many wrong passwords a minute, from wherever they come: 2 million a year.
_TRIES, _TRIES_WITHIN_S = 5, 60.0

_LOGIN = "/login"
# Here a script of ours gets a ticket for a page, by the proof that it alone can read.
_TICKET = "/ticket"
PROOF = "x-playground-proof"
# What is no page: a file has a key in its address, a socket the number of a page that was
# opened (122 random bits), and all else below NiceGUI's is as everybody can download it.
_NO_PAGES = (FILES, "/_nicegui")
# What `starlette.middleware.base` says where an application ends without an answer.
_NO_ANSWER = "No response returned."
# Where a browser keeps the proofs that it has, and how many.
_KEPT, _MOST_KEPT = "playground-proofs", 16


@dataclass(frozen=True)
class Visit:
    """A request, or a socket that is to be opened, as far as the gate looks.

    ``origin`` and ``site`` (Sec-Fetch-Site) are None where nobody said one, ``token`` and
    ``ticket`` are what stands in the address, ``cookies`` what our cookies hold, ``proofs``
    what a header says.  ``navigates`` is whether the browser goes there, as by a link.

    """

    path: str
    host: str
    method: str = "GET"
    socket: bool = False
    origin: str | None = None
    site: str | None = None
    navigates: bool = False
    token: str | None = None
    ticket: str | None = None
    cookies: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()

    @property
    def is_page(self) -> bool:
        """Whether a page is asked for."""
        return not self.socket and not self.path.startswith(_NO_PAGES)


@dataclass(frozen=True)
class TurnedAway:
    """The answer to whom the server does not answer: an HTTP status, and a sentence."""

    status: int
    sentence: str


@dataclass(frozen=True)
class Admitted:
    """The rights of who may come in; ``remember`` is a token to be made a session of."""

    rights: frozenset[Right]
    remember: str | None = None


@dataclass(frozen=True)
class Unproven:
    """The answer to who has a cookie only: show the other half of the session first."""


@dataclass(frozen=True)
class Proven:
    """The answer to who has shown both halves of these sessions, for a ticket."""

    cookies: frozenset[str]


Verdict = Admitted | TurnedAway | Unproven | Proven


def decide(asked: Visit, keys: Keys, names: Collection[str], now: float = 0.0) -> Verdict:
    """Tell whether somebody may come in, and with which rights.

    ``names`` are those that this server answers to, besides addresses; ``now`` is in seconds of
    the clock that tickets were made by.  A ticket is used up by it.

    """
    if not is_our_name(asked.host, names):
        return TurnedAway(
            421,
            f"this server is not {asked.host[:80]!r}: open the address that it printed when it "
            "began",
        )
    if not _is_from_us(asked):
        return TurnedAway(403, "another page asked for this: open the page's own address")
    if asked.token is not None:
        right = keys.right_of(asked.token)
        if right is None:
            return TurnedAway(
                403,
                "the token in this address is none of this server's: it was begun anew since; "
                "look for the address that it printed then",
            )
        remember = asked.token if asked.is_page else None
        return Admitted(frozenset([right]), remember)
    cookies = keys.known(asked.cookies)
    if not cookies:
        return TurnedAway(
            401,
            "this page opens by its own address, which has a token in it: whoever began it sees "
            "that address in the terminal or the notebook",
        )
    if not asked.is_page:
        return Admitted(keys.rights_of_cookies(cookies))
    proven = keys.proven(cookies, asked.proofs)
    if asked.path == _TICKET and asked.method == "POST":
        if proven:
            return Proven(proven)
        return TurnedAway(403, "this browser has lost what it opens the page with")
    if asked.ticket is not None:
        proven |= keys.take_ticket(asked.ticket, cookies, now)
    return Admitted(keys.rights_of_cookies(proven)) if proven else Unproven()


def is_our_name(host: str, names: Collection[str]) -> bool:
    """Tell whether a Host header names this server: by an address, or by one of these names.

    An address names whatever the browser is connected with: only a name can be made to lead
    elsewhere.  The port is no matter, because SSH may carry it to another.

    """
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and name in names
    return True


def _is_from_us(asked: Visit) -> bool:
    """Tell whether a request comes of a page of this server, of no page, or is a plain visit."""
    safe = asked.method in ("GET", "HEAD") and not asked.socket
    if asked.origin is not None:
        try:
            origin = urlsplit(asked.origin).netloc
        except ValueError:
            return False
        if not origin or origin.lower() != asked.host.strip().lower():
            return False
    elif not safe:
        return False
    if asked.site in (None, "none", "same-origin"):
        return True
    return safe and asked.navigates


# -- carried out ----------------------------------------------------------------


class Gate:
    """An ASGI application that admits to another only whom it should.

    ``port`` is where the server listens; ``names`` are what it may be called.  With a
    ``password`` who has no token may log in, and has the right ``password_gives``.
    ``framed_by`` are origins whose pages may show this one in a frame.

    """

    def __init__(
        self,
        inner: Callable[[Scope, Receive, Send], Awaitable[None]],
        keys: Keys,
        port: int,
        names: Collection[str] = LOOPBACK_NAMES,
        *,
        secure: bool = False,
        password: str | None = None,
        framed_by: tuple[str, ...] = (),
    ) -> None:
        self._inner = inner
        self._keys = keys
        self._port = port
        self._names = names
        self._secure = secure
        self._password = password
        self._wrong: list[float] = []
        self._headers = _headers(framed_by)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        asked = _asked(scope, self._port)
        # The form itself shows nothing, and its answer is checked as all others are.
        verdict = decide(asked, self._keys, self._names, time.monotonic())
        if isinstance(verdict, Admitted):
            if verdict.remember is not None:
                await self._remember(_without_token(scope), verdict.remember, send)
                return
            scope[RIGHTS] = verdict.rights
            await self._admit(scope, receive, send)
        elif isinstance(verdict, Unproven):
            await self._say(200, _opening(_without_token(scope)), send)
        elif isinstance(verdict, Proven):
            await self._say(200, self._keys.ticket(verdict.cookies, time.monotonic()), send)
        elif asked.socket:
            # Before it is accepted this is an HTTP answer, 403 (ASGI, "Close - send event").
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        elif verdict.status == 401 and self._password is not None:
            await self._log_in(asked, receive, send)
        else:
            await self._say(verdict.status, notice_page(verdict.sentence), send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = False

        async def note() -> MutableMapping[str, Any]:
            nonlocal gone
            message = await receive()
            gone |= message["type"] == "http.disconnect"
            return message

        try:
            await self._inner(scope, note, self._with_headers(scope, send))
        except (RuntimeError, ClientDisconnect) as error:
            # Starlette ends what it sends to a browser that went away, and its own middleware
            # then misses the answer: nobody is there who would read one, or has made a mistake.
            if not gone or (isinstance(error, RuntimeError) and str(error) != _NO_ANSWER):
                raise

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def add(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                more = [pair for pair in self._headers if pair[0] not in given]
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        return add

    async def _remember(self, target: str, token: str, send: Send) -> None:
        # By a page of our own and not by a redirect: after that a browser that came from
        # elsewhere would not send a cookie which is SameSite=Strict.
        session = self._keys.remember(token)
        name = cookie_name(self._port, token, self._secure)
        cookie = f"{name}={session.cookie}; HttpOnly; SameSite=Strict; Path=/" + (
            "; Secure" if self._secure else ""
        )
        page = _opening(target, session.proof)
        await self._say(200, page, send, [(b"set-cookie", cookie.encode("latin-1"))])

    async def _log_in(self, asked: Visit, receive: Receive, send: Send) -> None:
        assert self._password is not None
        if asked.path != _LOGIN or asked.method != "POST":
            await self._say(401, _form(""), send)
            return
        now = time.monotonic()
        self._wrong = [one for one in self._wrong if now - one < _TRIES_WITHIN_S]
        if len(self._wrong) >= _TRIES:
            await self._say(429, _form("Too many wrong passwords: wait a minute."), send)
            return
        # Counted before it is waited for: ten thousand that end at once are as many tries.
        self._wrong.append(now)
        try:
            async with asyncio.timeout(_FORM_WITHIN_S):
                body = await _body(receive)
        except TimeoutError:
            await self._say(408, _form("The password did not come: say it again."), send)
            return
        given = dict(parse_qsl(body.decode(errors="replace"))).get("password", "")
        if hmac.compare_digest(given.encode(), self._password.encode()):
            with suppress(ValueError):  # after a minute it counts no more
                self._wrong.remove(now)
            await self._remember("/", self._keys.log_in(Right(may_change=True)), send)
            return
        await self._say(401, _form("That is not the password."), send)

    async def _say(
        self, status: int, page: str, send: Send, more: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        headers = [(b"content-type", b"text/html; charset=utf-8"), *self._headers, *(more or [])]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})


def _asked(scope: Scope, port: int) -> Visit:
    headers: dict[str, str] = {}
    doubled = False
    for name, value in scope["headers"]:
        word = name.decode("latin-1").lower()
        # Two hosts or origins are one too many: who reads which is anybody's guess.
        doubled |= word in headers and word in ("host", "origin")
        headers[word] = value.decode("latin-1")
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Visit(
        path=scope["path"],
        host="" if doubled else headers.get("host", ""),
        method=scope.get("method", "GET"),
        socket=scope["type"] == "websocket",
        origin=headers.get("origin"),
        site=headers.get("sec-fetch-site"),
        navigates=headers.get("sec-fetch-mode") == "navigate",
        token=query.get("token"),
        ticket=query.get("ticket"),
        cookies=tuple(cookies_of(headers.get("cookie", ""), port)),
        proofs=tuple(headers.get(PROOF, "").split(",")),
    )


def _without_token(scope: Scope) -> str:
    """Return the address that was asked for, below this server, without its secrets."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = urlencode([pair for pair in query if pair[0] not in ("token", "ticket")])
    # One slash: two would lead to another server.
    path = "/" + quote(scope["path"].lstrip("/\\"))
    return path + ("?" + rest if rest else "")


async def _body(receive: Receive) -> bytes:
    data = b""
    while len(data) <= _FORM_BYTES:
        message = await receive()
        data += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return data[:_FORM_BYTES]


def _headers(framed_by: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer: nothing from elsewhere, nothing to elsewhere."""
    # NiceGUI's pages have scripts in them, and Vue compiles templates.
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        f"form-action 'self'; frame-ancestors {' '.join(framed_by) or chr(39) + 'none' + chr(39)}"
    )
    said: Mapping[str, str] = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        # With no-referrer a browser's form says "Origin: null", by which no password would come in.
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode()) for name, value in said.items()]


# With the proofs that this browser keeps for this origin, and perhaps a new one, it gets a ticket
# for the page, and goes there.
_OPEN = (
    """
(async ({ target, proof }) => {
  let kept = [];
  try { kept = JSON.parse(localStorage.getItem("KEPT")) || []; } catch {}
  if (proof) {
    kept = [proof, ...kept].slice(0, MOST);
    try { localStorage.setItem("KEPT", JSON.stringify(kept)); } catch {}
  }
  const headers = { "PROOF": kept.join(",") };
  const answer = await fetch("/ticket", { method: "POST", headers });
  const where = new URL(target, location.origin);
  if (answer.ok && where.origin === location.origin) {
    where.searchParams.set("ticket", await answer.text());
    where.hash = location.hash;
    location.replace(where);
  } else document.querySelector("p").textContent = "This browser has lost what it opens the "
    + "page with: use the address with a token in it, which was printed when it began.";
})(document.currentScript.dataset);
""".replace("KEPT", _KEPT)
    .replace("MOST", str(_MOST_KEPT))
    .replace("PROOF", PROOF)
)


def _opening(target: str, proof: str = "") -> str:
    """Return the page that goes on to another of this server, with a new proof or an old one."""
    where, half = html.escape(target), html.escape(proof)
    script = f'<script data-target="{where}" data-proof="{half}">{_OPEN}</script>'
    without = "<noscript><p>This page needs scripts, which this browser does not run.</noscript>"
    return notice_page("One moment.").replace("</html>", without + script + "</html>")


def _form(sentence: str) -> str:
    return notice_page(sentence or "This page asks for a password.").replace(
        "</main>",
        f'<form method="post" action="{_LOGIN}"><label>Password <input name="password" '
        'type="password" autofocus></label> <button>Log in</button></form></main>',
    )
