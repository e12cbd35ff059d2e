"""The engine that runs the machines of a lab as containers of Docker."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from playground.display.progress import Silent
from playground.engines.debian_base import _mirror_lines
from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.errors import sentence as sentence_of
from playground.engines.docker.http import AgentChannel, Refused
from playground.engines.images import Image, helper_image, make_image
from playground.engines.seam import Channel, LabLabels, NodeContainer
from playground.errors import EngineError, ImageError, NodeDied
from playground.examples import coffee_shop
from playground.lab.lab import Lab
from playground.model.containers.limits import DEFAULT_PROCESSES, Limits

NewLab = Callable[[], LabLabels]


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine) -> DockerEngine:
    """All of this is about Docker."""
    return docker_engine


@pytest.fixture(scope="session")
def sleeper(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """A small image whose containers do nothing, for ever."""
    directory = tmp_path_factory.mktemp("images") / "sleeper"
    image = write_image(directory, 'ENTRYPOINT ["sleep", "infinity"]')
    engine.ensure_images([image])
    return image


@pytest.fixture(scope="session")
def helper(engine: DockerEngine) -> Image:
    image = helper_image()
    engine.ensure_images([image])
    return image


def write_image(directory: Path, *lines: str, base: Image | None = None) -> Image:
    directory.mkdir()
    text = "\n".join(["ARG BASE", "FROM ${BASE}", *lines])
    (directory / "Dockerfile").write_text(text + "\n")
    return make_image(directory, base)


def containers(engine: DockerEngine, lab: LabLabels) -> list[str]:
    return sorted(item["Names"][0] for item in engine._containers.listed(lab.id, everything=True))


def nodes_of(image: Image, *names: str) -> list[NodeContainer]:
    return [NodeContainer(name, name.partition(".")[0], image.tag) for name in names]


# -- images ------------------------------------------------------------------


def test_a_chain_is_built_once(engine: DockerEngine, tmp_path: Path) -> None:
    base = write_image(tmp_path / "lower", "RUN echo lower > /lower")
    image = write_image(tmp_path / "upper", "RUN cat /lower > /upper", base=base)
    try:
        engine.ensure_images([image])
        assert engine.has_image(base.tag)
        assert engine.has_image(image.tag)
        first = inspect(engine, image.tag)
        engine.ensure_images([image, base, image])
        assert inspect(engine, image.tag) == first
    finally:
        remove_images(engine, image, base)


def test_a_build_that_fails_shows_its_log(engine: DockerEngine, tmp_path: Path) -> None:
    image = write_image(tmp_path / "broken", "RUN echo so far so good && false")
    with pytest.raises(ImageError, match="image broken could not be built") as caught:
        engine.ensure_images([image])
    assert "so far so good" in caught.value.log
    assert "so far so good" in str(caught.value)
    assert not engine.has_image(image.tag)


def test_mmdebstrap_missing_is_said(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ImageError, match="install mmdebstrap"):
        engine.images.make_base(Silent())


@pytest.mark.parametrize("archive", ["", "half an archive"], ids=["nothing", "half"])
def test_half_a_base_gets_no_tag(
    engine: DockerEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, archive: str
) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text(f"#!/bin/sh\nprintf '{archive}'\necho 'E: no mirror' >&2\nexit 25\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(
        "playground.engines.docker.server_images.LOCAL_BASE", "playground/debian:never"
    )
    with pytest.raises(ImageError, match="mmdebstrap could not make") as caught:
        engine.images.make_base(Silent())
    assert "E: no mirror" in caught.value.log
    assert not engine.has_image("playground/debian:never")
    assert not engine.has_image("playground/debian:unfinished")


DEB822 = """\
Types: deb
URIs: {uri}
Suites: bookworm bookworm-updates
Components: main

