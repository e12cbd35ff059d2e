"""The gate answers the page's own requests alone: no other name, page or token opens it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse

from playground.frontends.web.gate import (
    LOOPBACK_NAMES,
    PROOF,
    RIGHTS,
    Admitted,
    Gate,
    Proven,
    Receive,
    Scope,
    Send,
    TurnedAway,
    Unproven,
    Visit,
    decide,
    is_our_name,
)
from playground.frontends.web.rights import Keys, Right, cookie_name
from tests.frontends.web.chromium import chromium

KEYS = Keys()
TOKEN = KEYS.issue(Right("a", may_change=True))
LOOK = KEYS.issue(Right("a"))
SESSION, LOOKING = KEYS.remember(TOKEN), KEYS.remember(LOOK)
VISIT = Visit("/lab/a", "localhost:8810", cookies=(SESSION.cookie,), proofs=(SESSION.proof,))
SOCKET = replace(VISIT, socket=True, origin="http://localhost:8810")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost:8810", True),
        ("LOCALHOST", True),
        ("127.0.0.1:8810", True),
        ("[::1]:8810", True),
        ("10.0.0.7", True),  # an address cannot be rebound, only a name
        ("evil.example:8810", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("[evil", False),
        ("", False),
    ],
)
def test_a_host_header_names_us_or_is_refused(host: str, ours: bool) -> None:
    assert is_our_name(host, LOOPBACK_NAMES) is ours


ADMITTED = [
    VISIT,
    SOCKET,
    replace(VISIT, cookies=(), token=LOOK),
    replace(VISIT, site="none", navigates=True),
    replace(VISIT, site="cross-site", navigates=True),  # a link on a course's page
    replace(VISIT, method="POST", origin="http://localhost:8810", site="same-origin"),
    # SSH carries our port to another one.
    replace(SOCKET, host="localhost:9000", origin="http://localhost:9000"),
]


@pytest.mark.parametrize("asked", ADMITTED, ids=range(len(ADMITTED)))
def test_the_pages_own_requests_are_answered(asked: Visit) -> None:
    assert isinstance(decide(asked, KEYS, LOOPBACK_NAMES), Admitted)


REFUSED = {
    "rebound name": (replace(VISIT, host="evil.example:8810"), 421),
    "rebound name, its own origin": (
        replace(SOCKET, host="evil.example:8810", origin="http://evil.example:8810"),
        421,
    ),
    "socket of another page": (replace(SOCKET, origin="https://evil.example"), 403),
    "socket of another program on this machine": (
        replace(SOCKET, origin="http://localhost:3000"),
        403,
    ),
    "socket of nobody": (replace(SOCKET, origin=None), 403),
    "sandboxed frame": (replace(SOCKET, origin="null"), 403),
    "form of another page": (replace(VISIT, method="POST", origin="https://evil.example"), 403),
    "form of nobody": (replace(VISIT, method="POST"), 403),
    "image on another page": (replace(VISIT, site="cross-site"), 403),
    "frame's form": (replace(VISIT, method="POST", site="cross-site", navigates=True), 403),
    "no token": (replace(VISIT, cookies=()), 401),
    "a wrong cookie": (replace(VISIT, cookies=("x",)), 401),
    "a token for a cookie": (replace(VISIT, cookies=(TOKEN,)), 401),
    "a cookie for a token": (replace(VISIT, token=SESSION.cookie), 403),
    "a proof for a token": (replace(VISIT, token=SESSION.proof), 403),
    "a ticket without a proof": (
        replace(VISIT, path="/ticket", method="POST", origin="http://localhost:8810", proofs=()),
        403,
    ),
    "a wrong token in the address": (replace(VISIT, token="x"), 403),
    "a socket without a token": (replace(SOCKET, cookies=()), 401),
}


@pytest.mark.parametrize(("asked", "status"), REFUSED.values(), ids=REFUSED)
def test_all_others_are_refused(asked: Visit, status: int) -> None:
    verdict = decide(asked, KEYS, LOOPBACK_NAMES)
    assert isinstance(verdict, TurnedAway)
    assert verdict.status == status


def test_a_token_in_an_address_becomes_a_cookie_but_for_programs_that_fetch() -> None:
    page = decide(replace(VISIT, cookies=(), token=LOOK), KEYS, LOOPBACK_NAMES)
    file = decide(Visit("/files/k/x.pcapng", "localhost:1", token=LOOK), KEYS, LOOPBACK_NAMES)
    assert (page.remember, file.remember) == (LOOK, None)
    assert page.rights == file.rights == {Right("a")}


def test_what_another_port_of_this_host_gets_opens_no_page() -> None:
    # A browser sends a cookie to all ports of its host (RFC 6265, 8.5).
    stolen = replace(VISIT, proofs=())
    for proofs in ((), ("x",), (LOOKING.proof,), (SESSION.cookie,)):
        asked = replace(stolen, proofs=proofs)
        assert decide(asked, KEYS, LOOPBACK_NAMES) == Unproven()
    assert decide(replace(stolen, ticket="x"), KEYS, LOOPBACK_NAMES) == Unproven()
    # Another server, begun by the same user, does not know it at all.
    assert isinstance(decide(VISIT, Keys(), LOOPBACK_NAMES), TurnedAway)


def test_a_ticket_opens_one_page_soon_for_the_cookies_it_was_got_with() -> None:
    origin = "http://localhost:8810"
    both = replace(VISIT, path="/ticket", method="POST", origin=origin)
    assert decide(both, KEYS, LOOPBACK_NAMES) == Proven(frozenset([SESSION.cookie]))

    def opened(at_s: float, **changed: Any) -> bool:
        visit = replace(VISIT, proofs=(), ticket=ticket, **changed)
        return isinstance(decide(visit, KEYS, LOOPBACK_NAMES, at_s), Admitted)

    ticket = KEYS.ticket([SESSION.cookie], 100.0)
    assert opened(101.0)
    assert not opened(102.0), "used before"
    ticket = KEYS.ticket([SESSION.cookie], 100.0)
    assert not opened(200.0), "too late"
    ticket = KEYS.ticket([SESSION.cookie], 100.0)
    assert not opened(101.0, cookies=(LOOKING.cookie,)), "another's"


# -- carried out ----------------------------------------------------------------


async def _inner(scope: Any, receive: Any, send: Any) -> None:
    words = ",".join(sorted(str(right.lab) for right in scope[RIGHTS]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": words.encode()})


class Answer:
    """What the gate sent."""

    def __init__(self, sent: list[MutableMapping[str, Any]]) -> None:
        self.kind = sent[0]["type"]
        self.status = sent[0].get("status")
        self.headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", ())}
        self.text = b"".join(message.get("body", b"") for message in sent).decode()

    @property
    def session(self) -> dict[str, str]:
        """What a browser shows from now on: the cookie, and what the page's script has kept."""
        proof = re.search('data-proof="(.+?)"', self.text)[1]
        return {"cookie": self.headers["set-cookie"].partition(";")[0], PROOF: proof}


