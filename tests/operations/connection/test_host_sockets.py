"""Python's sockets on a host: what lives there, what stays here, and what is put back."""

from __future__ import annotations

import asyncio
import concurrent.futures
import email
import errno
import ftplib
import http.client
import http.server
import imaplib
import os
import poplib
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import paramiko
import pytest
import requests
import truststore

from playground import Host, Lab, Link, Switch
from playground.engines.docker.engine import DockerEngine
from playground.engines.seam import Engine
from playground.errors import EngineError, NotRunning
from playground.model.services.mail import SMTP
from playground.operations.connection import host_sockets as sockets
from tests.ordinary import USES_SOCKETS, ordinary_user

pytestmark = pytest.mark.cannot("swarm", "open sockets of hosts in this program")

USER, PASSWORD = "student", "secret"
LIMIT_S = 10


class Office:
    """A network with a server of each kind."""

    def __init__(self) -> None:
        switch = Switch("office", subnet="10.9.0.0/24")
        self.h1 = Host("h1")
        self.h2 = Host("h2")
        www = Host("www.example.com", services=["ssh", "http"])
        mail = Host("mail.example.com", services=["ssh", SMTP(domain="example.com"), "pop", "imap"])
        ftp = Host("ftp.example.com", services=["ssh", "ftp", "telnet"])
        ns = Host("ns.example.com", services=["ssh", "dns"])
        for number, node in enumerate((self.h1, self.h2, www, mail, ftp, ns), 1):
            Link(switch, node, address=f"10.9.0.{number}")
        self.lab = Lab(switch, name="office", users={USER: PASSWORD}, quiet=True)


@pytest.fixture(scope="module")
def office(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Office]:
    office = Office()
    with office.lab:
        keep_lab(office.lab.id)
        yield office


@pytest.fixture
def h1(office: Office) -> Host:
    return office.h1


@pytest.fixture
def h2(office: Office) -> Host:
    return office.h2


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """After each test Python's modules are as they were."""
    before = replaceable()
    yield
    assert replaceable() == before


def replaceable() -> list[tuple[object, object]]:
    return [
        (vars(owner).get(change.name), getattr(owner, change.name))
        for change in sockets._CHANGES
        for owner in change.owners
    ]


# Clients


def by_urllib(url: str) -> str:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        return str(answer.read().decode())


def by_http_client(url: str) -> str:
    kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    connection = kind[url.split(":")[0]]("www.example.com", timeout=LIMIT_S)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def by_requests(url: str) -> str:
    return requests.get(url, timeout=LIMIT_S).text


def by_httpx(url: str) -> str:
    return httpx.get(url, timeout=LIMIT_S).text


def by_httpx_async(url: str) -> str:
    async def get() -> str:
        async with httpx.AsyncClient(timeout=LIMIT_S) as client:
            return (await client.get(url)).text

    return asyncio.run(get())


def by_truststore(url: str) -> str:
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with urllib.request.urlopen(url, timeout=LIMIT_S, context=context) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "get", [by_urllib, by_http_client, by_requests, by_httpx, by_httpx_async, by_truststore]
)
def test_an_http_client_works_unchanged(h1: Host, scheme: str, get: Callable[[str], str]) -> None:
    with h1.sockets():
        assert "www.example.com" in get(f"{scheme}://www.example.com/")


def test_a_context_that_is_to_trust_a_file_trusts_that_alone(h1: Host, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pem"
    mine.write_text(Lab(Host("other")).ca_certificate)
    with h1.sockets():
        context = ssl.create_default_context(cafile=str(mine))
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen("https://www.example.com/", context=context)


def test_mail_goes_out_by_smtplib_and_comes_in_by_poplib_and_imaplib(h1: Host) -> None:
    message = email.message_from_string(f"From: {USER}@h1\nSubject: From a block\n\nHello.\n")
    with h1.sockets():
        with smtplib.SMTP("mail.example.com", timeout=LIMIT_S) as smtp:
            smtp.starttls(context=ssl.create_default_context())
            smtp.send_message(message, to_addrs=[f"{USER}@example.com"])

        def arrived() -> bool:
            box = poplib.POP3_SSL(
                "mail.example.com", context=ssl.create_default_context(), timeout=LIMIT_S
            )
            box.user(USER)
            box.pass_(PASSWORD)
            count = len(box.list()[1])
            box.quit()
            return count == 1

        assert wait_until(arrived)
        box = imaplib.IMAP4_SSL(
            "mail.example.com", ssl_context=ssl.create_default_context(), timeout=LIMIT_S
        )
        box.login(USER, PASSWORD)
        box.select()
        _, found = box.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT RECEIVED)])")
        box.logout()
    header = found[0][1].decode()
    assert "Subject: From a block" in header
    assert "[10.9.0.1]" in header, "it came from h1"


