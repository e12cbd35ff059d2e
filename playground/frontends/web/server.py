"""The server of the live page: one in a process, in a thread of its own.

NiceGUI is one application in a process.  So there is one server, which goes on to the
process's end; labs come to it and go.

"""

from __future__ import annotations

import html
import socket
import threading
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from playground.engines.choice import RunningLabs
from playground.errors import BadArgument, NotReady, PlaygroundError
from playground.frontends.web import page
from playground.frontends.web.files import FileShelf
from playground.frontends.web.framing import notebook_origins
from playground.frontends.web.gate import LOOPBACK_NAMES, Gate
from playground.frontends.web.own_certificate import names_in
from playground.frontends.web.rights import Keys, Right
from playground.frontends.web.served_labs import ServedLabs
from playground.frontends.web.site import Site
from playground.frontends.web.thread_shares import ThreadShare
from playground.lab.lab import Lab
from playground.model.records import dataclass

# Of one message of a browser: a program of many pages is edited in one.
_MESSAGE_BYTES = 1 << 20
# For the list of labs: each lab has threads of its own.
_LIST_THREADS = 4
_READY_WITHIN_S = 30.0


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and what it asks for.

    ``host`` is an address of this machine; ``port`` 0 takes any that is free.  One that is not of
    the loopback needs a ``certificate`` (PEM) with its ``key``: nothing of a page passes a network
    that can be read on the way, its token and password least of all.

    """

    host: str = "127.0.0.1"
    port: int = 0
    password: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    names: Collection[str] = ()

    def check(self) -> None:
        """Raise `BadArgument` for a combination that would let strangers in."""
        if (self.certificate is None) != (self.key is None):
            raise BadArgument(
                "a certificate and its key come together: say --certificate FILE and --key FILE"
            )
        if self.password is not None and len(self.password) < 8:
            raise BadArgument("a password of fewer than 8 characters is soon guessed: take more")
        if not self.is_loopback and self.password is None and self.certificate is None:
            raise BadArgument(
                f"at {self.host} others can reach this page, and whoever holds it is root on the "
                "lab's machines: add --password, or --certificate FILE and --key FILE; or leave "
                "--host out and let others come by SSH"
            )
        if not self.is_loopback and self.certificate is None:
            raise BadArgument(
                f"at {self.host} others could read on the way what passes, the password too: a "
                "certificate is needed; `playground web` makes one where none is given"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine's own programs can reach it."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    def our_names(self) -> frozenset[str]:
        """Return the names that a browser may call this server by (`gate.is_our_name`).

        They are ``names``, ``host``, this machine's own, and those that its certificate is for.

        """
        certified = [] if self.certificate is None else names_in(self.certificate)
        said = [*self.names, self.host, socket.gethostname(), *certified]
        return LOOPBACK_NAMES | {name.lower() for name in said}


class WebServer:
    """The server of this process; `begin` is how one gets it."""

    def __init__(self, where: Listening, running: RunningLabs | None = None) -> None:
        where.check()
        self.where = where
        self.keys = Keys()
        self.labs = ServedLabs(running)
        self._threads = ThreadShare(_LIST_THREADS, "playground web")
        self.site = Site(self.labs, self.keys, self._threads, FileShelf(), self.address)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        self.port = 0

    def start(self, framed_by: tuple[str, ...] = ()) -> None:
        """Listen, and return when pages are answered; raises `PlaygroundError` where it cannot."""
        listener = _listen(self.where)
        self.port = listener.getsockname()[1]
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        page.register(self.site)
        ui.run_with(
            app,
            title="playground",
            dark=None,
            show_welcome_message=False,
            favicon="🕸️",
            # A phone that was in a pocket comes back to the page that it had.
            reconnect_timeout=30.0,
            message_history_length=200,
            binding_refresh_interval=None,
        )
        secure = self.where.certificate is not None
        gate = Gate(
            app,
            self.keys,
            self.port,
            self.where.our_names(),
            secure=secure,
            password=self.where.password,
            framed_by=framed_by,
        )
        config = uvicorn.Config(
            gate,
            log_level="warning",
            access_log=False,  # addresses have tokens in them
            ws_max_size=_MESSAGE_BYTES,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
            ssl_certfile=self.where.certificate,
            ssl_keyfile=self.where.key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._serve, args=[listener], name="playground web", daemon=True
        )
        self._thread.start()
        self._wait_until_ready()

    def _serve(self, listener: socket.socket) -> None:
        assert self._server is not None
        try:
            self._server.run(sockets=[listener])
        except BaseException as error:
            self._failed = error
        finally:
            listener.close()

    def _wait_until_ready(self) -> None:
        assert self._server is not None and self._thread is not None
        waited = threading.Event()
        for _ in range(int(_READY_WITHIN_S * 50)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                raise PlaygroundError(f"the page could not begin: {self._failed}")
            waited.wait(0.02)
        raise NotReady(f"the page did not begin within {_READY_WITHIN_S:g} s")

    def address(self, path: str, right: Right | None = None) -> str:
        """Return the address of a page, with a token for a right if one is given."""
        scheme = "http" if self.where.certificate is None else "https"
        host = "localhost" if self.where.is_loopback else self.where.host
        host = f"[{host}]" if ":" in host else host
        token = "" if right is None else f"?token={self.keys.issue(right)}"
        return f"{scheme}://{host}:{self.port}{path}{token}"

    def close(self) -> None:
        """Answer no more, and let go of all labs of other programs."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(5)
        self.site.close()
        self._threads.shutdown()
        self.labs.close()