def ask(gate: Gate, path: str = "/", body: bytes = b"", **scope: Any) -> Answer:
    path, _, query = path.partition("?")
    headers = {"host": "localhost:8810", **scope.pop("headers", {})}
    asked = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **scope,
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gate(asked, receive, send))
    return Answer(sent)


@pytest.fixture
def gate() -> Gate:
    return Gate(_inner, KEYS, 8810)


def test_a_cookie_is_for_this_server_and_out_of_reach_of_scripts(gate: Gate) -> None:
    answer = ask(gate, f"/lab/a?token={LOOK}&x=1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{cookie_name(8810, LOOK)}=")
    assert LOOK not in cookie  # what every port of this host is sent is no token
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    # The token goes out of the address.
    assert 'data-target="/lab/a?x=1"' in answer.text
    assert LOOK not in answer.text
    assert ask(gate, "/lab/a", headers=answer.session).text == "a"
    alone = ask(gate, "/lab/a?x=1", headers={"cookie": answer.session["cookie"]})
    assert 'data-target="/lab/a?x=1"' in alone.text and 'data-proof=""' in alone.text


def test_a_page_opens_by_a_ticket_that_both_halves_get(gate: Gate) -> None:
    session = ask(gate, f"/lab/a?token={LOOK}").session
    cookie = {"cookie": session["cookie"]}
    origin = {"origin": "http://localhost:8810"}
    assert ask(gate, "/ticket", method="POST", headers=cookie | origin).status == 403
    ticket = ask(gate, "/ticket", method="POST", headers=session | origin).text
    assert ask(gate, f"/lab/a?ticket={ticket}", headers=cookie).text == "a"
    again = ask(gate, f"/lab/a?ticket={ticket}", headers=cookie).text
    assert 'data-target="/lab/a"' in again


def test_behind_a_certificate_the_cookie_is_of_this_host_and_tls_alone() -> None:
    gate = Gate(_inner, KEYS, 8810, secure=True)
    answer = ask(gate, f"/?token={LOOK}")
    assert answer.headers["set-cookie"].startswith("__Host-playground-8810-")
    assert answer.headers["set-cookie"].endswith("; Path=/; Secure")
    assert ask(gate, "/", headers=answer.session).text == "a"


def test_no_address_leads_to_another_server(gate: Gate) -> None:
    assert 'data-target="/evil.example/"' in ask(gate, f"//evil.example/?token={LOOK}").text
    assert "<b>" not in ask(gate, f"/<b>?token={LOOK}").text


