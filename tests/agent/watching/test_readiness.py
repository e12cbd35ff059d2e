"""Services that are waited for, and daemons that are started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, content, needs_root, run

SERVER = """
import socket, sys, ssl
kind, port, answer = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
if kind == "udp":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    print("up", flush=True)
    while True:
        data, peer = server.recvfrom(1000)
        server.sendto(answer + data, peer)
server = socket.create_server(("127.0.0.1", port))
if kind == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server = context.wrap_socket(server, server_side=True)
print("up", flush=True)
while True:
    try:
        connection, _ = server.accept()
        connection.sendall(answer)
        connection.sendall(connection.recv(1000))
        connection.close()
    except OSError:
        pass
"""


def serve(agent: Client, pid: int, *words: str) -> None:
    process = agent.spawn(pid, [sys.executable, "-c", SERVER, *words])
    assert process.read_stdout(20) == b"up\n"


def check(pid: int, port: int, expect: str | None, **more: Any) -> dict[str, Any]:
    return {
        "pid": pid,
        "node": "h1",
        "service": "test",
        "port": port,
        "protocol": "tcp",
        "tls": False,
        "send": None,
        "expect": expect,
        **more,
    }


@needs_root
def test_services_that_answer(
    agent: Client, nodes: tuple[Namespaces, Namespaces], tmp_path: Path
) -> None:
    h1, _ = nodes
    agent.call("network", nodes=[{"pid": h1.pid}])
    pem = _self_signed(tmp_path)
    serve(agent, h1.pid, "tcp", "1", "220 ready\r\n")
    serve(agent, h1.pid, "udp", "2", "\xffgot ")
    serve(agent, h1.pid, "tls", "3", "* OK\r\n", str(pem))
    checks = [
        check(h1.pid, 1, "^220 "),
        check(h1.pid, 1, "ping$", send=content(b"ping")),
        check(h1.pid, 1, None),
        check(h1.pid, 2, "got ping$", protocol="udp", send=content(b"ping")),
        check(h1.pid, 3, r"\* OK", tls=True),
    ]
    assert agent.call("wait_ready", checks=checks, timeout_s=20) == []


def _self_signed(folder: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    path = folder / "test.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@needs_root
def test_services_that_do_not_answer(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("network", nodes=[{"pid": h1.pid}])
    serve(agent, h1.pid, "tcp", "1", "500 broken\r\n")
    h2.kill()
    checks = [
        check(h1.pid, 1, "^220 ", send=content(b".")),
        check(h1.pid, 4, "^220 "),
        check(h1.pid, 5, "x", protocol="udp", send=content(b"?")),
        check(h2.pid, 1, "^220 "),
        check(h1.pid, 1, "(", service="odd"),
    ]
    failures = agent.call("wait_ready", checks=checks, timeout_s=0.5)
    by_port = {(row["service"], row["port"]): row for row in failures}
    messages = sorted(row["message"] for row in failures)
    assert len(failures) == 5
    assert by_port["test", 4]["message"] == "Connection refused"
    assert "it answered '500 broken\\r\\n.', which is not what was expected" in messages
    assert any("is gone" in message for message in messages)
    assert "unterminated" in by_port["odd", 1]["message"]


@needs_root
def test_waiting_does_not_hold_up_others(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    waiting = agent._request("wait_ready", {"checks": [check(pair[0].pid, 9, "x")], "timeout_s": 2})
    assert run(agent, pair[0].pid, "echo on") == "on\n"
    assert len(waiting.wait(20)) == 1
