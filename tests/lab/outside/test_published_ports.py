"""Ports of hosts at ports of this machine."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link
from playground.engines.seam import Engine
from playground.errors import BadArgument, EngineError, NoSuchNode, NotRunning
from playground.lab.outside.published_ports import PublishedAddress, refuse_taken
from playground.model.containers.container import PublishedPort
from playground.operations.connection.client import Client

SERVERS = """
import socket, socketserver, threading, http.server

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        if isinstance(self.request, tuple):  # a datagram
            self.request[1].sendto(self.request[0], self.client_address)
            return
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)

class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        room, count = bytearray(1 << 20), 0
        while part := self.request.recv_into(room):
            count += part
        self.request.sendall(b"%d" % count)

class Six(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from " + socket.gethostname().encode())

socketserver.TCPServer.request_queue_size = 1000
own = [row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)][-1]
servers = [
    http.server.ThreadingHTTPServer(("0.0.0.0", 80), Page),
    socketserver.ThreadingTCPServer(("0.0.0.0", 7), Echo),
    socketserver.ThreadingTCPServer((own, 8), Echo),
    socketserver.ThreadingTCPServer(("127.0.0.1", 9), Sink),
    socketserver.ThreadingUDPServer((own, 7), Echo),
    Six(("::1", 6), Echo),
]
for server in servers:
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()
print("up", flush=True)
"""


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab) -> Iterator[Lab]:
    www, client = Host("www"), Host("client", publish=[9, "53/udp"])
    Link(www, client)
    with Lab(www, name=f"published-{os.getpid()}", ipv6=True, quiet=True) as made:
        keep_lab(made.id)
        job = www.start(["python3", "-c", SERVERS])
        assert next(iter(job.stdout)).strip() == "up"
        yield made


@pytest.fixture(params=["handed over", "over a line"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have sockets handed to the agent, or carried over a line as to an engine elsewhere."""
    if request.param == "over a line":
        monkeypatch.setattr(Client, "ready_sockets", lambda self: "the engine is elsewhere")
    return str(request.param)


def connect(place: PublishedAddress) -> socket.socket:
    return socket.create_connection((place.address, place.port), 20)


def echoed(place: PublishedAddress, data: bytes = b"hello") -> bool:
    with connect(place) as line:
        line.sendall(data)
        return line.recv(len(data)) == data


def test_a_page_of_a_host_is_a_page_of_this_machine(lab: Lab) -> None:
    with lab.publish("www", 80) as page:
        assert urllib.request.urlopen(page, timeout=20).read() == b"from www"
        assert page == page.url == f"http://127.0.0.1:{page.port}/"
        assert (page.node, page.node_port) == ("www", 80)
        assert page.words.partition(",")[0] == "port 80 of www"
        assert f'<a href="{page}"' in page._repr_html_()
        assert page in lab.published
        assert pickle.loads(pickle.dumps(page)) == page
    assert {place.node for place in lab.published} == {"client"}
    with pytest.raises(ConnectionRefusedError):
        connect(page)
    page.close()


def test_what_a_host_was_declared_with_is_there_from_the_start(lab: Lab) -> None:
    found = {place.node_port: place.partition(":")[0] for place in lab.published}
    assert found == {9: "tcp", 53: "udp"}


@pytest.mark.parametrize("port", [7, 8, 6], ids=["all addresses", "its own alone", "::1 alone"])
def test_a_server_is_reached_wherever_it_listens(lab: Lab, road: str, port: int) -> None:
    with lab.publish("www", port) as place:
        assert echoed(place)


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1"])
def test_datagrams_come_back_to_who_asked(lab: Lab, road: str, listen: str) -> None:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with lab.publish("www", "7/udp", listen=listen) as place:
        assert place.startswith("udp://")
        for word in (b"one", b"other"):
            with socket.socket(family, socket.SOCK_DGRAM) as line:
                line.settimeout(20)
                line.connect((place.address, place.port))
                line.send(word)
                assert line.recv(100) == word


def test_over_a_line_this_program_carries(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "ready_sockets", lambda self: "the engine is elsewhere")
    with lab.publish("www", 80) as page:
        assert urllib.request.urlopen(page, timeout=20).read() == b"from www"
        assert page in lab.published
        assert "while this program runs" in page.words
    assert page not in lab.published
    with pytest.raises(ConnectionRefusedError):
        connect(page)


def test_what_was_said_to_its_end_is_still_answered(lab: Lab, road: str) -> None:
    with lab.publish("www", 9) as place, connect(place) as line:
        for _ in range(64):
            line.sendall(bytes(1 << 20))
        line.shutdown(socket.SHUT_WR)
        assert line.recv(100) == b"%d" % (64 << 20)