def wait_until(true: Callable[[], bool]) -> bool:
    return any(true() or threading.Event().wait(0.1) for _ in range(100))


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
def test_ftplib_connects_and_is_connected_to(h1: Host, passive: bool) -> None:
    name = f"from-h1-{'passive' if passive else 'active'}.txt"
    with h1.sockets(), ftplib.FTP("ftp.example.com", timeout=LIMIT_S) as ftp:
        ftp.login(USER, PASSWORD)
        ftp.set_pasv(passive)
        with Path("/dev/null").open("rb") as nothing:
            ftp.storbinary(f"STOR {name}", nothing)
        assert name in ftp.nlst()


def test_paramiko_logs_in(h1: Host) -> None:
    with h1.sockets(), paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "www.example.com",
            username=USER,
            password=PASSWORD,
            allow_agent=False,
            look_for_keys=False,
        )
        _, stdout, _ = client.exec_command("hostname; echo $SSH_CLIENT")
        hostname, origin = stdout.read().decode().splitlines()
    assert hostname == "www"
    assert origin.split()[0] == "10.9.0.1"


# Servers


def test_a_server_on_one_host_answers_a_client_on_another(h1: Host, h2: Host) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.client_address[0].encode())

        def log_message(self, *arguments: object) -> None:
            return

    with h1.sockets():
        server = http.server.ThreadingHTTPServer(("", 80), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
    try:
        with h2.sockets():
            assert by_urllib("http://h1/") == "10.9.0.2"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_tls_server_shows_its_certificate(office: Office, tmp_path: Path) -> None:
    www = office.lab.node("www")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text(www.read(f"/etc/playground/tls/{name}"))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with office.h2.sockets():
        server = serving.wrap_socket(socket.create_server(("", 443)), server_side=True)

    def answer() -> None:
        line, address = server.accept()
        with line:
            line.sendall(address[0].encode())

    thread = threading.Thread(target=answer)
    thread.start()
    with server, office.h1.sockets():
        trusting = ssl.create_default_context()
        plain = socket.create_connection(("h2", 443), timeout=LIMIT_S)
        with trusting.wrap_socket(plain, server_hostname="www.example.com") as line:
            assert line.recv(100) == b"10.9.0.1"
        thread.join()


def test_asyncio_serves_and_connects_in_tasks_of_two_hosts(h1: Host, h2: Host) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        writer.write(await reader.readline() + peer.encode())
        writer.close()
        await writer.wait_closed()

    async def serve(ready: asyncio.Event, done: asyncio.Event) -> None:
        with h1.sockets():
            async with await asyncio.start_server(answer, "h1", 7777):
                ready.set()
                await done.wait()

    async def ask(ready: asyncio.Event, done: asyncio.Event) -> bytes:
        await ready.wait()
        with h2.sockets():
            # By name: the loop's pool of threads looks it up, on h2 and not on h1.
            reader, writer = await asyncio.open_connection("h1", 7777)
            writer.write(b"hello\n")
            said = await reader.read()
            writer.close()
            await writer.wait_closed()
        done.set()
        return said

    async def outside() -> list[str]:
        """Another task, all the while: this machine knows no h1."""
        loop = asyncio.get_running_loop()
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("www.example.com.invalid", 80)
        return names()

    async def main() -> tuple[bytes, list[str]]:
        ready, done = asyncio.Event(), asyncio.Event()
        _, said, names = await asyncio.gather(serve(ready, done), ask(ready, done), outside())
        return said, names

    here = names()
    assert asyncio.run(main()) == (b"hello\n10.9.0.2", here)


def test_asyncio_sends_datagrams(h1: Host, h2: Host) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            self.transport.sendto(data.upper() + address[0].encode(), address)

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        with h1.sockets():
            transport, _ = await loop.create_datagram_endpoint(Echo, ("0.0.0.0", 7))
        with h2.sockets(), socket.socket(type=socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            await asyncio.to_thread(line.sendto, b"hello ", ("h1", 7))
            said = await asyncio.wait_for(loop.sock_recv(line, 100), LIMIT_S)
        transport.close()
        return said

    assert asyncio.run(main()) == b"HELLO 10.9.0.2"


def test_datagrams_in_parts_go_to_names_of_the_host(h1: Host, h2: Host) -> None:
    with h1.sockets(), socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("h1", 8))
        server.settimeout(LIMIT_S)
        with h2.sockets(), socket.socket(type=socket.SOCK_DGRAM) as line:
            assert line.sendmsg([b"hel", b"lo"], [], 0, ("h1", 8)) == 5
            line.connect(("h1", 8))
            assert line.sendmsg([b"again"]) == 5
        assert [server.recv(100), server.recv(100)] == [b"hello", b"again"]


# Names


def test_names_resolve_as_on_the_host(h1: Host) -> None:
    with h1.sockets():
        assert socket.gethostname() == "h1"
        assert socket.gethostbyname("www") == "10.9.0.3"
        assert socket.gethostbyname_ex("www.example.com")[2] == ["10.9.0.3"]
        assert socket.gethostbyaddr("10.9.0.3")[0].startswith("www")
        assert socket.getnameinfo(("10.9.0.3", 80), 0)[1] == "http"
        assert socket.getaddrinfo(b"www", "http", type=socket.SOCK_STREAM) == [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.9.0.3", 80))
        ]
        assert [name for _, name in socket.if_nameindex()] == ["lo", "eth0"]
        assert socket.if_indextoname(socket.if_nametoindex("eth0")) == "eth0"
        h1.hosts["printer"] = "10.9.0.50"
        assert socket.gethostbyname("printer") == "10.9.0.50"
        with pytest.raises(socket.gaierror) as raised:
            socket.getaddrinfo("nobody.example.com", 80)
        assert raised.value.errno == socket.EAI_NONAME


def test_numbers_need_nobody_to_look_them_up(h1: Host) -> None:
    with h1.sockets():
        rows = socket.getaddrinfo("10.9.0.3", 80, type=socket.SOCK_STREAM)
        assert rows == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.9.0.3", 80))]
        block = sockets._current()
        assert block is not None
        assert block.names._idle == []


# Affected sockets, and others


def origin(line: socket.socket) -> str:
    """Connect to the web server; return the address that this came from."""
    line.settimeout(LIMIT_S)
    line.connect(("www.example.com", 80))
    return str(line.getsockname()[0])


def names() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def test_blocks_nest_and_the_inner_one_counts(h1: Host, h2: Host) -> None:
    with h1.sockets() as entered:
        assert entered is h1
        with socket.socket() as line:
            assert origin(line) == "10.9.0.1"
        with h2.sockets(), socket.socket() as line:
            assert origin(line) == "10.9.0.2"
        with socket.socket() as line:
            assert origin(line) == "10.9.0.1"


def test_an_exception_ends_a_block_as_well(h1: Host) -> None:
    with pytest.raises(ZeroDivisionError), h1.sockets():
        _ = 1 / 0
    assert socket.gethostname() != "h1"


def test_a_socket_made_in_a_block_stays_and_one_made_before_stays_too(h1: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        with h1.sockets():
            there = socket.create_connection(("www", 80), timeout=LIMIT_S)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(here.getsockname(), timeout=LIMIT_S)
        with there:
            assert there.getsockname()[0] == "10.9.0.1"
            there.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert there.recv(100).startswith(b"HTTP/1.1 200")
        socket.create_connection(here.getsockname(), timeout=LIMIT_S).close()


def test_threads_of_a_block_are_in_it_and_others_are_not(h1: Host) -> None:
    here = names()
    seen: dict[str, list[str]] = {}
    opened, looked = threading.Event(), threading.Event()

    def look(who: str) -> None:
        seen[who] = names()

    def outsider() -> None:
        opened.wait(LIMIT_S)
        look("outsider")
        looked.set()

    other = threading.Thread(target=outsider)
    other.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with h1.sockets():
            opened.set()
            assert looked.wait(LIMIT_S)
            child = threading.Thread(target=look, args=["child"])
            child.start()
            child.join()
            pool.submit(look, "task of the block").result()
            outside = threading.Thread(target=other.join)
            outside.start()
            outside.join()
        # By the very thread that the block has started.
        pool.submit(look, "task after it").result()
    assert seen == {
        "outsider": here,
        "child": ["lo", "eth0"],
        "task of the block": ["lo", "eth0"],
        "task after it": here,
    }


def test_a_thread_that_outlives_its_block_is_on_this_machine_again(h1: Host) -> None:
    ended = threading.Event()
    seen = []

    def wait() -> None:
        seen.append(names())
        ended.wait(LIMIT_S)
        seen.append(names())

    here = names()
    with h1.sockets():
        thread = threading.Thread(target=wait)
        thread.start()
        assert wait_until(lambda: bool(seen))
    ended.set()
    thread.join()
    assert seen == [["lo", "eth0"], here]


def test_local_sockets_and_descriptors_stay_local(h1: Host, tmp_path: Path) -> None:
    here = socket.create_server(("127.0.0.1", 0))
    with here, socket.socket() as before, h1.sockets():
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(str(tmp_path / "socket"))
        one, other = socket.socketpair()
        with one, other:
            assert one.family == socket.AF_UNIX
        with socket.fromfd(before.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
            same.connect(here.getsockname())
            accepted, address = here.accept()
            accepted.close()
            assert address == same.getsockname()


def test_the_librarys_own_connections_leave_the_block(h1: Host) -> None:
    here = names()
    with h1.sockets():
        with sockets.on_this_machine():
            assert names() == here
        assert names() == ["lo", "eth0"]


def test_a_single_socket_lives_on_its_host(h1: Host) -> None:
    with h1.socket() as line, line.dup() as same:
        assert origin(same) == "10.9.0.1"
        assert "h1" in repr(line)
    with h1.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        assert line.sendto(b"hello", ("www", 9)) == 5
        assert line.sendmsg([b"he", b"llo"], [], 0, ("www", 9)) == 5
    with h1.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
        line.bind(("eth0", 0x0800))
    with pytest.raises(OSError, match="Protocol not supported") as raised:
        h1.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)
    assert raised.value.errno == errno.EPROTONOSUPPORT
    assert socket.gethostname() != "h1"


def test_a_lab_that_is_entered_by_another_line_hands_sockets_too(
    engine: Engine, keep_lab: Callable[[str], None]
) -> None:
    with Lab(Host("alone"), name="lonely", keep=True, quiet=True) as lab:
        keep_lab(lab.id)
    with Lab.attach(lab.id) as lab:
        alone = lab.node("alone")
        with alone.sockets():
            assert names() == ["lo"]
            lab.stop()
            with pytest.raises(NotRunning, match="alone is not running"):
                socket.socket()


def test_who_may_speak_with_docker_needs_no_root(docker_engine: DockerEngine) -> None:
    place = docker_engine.server.socket_path()
    if place is None:
        pytest.skip("the engine is reached by other means than a unix socket")
    with ordinary_user("docker", groups=[os.stat(place).st_gid]) as run:
        assert run(USES_SOCKETS).stdout.split() == ["10.9.0.2", "SOCK_RAW"]


# Without an engine


class Elsewhere:
    """The agent of an engine on another machine."""

    def ready_sockets(self) -> str:
        return "the engine runs on another machine"


class Answer:
    """Names that are all looked up to the same socket address."""

    def __init__(self, address: list[Any]) -> None:
        self._address = address

    def ask(self, name: str, *arguments: Any) -> Any:
        return [[int(socket.AF_INET6), 1, 6, "", self._address]]


@pytest.mark.parametrize(
    ("family", "told", "found", "used"),
    [
        (socket.AF_INET, ("www", 80), ["10.9.0.3", 0], ("10.9.0.3", 80)),
        (socket.AF_INET, ("10.9.0.3", 80), None, ("10.9.0.3", 80)),
        (socket.AF_INET6, ("www", 80), ["fd00::3", 0, 0, 0], ("fd00::3", 80, 0, 0)),
        (socket.AF_INET6, ("fe80::1%eth0", 80), ["fe80::1%eth0", 0, 0, 2], ("fe80::1", 80, 0, 2)),
        (socket.AF_PACKET, ("eth0", 0x800), None, ("eth0", 0x800)),
    ],
)
def test_a_socket_is_told_numbers(
    family: int, told: tuple[Any, ...], found: list[Any] | None, used: tuple[Any, ...]
) -> None:
    names: Any = None if found is None else Answer(found)
    assert sockets._numeric(names, family, told) == used


def test_an_engine_elsewhere_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Live:
        agent = Elsewhere()
        stopped = False

    host = Host("h1.example.com")
    monkeypatch.setattr(host, "_live", Live())
    for use in (lambda: host.sockets().__enter__(), host.socket):
        with pytest.raises(EngineError, match=r"runs on another machine. Use h1.call\(function\)"):
            use()


def test_a_host_that_does_not_run_has_no_sockets() -> None:
    with pytest.raises(NotRunning, match="h1 is not running"), Host("h1").sockets():
        pass


@pytest.mark.parametrize(
    ("host", "numeric"),
    [
        *[(None, True), ("", True), ("<broadcast>", True), ("10.1.1.1", True), (b"::1", True)],
        *[("fe80::1%eth0", False), ("localhost", False), ("10.1", False)],
    ],
)
def test_what_needs_a_look_up(host: str | bytes | None, numeric: bool) -> None:
    assert sockets._is_numeric(host) is numeric