def _listen(where: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    try:
        return socket.create_server((where.host, where.port), family=family)
    except OSError as error:
        raise PlaygroundError(
            f"the page cannot listen at {where.host}, port {where.port}: {error.strerror}; "
            "say another with --port, or leave it out to take one that is free"
        ) from None


# -- from a program or a notebook -------------------------------------------------

_here: list[WebServer] = []
_beginning = threading.Lock()


class WebPage:
    """The page of a lab: its address, which a notebook shows together with the page itself.

    ``address`` may change the lab; ``look_address`` is for others to look at only.

    """

    def __init__(self, server: WebServer, lab: Lab, key: str) -> None:
        self._server, self._lab, self._key = server, lab, key
        path = quote(lab.name, safe="")
        self.address = server.address(f"/lab/{path}", Right(lab.name, True, key))
        self.look_address = server.address(f"/look/{path}", Right(lab.name, bound_to=key))

    def close(self) -> None:
        """Let the addresses lead nowhere, and shut the pages; the lab goes on."""
        self._server.labs.remove(self._lab)
        self._server.site.withdraw(self._lab.name, only=self._key)

    def __repr__(self) -> str:
        return f"<the live page of {self._lab.name}: {self.address}>"

    def _repr_html_(self) -> str:
        address = html.escape(self.address)
        return (
            f'<p><a href="{address}" target="_blank" rel="noopener">The live page of '
            f"{html.escape(self._lab.name)}</a></p>"
            f'<iframe src="{address}" style="width:100%;height:620px;border:1px solid #8888" '
            'title="The live page"></iframe>'
        )


def open_page(lab: Lab, port: int = 0) -> WebPage:
    """Show a lab on the page of this process; begins the server if none runs yet."""
    with _beginning:
        if not _here:
            server = WebServer(Listening(port=port))
            server.start(notebook_origins())
            _here.append(server)
        server = _here[0]
    if port not in (0, server.port):
        raise BadArgument(
            f"the page of this program is at port {server.port} already: leave port={port} out"
        )
    key = server.labs.add(lab)
    # Another lab may have had that name before, and its addresses are not this one's.
    server.site.withdraw(lab.name, but=key)
    return WebPage(server, lab, key)