def test_every_answer_forbids_what_other_pages_might_do(gate: Gate) -> None:
    for answer in (ask(gate), ask(gate, "/?token=" + TOKEN, headers={"host": "evil.example"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_a_socket_that_may_not_be_opened_is_closed_before_it_is_accepted(gate: Gate) -> None:
    assert ask(gate, type="websocket").kind == "websocket.close"


def test_two_hosts_are_one_too_many(gate: Gate) -> None:
    asked = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": f"token={TOKEN}".encode(),
        "headers": [(b"host", b"evil.example"), (b"host", b"localhost")],
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(asked, None, send))
    assert sent[0]["status"] == 421


def test_the_sentence_of_a_refusal_holds_no_markup_of_the_asker(gate: Gate) -> None:
    assert "<img" not in ask(gate, headers={"host": "<img src=x onerror=1>"}).text


@pytest.mark.parametrize("leaves", [True, False])
def test_a_browser_that_leaves_before_the_answer_is_no_mistake(leaves: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.2)
        yield b"packets"

    async def download(scope: Any, receive: Any, send: Any) -> None:
        if leaves:
            await StreamingResponse(pieces())(scope, receive, hold)
        # Else it is what forgets to answer, which is a mistake.

    async def hold(message: Any) -> None:
        await asyncio.sleep(0.2)

    async def through(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    gate = Gate(BaseHTTPMiddleware(download, through), KEYS, 8810)
    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "path": "/_nicegui/file",
        "query_string": b"",
        "method": "GET",
        "headers": [
            (b"host", b"localhost:8810"),
            (b"cookie", f"{cookie_name(8810, LOOK)}={LOOKING.cookie}".encode()),
        ],
    }
    if leaves:
        asyncio.run(gate(scope, receive, send))
    else:
        with pytest.raises(RuntimeError, match="No response returned"):
            asyncio.run(gate(scope, receive, send))


def test_a_password_opens_and_a_guesser_has_to_wait() -> None:
    keys = Keys()
    gate = Gate(_inner, keys, 8810, password="correct horse")
    same = {"origin": "http://localhost:8810"}

    def log_in(password: str, headers: dict[str, str] = same) -> Answer:
        body = f"password={password}".encode()
        return ask(gate, "/login", body, method="POST", headers=headers)

    assert 'type="password"' in ask(gate).text
    assert log_in("correct+horse", {"origin": "https://evil.example"}).status == 403
    opened = log_in("correct+horse")
    assert opened.status == 200
    assert ask(gate, headers=opened.session).text == "None"  # all labs
    assert [log_in("wrong").status for _ in range(6)] == [401] * 5 + [429]
    assert log_in("correct+horse").status == 429


def test_a_form_that_never_ends_is_cut() -> None:
    gate = Gate(_inner, Keys(), 8810, password="correct horse")
    sent: list[Any] = []
    read = 0

    async def receive() -> Any:
        nonlocal read
        read += 1024
        return {"type": "http.request", "body": b"a" * 1024, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"origin", b"http://localhost")],
    }
    asyncio.run(gate(scope, receive, send))
    assert sent[0]["status"] == 401
    assert read < 10_000


LOG_IN = {
    "type": "http",
    "method": "POST",
    "path": "/login",
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"origin", b"http://localhost")],
}


def test_passwords_that_come_all_at_once_are_as_many_tries() -> None:
    gate = Gate(_inner, Keys(), 8810, password="correct horse")
    statuses: list[int] = []

    async def guess_all() -> None:
        go_on = asyncio.Event()

        async def receive() -> Any:
            await go_on.wait()  # the bodies come last, when all have been begun
            return {"type": "http.request", "body": b"password=wrong", "more_body": False}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        guesses = [asyncio.create_task(gate(dict(LOG_IN), receive, send)) for _ in range(50)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*guesses)

    asyncio.run(guess_all())
    assert sorted(statuses) == [401] * 5 + [429] * 45


def test_a_right_password_is_no_try() -> None:
    gate = Gate(_inner, Keys(), 8810, password="correct horse")
    same = {"origin": "http://localhost:8810"}
    for _ in range(8):
        opened = ask(gate, "/login", b"password=correct+horse", method="POST", headers=same)
        assert opened.status == 200


def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.frontends.web.gate._FORM_WITHIN_S", 0.01)
    gate = Gate(_inner, Keys(), 8810, password="correct horse")
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(dict(LOG_IN), receive, send))
    assert sent[0]["status"] == 408


def test_who_knows_the_password_comes_in_by_the_form_of_a_browser() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    gate = Gate(_behind, Keys(), port, password="correct horse")
    server = uvicorn.Server(uvicorn.Config(gate, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with chromium() as browser:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            for password in ("wrong horse", "correct horse"):
                page.fill("input[name=password]", password)
                page.click("button")
            page.wait_for_selector("text=within")
    finally:
        server.should_exit = True
        thread.join(10)


async def _behind(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<p>within"})