Types: deb deb-src
URIs: {security}
Suites: bookworm-security
Components: main contrib
"""
ONE_LINE = """\
deb [arch=amd64] {uri} bookworm main non-free
deb {uri} bookworm-updates main
deb {security} bookworm-security main
deb https://packages.example.com bookworm stable
# deb http://old.example.com/debian bookworm main
"""


@pytest.mark.parametrize("form", [DEB822, ONE_LINE], ids=["deb822", "one-line"])
def test_the_machines_own_mirror_is_used(tmp_path: Path, form: str) -> None:
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    sources = tmp_path / "apt" / "sources.list.d" / "debian.sources"
    mirror, security = "http://mirror.example.edu/debian", "http://mirror.example.edu/security"
    sources.write_text(form.format(uri=mirror, security=security))
    assert _mirror_lines(tmp_path) == [
        f"deb {mirror} trixie main",
        f"deb {mirror} trixie-updates main",
        f"deb {security} trixie-security main",
    ]


@pytest.mark.parametrize(
    ("release", "uri"),
    [
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", "http://archive.example.com/ubuntu"),
        ("ID=debian\nVERSION_CODENAME=bookworm\n", "http://deb.debian.org/debian"),
        ("", ""),
    ],
    ids=["another system", "Debian's own servers", "nothing known"],
)
def test_else_debians_own_servers_are_used(tmp_path: Path, release: str, uri: str) -> None:
    (tmp_path / "os-release").write_text(release)
    (tmp_path / "apt").mkdir()
    security = "http://deb.debian.org/debian-security"
    (tmp_path / "apt" / "sources.list").write_text(ONE_LINE.format(uri=uri, security=security))
    assert _mirror_lines(tmp_path) == []


def inspect(engine: DockerEngine, tag: str) -> str:
    with engine.server.line() as line:
        return str(line.request("GET", f"/images/{tag}/json")["Id"])


def remove_images(engine: DockerEngine, *images: Image) -> None:
    with engine.server.line() as line:
        for image in images:
            line.request("DELETE", f"/images/{image.tag}", {"force": 1})


# -- containers --------------------------------------------------------------


def test_nodes_start_and_stop(engine: DockerEngine, sleeper: Image, new_lab: NewLab) -> None:
    lab = new_lab()
    names = [f"h{number}" for number in range(8)] + ["www.example.com"]
    pids = engine.start_nodes(lab, nodes_of(sleeper, *names))
    assert list(pids) == names
    assert len(set(pids.values())) == len(names)
    assert engine.pids(lab.id) == pids
    (record,) = [record for record in engine.labs() if record.id == lab.id]
    assert (record.name, record.owner, record.keep) == (lab.name, lab.owner, False)
    assert record.nodes == tuple(sorted(names))
    engine.stop(lab.id, ["h0", "h1"])
    assert set(engine.pids(lab.id)) == set(names) - {"h0", "h1"}
    engine.stop(lab.id)
    assert containers(engine, lab) == []
    engine.stop(lab.id)


def test_a_node_is_a_container_of_its_own(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    lab = new_lab()
    engine.start_nodes(lab, nodes_of(sleeper, "www.example.com"))
    with engine.server.line() as line:
        found = line.request("GET", f"/containers/{lab.id}.www.example.com/json")
    assert found["Config"]["Hostname"] == "www"
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert found["HostConfig"]["AutoRemove"]
    assert [name.removeprefix("CAP_") for name in found["HostConfig"]["CapAdd"]] == ["NET_ADMIN"]
    # A fork bomb ends in its host; of memory and processors it may have all.
    assert found["HostConfig"]["PidsLimit"] == DEFAULT_PROCESSES
    assert (found["HostConfig"]["Memory"], found["HostConfig"]["NanoCpus"]) == (0, 0)
    mounts = Path(f"/proc/{found['State']['Pid']}/mounts")
    if mounts.exists():  # the engine runs on this machine
        read_only = {line.split()[1] for line in mounts.read_text().splitlines() if " ro," in line}
        assert "/proc/sys/kernel" in read_only
        assert "/proc/sys" not in read_only
        assert "/proc/sys/net" not in read_only
        tree = {f"/proc/sys/{path.name}" for path in Path("/proc/sys").iterdir()}
        assert tree - read_only == {"/proc/sys/net"}


def test_a_nodes_limits_are_the_engines(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    lab = new_lab()
    limits = Limits(memory_mb=64, cpus=0.5, processes=100)
    engine.start_nodes(lab, [NodeContainer("h1", "h1", sleeper.tag, limits=limits)])
    with engine.server.line() as line:
        config = line.request("GET", f"/containers/{lab.id}.h1/json")["HostConfig"]
    assert config["PidsLimit"] == 100
    assert config["NanoCpus"] == 500_000_000
    # Swap is no way out: it is counted with the memory.
    assert config["Memory"] == config["MemorySwap"] == 64 << 20


def test_more_processors_than_there_are_is_one_sentence_and_leaves_nothing(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    lab = new_lab()
    limits = Limits(cpus=1e6)
    with pytest.raises(EngineError, match="asks with cpus= for more processors than"):
        engine.start_nodes(lab, [NodeContainer("h1", "h1", sleeper.tag, limits=limits)])
    assert containers(engine, lab) == []


def test_two_labs_do_not_touch_each_other(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    one, two = new_lab(), new_lab()
    engine.start_nodes(one, nodes_of(sleeper, "h1"))
    pids = engine.start_nodes(two, nodes_of(sleeper, "h1"))
    engine.stop(one.id)
    assert engine.pids(two.id) == pids


def test_a_container_that_ends_at_once_shows_its_log(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab, tmp_path: Path
) -> None:
    image = write_image(
        tmp_path / "mayfly", 'ENTRYPOINT ["sh", "-c", "echo no configuration >&2; exit 3"]'
    )
    engine.ensure_images([image])
    lab = new_lab()
    nodes = [*nodes_of(sleeper, "h1", "h2"), *nodes_of(image, "h3"), *nodes_of(sleeper, "h4")]
    try:
        with pytest.raises(NodeDied, match=r"h3 ended .* with status 3") as caught:
            engine.start_nodes(lab, nodes)
            # On a busy machine even a mayfly may live through that.
            for _ in range(100):
                engine.refuse_dead(lab, nodes)
                time.sleep(0.1)
        assert "no configuration" in str(caught.value)
        engine.stop(lab.id)
    finally:
        remove_images(engine, image)


def test_a_program_that_is_not_there_leaves_nothing(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "hollow", 'ENTRYPOINT ["/no/such/program"]')
    engine.ensure_images([image])
    lab = new_lab()
    try:
        with pytest.raises(EngineError, match="/no/such/program"):
            engine.start_nodes(lab, [*nodes_of(sleeper, "h1"), *nodes_of(image, "h2")])
        assert containers(engine, lab) == []
    finally:
        remove_images(engine, image)


def test_a_missing_image_is_one_sentence_and_leaves_nothing(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    lab = new_lab()
    nodes = [*nodes_of(sleeper, "h1", "h2", "h3"), NodeContainer("h4", "h4", "playground/no:1")]
    with pytest.raises(EngineError, match=r"playground/no:1.*playground build"):
        engine.start_nodes(lab, nodes)
    assert containers(engine, lab) == []


def test_a_failure_leaves_the_nodes_of_before(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    lab = new_lab()
    pids = engine.start_nodes(lab, nodes_of(sleeper, "h1"))
    with pytest.raises(EngineError, match="already in use"):
        engine.start_nodes(lab, nodes_of(sleeper, "h1", "h2"))
    assert engine.pids(lab.id) == pids


def test_an_interrupt_leaves_nothing(engine: DockerEngine, sleeper: Image, new_lab: NewLab) -> None:
    lab = new_lab()
    # Of the other machines that start meanwhile each would press it again, at any time.
    pressed = threading.Lock()

    class Interrupt(Silent):
        """Presses Ctrl-C when the first machine has started."""

        def step(self, title: str, total: int | None = None):  # type: ignore[no-untyped-def]
            step = super().step(title, total)

            class Once:
                def __enter__(self) -> Once:
                    self.inner = step.__enter__()
                    return self

                def __exit__(self, *exception: object) -> None:
                    step.__exit__(None, None, None)

                def note(self, text: str) -> None: ...

                def advance(self, count: int = 1) -> None:
                    if pressed.acquire(blocking=False):
                        signal.raise_signal(signal.SIGINT)

            return Once()

    names = [f"h{number}" for number in range(12)]
    with pytest.raises(KeyboardInterrupt):
        engine.start_nodes(lab, nodes_of(sleeper, *names), Interrupt())
    assert containers(engine, lab) == []


def test_stop_waits_for_a_removal_in_progress(
    engine: DockerEngine, sleeper: Image, new_lab: NewLab
) -> None:
    """As when the agent has killed all nodes, and the engine is removing them."""
    lab = new_lab()
    names = [f"h{number}" for number in range(6)]
    engine.start_nodes(lab, nodes_of(sleeper, *names))
    with engine.server.line() as line:
        for name in names:
            line.request("POST", f"/containers/{lab.id}.{name}/kill")
    engine.stop(lab.id)
    assert containers(engine, lab) == []


# -- the line to the agent ---------------------------------------------------


@pytest.mark.parametrize("keep", [False, True], ids=["that ends", "that stays"])
def test_the_helper_of_a_lab(
    engine: DockerEngine, helper: Image, new_lab: NewLab, keep: bool
) -> None:
    lab = dataclasses.replace(new_lab(), keep=keep)
    with closing(engine.start_helper(lab, helper)) as channel:
        converse(channel, 10)
    deadline = time.monotonic() + 20
    while containers(engine, lab) and not keep:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert bool(containers(engine, lab)) == keep
    engine.stop(lab.id)


def test_the_agent_says_hello(engine: DockerEngine, helper: Image, new_lab: NewLab) -> None:
    lab = new_lab()
    with closing(engine.start_helper(lab, helper)) as first:
        converse(first)
        # A second agent beside the first: `Lab.attach`.
        exchange(engine, lab)
        engine.stop(lab.id)
    with pytest.raises(EngineError, match="No such container"):
        engine.connect(lab.id)


def exchange(engine: DockerEngine, lab: LabLabels, size: int = 3_000_000) -> None:
    """Have one more agent say hello and echo more than any buffer on the way holds."""
    with closing(engine.connect(lab.id)) as channel:
        converse(channel, size)


def converse(channel: Channel, size: int = 3_000_000) -> None:
    assert json.loads(read_line(channel))["hello"]["protocol"] == 1
    value = "x" * size
    request = {"id": 1, "op": "echo", "args": {"value": value}}
    channel.write(json.dumps(request).encode() + b"\n")
    assert json.loads(read_line(channel))["result"] == value


def read_line(channel: Channel) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        more = channel.read(65536)
        assert more, f"the line was closed; stderr: {channel.stderr_tail()}"
        received += more
    return bytes(received)


def test_closing_wakes_a_reader(engine: DockerEngine, helper: Image, new_lab: NewLab) -> None:
    lab = new_lab()
    channel = engine.start_helper(lab, helper)
    read_line(channel)
    ended: list[bytes] = []
    reader = threading.Thread(target=lambda: ended.append(channel.read(1)))
    reader.start()
    channel.close()
    channel.close()
    reader.join(20)
    assert ended == [b""]
    with pytest.raises(OSError, match="closed"):
        channel.write(b"{}\n")


def frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize("step", [1, 7, 8, 9, 4096], ids=lambda step: f"{step} bytes at a time")
def test_frames_are_taken_apart(step: int) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = AgentChannel(ours, frame(1, b"he")[:5], None)
        data = frame(1, b"he")[5:] + frame(2, b"warning\n") + frame(1, b"") + frame(1, b"llo\n")
        for at in range(0, len(data), step):
            theirs.sendall(data[at : at + step])
        theirs.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: channel.read(3), b""))
        channel.close()
    assert received == b"hello\n"
    assert channel.stderr_tail() == "warning\n"


def test_the_last_of_stderr_is_kept() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = AgentChannel(ours, b"", None)
        for number in range(100):
            theirs.sendall(frame(2, b"%0100d" % number))
        theirs.sendall(frame(1, b"!"))
        assert channel.read(1) == b"!"
        channel.close()
    assert channel.stderr_tail().endswith("99")
    assert len(channel.stderr_tail()) == 8192


# -- engines elsewhere, and none ---------------------------------------------


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[str]:
    """A tcp:// address of the engine: a loopback port forwarded to its socket."""
    code = """
        import asyncio, sys

        async def copy(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        async def forward(reader, writer):
            theirs, ours = await asyncio.open_unix_connection(sys.argv[1])
            try:
                await asyncio.gather(copy(reader, ours), copy(theirs, writer))
            finally:
                ours.close()
                writer.close()

        async def main():
            server = await asyncio.start_server(forward, "127.0.0.1", 0)
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), "/var/run/docker.sock"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"tcp://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def test_everything_works_over_tcp(
    engine: DockerEngine, helper: Image, sleeper: Image, new_lab: NewLab, forwarder: str
) -> None:
    everything_works(DockerEngine(forwarder), helper, sleeper, new_lab())
    a_whole_lab_works(forwarder)


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An ssh:// address of the engine: an sshd on loopback with keys of its own."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or shutil.which("docker") is None:
        missing = "needs openssh-server and the docker command on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    for path in (tmp_path / "host_key", home / ".ssh" / "id_ed25519"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True, timeout=20)
    port = free_port()
    public = (tmp_path / "host_key.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (tmp_path / "sshd_config").write_text(
        f"""
        ListenAddress 127.0.0.1:{port}
        HostKey {tmp_path}/host_key
        AuthorizedKeysFile {home}/.ssh/id_ed25519.pub
        PidFile none
        PermitRootLogin yes
        StrictModes no
        UsePAM no
        """
    )
    # docker-py reads ~/.ssh; paramiko offers the keys that lie there.
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    # sshd wants its own directory for unprivileged children.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = tmp_path / "sshd.log"
    command = [program, "-D", "-e", "-f", str(tmp_path / "sshd_config")]
    with log.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
        wait_for_port(port, log)
        yield f"ssh://{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1:{port}"
        process.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"sshd does not listen: {log.read_text()}"
            time.sleep(0.02)
        else:
            return


def test_everything_works_over_ssh(
    engine: DockerEngine, helper: Image, sleeper: Image, new_lab: NewLab, sshd: str
) -> None:
    everything_works(DockerEngine(sshd), helper, sleeper, new_lab())
    a_whole_lab_works(sshd)


def test_ssh_that_does_not_let_in_is_one_sentence(
    sshd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "stranger"
    (stranger / ".ssh").mkdir(parents=True)
    known = tmp_path / "home" / ".ssh" / "known_hosts"
    (stranger / ".ssh" / "known_hosts").write_bytes(known.read_bytes())
    monkeypatch.setenv("HOME", str(stranger))
    with pytest.raises(EngineError, match="does not let you in by ssh"):
        DockerEngine(sshd).check()
    (stranger / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(EngineError, match="not found in known_hosts"):
        DockerEngine(sshd).check()


def a_whole_lab_works(url: str) -> None:
    lab = coffee_shop(engine=DockerEngine(url), quiet=True)
    h1, www = lab.node("h1"), lab.node("www")
    with lab:
        assert h1.ping(www).received == 3
        assert "www.example.com" in h1.run("curl -s http://www.example.com/").stdout
        h1.write("/root/big", b"x" * 5_000_000)
        assert h1.run("wc -c < /root/big").stdout.strip() == "5000000"
        assert h1.call(lambda: 6 * 7) == 42
        with h1.ssh(to=www) as client:
            assert client.exec_command("hostname")[1].read() == b"www\n"
        www.services["http"].restart()
        attached = Lab.attach(lab.id, engine=DockerEngine(url), quiet=True)
        assert attached.node("h1").run("hostname").stdout == "h1\n"
        attached.detach()


def everything_works(engine: DockerEngine, helper: Image, sleeper: Image, lab: LabLabels) -> None:
    try:
        engine.check()
        engine.ensure_images([helper, sleeper])
        first = engine.start_helper(lab, helper)
        converse(first)
        pids = engine.start_nodes(lab, nodes_of(sleeper, *(f"h{n}" for n in range(8))))
        assert engine.pids(lab.id) == pids
        # More lines than one ssh connection has sessions for.
        channels = [engine.connect(lab.id) for _ in range(3)]
        for channel in channels:
            assert b"hello" in read_line(channel)
        exchange(engine, lab)
        for channel in (*channels, first):
            channel.close()
        engine.stop(lab.id)
        assert containers(engine, lab) == []
    finally:
        engine.stop(lab.id)
        engine.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("unix:///nowhere/docker.sock", "start Docker"),
        ("tcp://127.0.0.1:1", "start Docker"),
        ("ssh://nobody@127.0.0.1:1", "start Docker"),
        ("nonsense://", "cannot be used"),
    ],
)
def test_no_engine_is_one_sentence(url: str, words: str) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        DockerEngine(url).check()
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


def answer(version: bytes) -> Callable[[socket.socket], None]:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(version)
            connection.sendall(head + version)

    return serve


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (b'{"Version": "19.03", "ApiVersion": "1.40"}', "too old: it is 19.03 with API 1.40"),
        (b'{"ApiVersion": "1.45", "Os": "windows"}', "Linux containers"),
    ],
    ids=["too old", "of Windows"],
)
def test_an_engine_that_will_not_do(tmp_path: Path, version: bytes, words: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(target=answer(version), args=(listener,))
        thread.start()
        with pytest.raises(EngineError, match=words):
            DockerEngine(f"unix://{tmp_path}/s").check()
        thread.join(10)


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.52", "1.44", "1.44"), ("1.47", "1.24", "1.41")],
    ids=["Docker 20.10", "Docker 29", "Docker 27"],
)
def test_the_oldest_version_both_know_is_spoken(
    tmp_path: Path, newest: str, oldest: str, spoken: str
) -> None:
    version = json.dumps({"ApiVersion": newest, "MinAPIVersion": oldest}).encode()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(target=answer(version), args=(listener,))
        thread.start()
        engine = DockerEngine(f"unix://{tmp_path}/s")
        assert engine.server.negotiated() == spoken
        engine.close()
        thread.join(10)


def test_no_permission_is_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        error: Exception = PermissionError(13, "Permission denied")
        sentence = sentence_of(error, "asking", "unix:///x")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
            (tmp_path / "s").chmod(0)
            with pytest.raises(EngineError) as caught:
                DockerEngine(f"unix://{tmp_path}/s").check()
            sentence = str(caught.value)
    assert "docker group" in sentence


def test_a_full_disk_is_one_sentence() -> None:
    refusal = Refused(500, "write /x: No space left on device")
    assert "disk is full" in sentence_of(refusal, "building", "unix:///x")


def test_importing_playground_imports_no_engine() -> None:
    """docker takes a third of a second, and `playground --help` needs none."""
    code = "import sys, playground; sys.exit(bool({'docker', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 0


def test_an_engine_shows_where_it_is() -> None:
    assert repr(DockerEngine()) == "DockerEngine()"
    assert repr(DockerEngine("tcp://x:1")) == "DockerEngine('tcp://x:1')"