def test_five_hundred_connections_at_once(lab: Lab, road: str) -> None:
    with lab.publish("www", 7) as place:
        lines = [connect(place) for _ in range(500)]
        for number, line in enumerate(lines):
            line.sendall(b"%03d" % number)
        answers = [line.recv(3) for line in lines]
        for line in lines:
            line.close()
    assert answers == [b"%03d" % number for number in range(500)]


def test_closing_it_cuts_off_whom_it_connects(lab: Lab, road: str) -> None:
    place = lab.publish("www", 7)
    with connect(place) as line:
        line.sendall(b"x")
        assert line.recv(1) == b"x"
        place.close()
        with pytest.raises(ConnectionError):
            while line.recv(1) != b"":
                pass
            raise ConnectionResetError


def test_where_nobody_listens_who_calls_is_told(lab: Lab, road: str) -> None:
    with lab.publish("www", 1234) as place, pytest.raises(ConnectionResetError):
        echoed(place)


def test_a_port_in_use_is_refused_in_a_sentence(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {taken} of 127.0.0.1: another program has it"):
            lab.publish("www", 80, local_port=taken)
    with pytest.raises(EngineError, match=r"at 192.0.2.99: this machine has no such address"):
        lab.publish("www", 80, listen="192.0.2.99")
    with pytest.raises(BadArgument, match="0 is no port"):
        lab.publish("www", 0)
    with pytest.raises(NoSuchNode):
        lab.publish("nobody", 80)
    assert {place.node for place in lab.published} == {"client"}


def test_ports_that_cannot_be_had_are_refused_before_anything_is_made(engine: Engine) -> None:
    name = f"published-refused-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        www, api = Host("www", publish={taken: 80}), Host("api")
        Link(www, api)
        with pytest.raises(EngineError, match="another program has it"):
            Lab(www, name=name, quiet=True).start()
    www, api = Host("www", publish={taken: 80}), Host("api", publish={taken: 81})
    Link(www, api)
    with pytest.raises(EngineError, match=f"are both to be published at port {taken}"):
        Lab(www, name=name, quiet=True).start()
    assert name not in {record.name for record in engine.labs()}


@pytest.mark.parametrize("other", ["www", "api"])
def test_ports_that_overlap_are_refused_by_who_wants_them(other: str) -> None:
    wanted = [
        ("www", PublishedPort(80, "tcp", 47211)),
        (other, PublishedPort(81, "tcp", 47211, "0.0.0.0")),
    ]
    who = "www is twice" if other == "www" else "www and api are both"
    with pytest.raises(EngineError, match=f"^{who} to be published at port 47211"):
        refuse_taken(wanted)


def test_only_this_machine_reaches_it_unless_asked(lab: Lab) -> None:
    with lab.publish("www", 7) as place, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", place.port), 20)
    with lab.publish("www", 7, listen="0.0.0.0") as place:
        socket.create_connection(("127.0.0.2", place.port), 20).close()
        assert place == f"tcp://127.0.0.1:{place.port}"
        assert "open to everybody who reaches this machine" in place.words


@pytest.mark.cannot("swarm", "open sockets of hosts in this program")
def test_inside_a_sockets_block_it_listens_on_this_machine_all_the_same(lab: Lab) -> None:
    with lab.node("client").sockets():
        place = lab.publish("www", 7)
    with place:
        assert echoed(place)


OWNER = """
import sys, time
from playground import *
www, client = Host("www"), Host("client")
Link(www, client)
lab = Lab(www, name=sys.argv[1], quiet=True).start()
print(lab.publish(www, 80).port, flush=True)
time.sleep(600)
"""


def is_offered(port: int) -> bool:
    """Whether something listens at a port of this machine, though nobody may answer."""
    try:
        socket.create_connection(("127.0.0.1", port), 20).close()
    except ConnectionResetError:
        return True
    except ConnectionRefusedError:
        return False
    return True


def test_it_goes_with_its_owner_however_that_ends(engine: Engine) -> None:
    name = f"published-owner-{os.getpid()}"
    argv = [sys.executable, "-c", OWNER, name]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        assert is_offered(port)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_offered(port):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_kept_lab_goes_on_offering_it_and_whoever_comes_later_ends_it(engine: Engine) -> None:
    name = f"published-kept-{os.getpid()}"
    www = Host("www")
    Link(www, Host("client"))
    with Lab(www, name=name, keep=True, ipv6=True, quiet=True) as lab:
        place = lab.publish(www, 80)
    with Lab.attach(name, quiet=True) as again:
        job = again.node("www").start(["python3", "-c", SERVERS])
        assert next(iter(job.stdout)).strip() == "up"
        assert urllib.request.urlopen(place, timeout=20).read() == b"from www"
        (found,) = again.published
        assert (found, found.node) == (place, "www")
        found.close()
        with pytest.raises(ConnectionRefusedError):
            connect(place)
        other = again.publish("www", 7)
        again.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(other)
    with pytest.raises(NotRunning):
        again.publish("www", 7)
