"""The client against a real agent: commands, streams, threads, the end of the line."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from playground.errors import AgentError, AgentGone
from playground.operations.connection.client import Client, PipeChannel, SubprocessChannel
from tests.support_agent import Namespaces, agent_argv, connect, needs_root, wait_for


@pytest.fixture
def agent() -> Iterator[Client]:
    with connect(network=False) as client:
        yield client


@pytest.fixture(scope="module")
def node() -> Iterator[Namespaces]:
    with Namespaces("h1") as namespaces:
        yield namespaces


def exists(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


# -- Requests ----------------------------------------------------------------


def test_hello_tells_versions(agent: Client) -> None:
    hello = agent.hello(20)
    assert hello["protocol"] == 1
    assert hello["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert exists(hello["pid"])


@pytest.mark.parametrize(
    "value",
    [None, 5, "é\n\x00☃", ["x"] * 3, {"deep": [{"er": 1.5}]}, "x" * 3_000_000],
    ids=["null", "number", "text", "list", "object", "long"],
)
def test_echo(agent: Client, value: object) -> None:
    assert agent.call("echo", value=value) == value


def test_error_carries_the_remote_traceback(agent: Client) -> None:
    with pytest.raises(AgentError) as caught:
        agent.call("echo")
    assert caught.value.op == "echo"
    assert "missing 1 required positional argument: 'value'" in str(caught.value)
    assert "Traceback" in caught.value.remote_traceback
    assert agent.call("echo", value=1) == 1


def test_what_was_begun_goes_on_while_others_are_asked(agent: Client) -> None:
    first, second = agent.begin("echo", value=1), agent.begin("fly")
    assert agent.call("echo", value=3) == 3
    with pytest.raises(AgentError, match="knows no fly as this playground"):
        second()
    assert first() == 1


def test_many_threads_call_at_once(agent: Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda n: agent.call("echo", value=n), range(500))) == list(range(500))


def test_call_after_close() -> None:
    client = connect(network=False)
    client.close()
    client.close()
    with pytest.raises(AgentGone, match="is closed"):
        client.call("echo", value=1)
    assert repr(client) == "<Client of an agent, closed>"


def test_agent_that_dies_wakes_all_who_wait() -> None:
    with connect(network=False) as client:
        pid = client.hello()["pid"]
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(client.call, "echo", value=1) for _ in range(4)]
            os.kill(pid, signal.SIGKILL)
            for future in waiting:
                with pytest.raises(AgentGone):
                    future.result(20)


def test_agent_that_cannot_start_says_why() -> None:
    channel = SubprocessChannel([sys.executable, "-c", "raise SystemExit('no luck')"])
    with Client(channel) as client, pytest.raises(AgentGone, match="no luck"):
        client.hello(20)


def test_another_version_of_the_protocol() -> None:
    program = 'print(\'{"hello": {"protocol": 99}}\', flush=True); input()'
    with (
        Client(SubprocessChannel([sys.executable, "-c", program])) as client,
        pytest.raises(AgentError, match="stop it and start it again"),
    ):
        client.hello(20)


def test_nothing_said_in_time() -> None:
    program = "import sys; sys.stdin.read()"
    with (
        Client(SubprocessChannel([sys.executable, "-c", program])) as client,
        pytest.raises(AgentError, match="did not answer") as caught,
    ):
        client.hello(0.1)
    assert caught.value.errno == errno.ETIMEDOUT


# -- Commands ----------------------------------------------------------------


@needs_root
def test_streams_are_kept_apart(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert process.communicate(timeout_s=20) == (b"out\n", b"err\n")
    assert process.wait(20) == 3
    assert process.closed


@needs_root
def test_streams_merged(agent: Client, node: Namespaces) -> None:
    script = "echo out; echo err >&2; echo more"
    process = agent.spawn(node.pid, ["sh", "-c", script], merge_stderr=True)
    assert process.communicate(timeout_s=20) == (b"out\nerr\nmore\n", b"")


@needs_root
def test_ten_million_random_bytes_both_ways(agent: Client, node: Namespaces) -> None:
    data = os.urandom(10_000_000)
    process = agent.spawn(node.pid, ["cat"], stdin=True)
    out, err = process.communicate(data, timeout_s=60)
    assert (out == data, err, process.wait(20)) == (True, b"", 0)


@needs_root
def test_output_is_in_memory_twice_at_most(agent: Client, node: Namespaces) -> None:
    size = 24_000_000
    process = agent.spawn(node.pid, ["head", "-c", str(size), "/dev/zero"])
    tracemalloc.start()
    try:
        stdout, _ = process.communicate(timeout_s=60)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(stdout) == size
    # What is under way comes to some megabytes.
    assert kept < 1.1 * size
    assert peak < 2.6 * size


def test_twenty_threads_at_once(agent: Client, node: Namespaces) -> None:
    def run(number: int) -> bytes:
        data = os.urandom(300_000 + number)
        process = agent.spawn(node.pid, ["cat"], stdin=True)
        out, _ = process.communicate(data, timeout_s=60)
        assert out == data
        return agent.spawn(node.pid, ["echo", str(number)]).communicate(timeout_s=60)[0]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(run, range(40))) == [b"%d\n" % number for number in range(40)]


@needs_root
def test_reading_as_it_comes(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["sh", "-c", "read a; echo got $a; read b"], stdin=True)
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        process.read_stdout(0.05)
    process.write(b"this\n")
    assert process.read_stdout(20) == b"got this\n"
    assert not process.closed
    process.close_stdin()
    assert process.read_stdout(20) == b""
    assert process.read_stderr(20) == b""
    assert process.wait(20) == 1
    process.close_stdin()
    assert repr(process).endswith("ended with 1>")


@needs_root
def test_output_nobody_reads_stops_the_command(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["head", "-c", "20000000", "/dev/zero"])
    with pytest.raises(TimeoutError):
        process.wait(0.5)
    total = 0
    while data := process.read_stdout(20):
        total += len(data)
    assert total == 20_000_000
    assert process.wait(20) == 0


@needs_root
@pytest.mark.parametrize("command", ["true", "exec <&-; exec sleep 0.1"], ids=["ended", "closed"])
def test_input_that_is_not_read(agent: Client, node: Namespaces, command: str) -> None:
    process = agent.spawn(node.pid, ["sh", "-c", command], stdin=True)
    assert process.communicate(bytes(5_000_000), timeout_s=20) == (b"", b"")
    assert process.wait(20) == 0
    with pytest.raises(AgentError) as caught:
        process.write(b"x")
    assert caught.value.errno == errno.EPIPE


@needs_root
def test_timeout_kills_the_whole_group(agent: Client, node: Namespaces) -> None:
    script = "echo $$; sleep 1000 & sleep 1000"
    process = agent.spawn(node.pid, ["sh", "-c", script])
    group = process.pid
    wait_for(lambda: len(members(group)) == 3)
    with pytest.raises(TimeoutError, match="was killed"):
        process.communicate(timeout_s=0.2)
    wait_for(lambda: members(group) == [])
    assert process.wait(20) == -signal.SIGKILL
    # Its output so far is not lost.
    assert process.communicate(timeout_s=20)[0].strip().isdigit()


@needs_root
def test_signal_reaches_the_command(agent: Client, node: Namespaces) -> None:
    script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    process = agent.spawn(node.pid, ["sh", "-c", script])
    assert process.read_stdout(20) == b"ready\n"
    process.signal(signal.SIGTERM)
    assert process.read_stdout(20) == b"caught\n"
    assert process.wait(20) == 7
    process.signal(signal.SIGTERM)  # nothing happens


@needs_root
def test_background_process_does_not_hold_the_exit(agent: Client, node: Namespaces) -> None:
    script = "sh -c 'sleep 0.3; echo late; exec sleep 1000' & echo hi"
    process = agent.spawn(node.pid, ["sh", "-c", script])
    assert process.communicate(timeout_s=20) == (b"hi\n", b"")
    assert process.wait(20) == 0


@needs_root
@pytest.mark.parametrize(
    ("argv", "options", "number", "sentence"),
    [
        (["nosuch"], {}, errno.ENOENT, "no program 'nosuch' on the node"),
        (["/no/such"], {}, errno.ENOENT, "no program '/no/such'"),
        (["/etc/hosts"], {}, errno.EACCES, "may not be run"),
        (["true"], {"cwd": "/nowhere"}, errno.ENOENT, "folder '/nowhere'"),
        (["true"], {"cwd": "/etc/hosts"}, errno.ENOTDIR, "folder '/etc/hosts'"),
        (["true"], {"user": "nobody-here"}, None, "no user 'nobody-here'"),
        (["true"], {"user": "root:nogroup-here"}, None, "no group 'nogroup-here'"),
        ([], {}, None, "list of words"),
        (["a\0b"], {}, None, "NUL"),
    ],
    ids=["name", "path", "no program", "cwd", "cwd file", "user", "group", "empty", "nul"],
)
def test_command_that_cannot_start(
    agent: Client,
    node: Namespaces,
    argv: list[str],
    options: dict[str, str],
    number: int | None,
    sentence: str,
) -> None:
    with pytest.raises(AgentError, match=sentence) as caught:
        agent.spawn(node.pid, argv, **options)  # type: ignore[arg-type]
    assert caught.value.errno == number
    assert agent.spawn(node.pid, ["echo", "on"]).communicate(timeout_s=20) == (b"on\n", b"")


@needs_root
def test_script_without_first_line(agent: Client, node: Namespaces, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo $1 of $0\n")
    script.chmod(0o755)
    for options in ({}, {"user": "root"}):
        process = agent.spawn(node.pid, [str(script), "word"], **options)  # type: ignore[arg-type]
        assert process.communicate(timeout_s=20)[0].decode() == f"word of {script}\n"


@needs_root
def test_end_of_input_while_others_are_started(agent: Client, node: Namespaces) -> None:
    """No process that the agent forks meanwhile holds a command's input open."""
    cats = [
        agent.spawn(node.pid, ["cat"], stdin=True, user=user) for user in ("root", None, "daemon")
    ]
    checks = [{"pid": node.pid, "node": "h1", "service": "no", "port": 9, "expect": "x"}]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(agent.call, "wait_ready", checks=checks, timeout_s=5)
        agent.spawn(node.pid, ["true"]).communicate(timeout_s=20)
        for cat in cats:
            assert cat.communicate(b"x", timeout_s=3) == (b"x", b"")
        assert len(waiting.result(20)) == 1


@needs_root
def test_launcher_that_is_killed(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["sleep", "1000"])
    [mother] = children(agent.hello()["pid"])
    [launcher] = children(mother)
    for killed in (launcher, mother):
        process = agent.spawn(node.pid, ["sleep", "1000"])
        os.kill(killed, signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
        on = agent.spawn(node.pid, ["echo", "on"])
        assert on.communicate(timeout_s=20) == (b"on\n", b"")


@needs_root
def test_launcher_that_is_killed_with_a_request_unread(agent: Client, node: Namespaces) -> None:
    agent.spawn(node.pid, ["true"]).communicate(timeout_s=20)
    [mother] = children(agent.hello()["pid"])
    [launcher] = children(mother)
    os.kill(launcher, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (launcher, signal.SIGKILL))
    killer.start()
    with pytest.raises(AgentError, match="try it once more"):
        agent.spawn(node.pid, ["sleep", "1000"])
    killer.join()
    assert agent.spawn(node.pid, ["echo", "on"]).communicate(timeout_s=20) == (b"on\n", b"")


@needs_root
def test_launchers_of_nodes_that_are_gone_are_ended(agent: Client, node: Namespaces) -> None:
    agent.spawn(node.pid, ["true"]).communicate(timeout_s=20)
    with Namespaces("short") as short:
        process = agent.spawn(short.pid, ["sleep", "1000"])
        [mother] = children(agent.hello()["pid"])
        assert len(children(mother)) == 2
    assert process.wait(20) == -signal.SIGKILL
    assert agent.spawn(node.pid, ["echo", "on"]).communicate(timeout_s=20) == (b"on\n", b"")


def children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@needs_root
def test_node_that_has_died(agent: Client) -> None:
    with Namespaces("short") as node:
        process = agent.spawn(node.pid, ["sleep", "1000"])
        node.kill()
        assert process.wait(20) == -signal.SIGKILL
        for _ in range(2):
            with pytest.raises(AgentError, match="is gone") as caught:
                agent.spawn(node.pid, ["true"])
            assert caught.value.errno == errno.ESRCH


@needs_root
def test_line_that_ends_while_a_command_runs(node: Namespaces) -> None:
    with connect(network=False) as client:
        process = client.spawn(node.pid, ["sleep", "1000"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(process.wait, 20)
            client.close()
            with pytest.raises(AgentGone):
                waiting.result(20)


@needs_root
def test_terminal(agent: Client, node: Namespaces) -> None:
    script = "tty; stty size; read x; stty size; echo got $x"
    process = agent.spawn(node.pid, ["sh", "-c", script], tty=(100, 30), stdin=True)
    seen = b""
    while b"30 100" not in seen:
        seen += process.read_stdout(20)
    assert b"/dev/pts/" in seen
    process.resize(90, 20)
    process.write(b"this\n")
    while data := process.read_stdout(20):
        seen += data
    assert b"20 90\r\ngot this\r\n" in seen
    assert process.wait(20) == 0


@needs_root
def test_interrupt_character_of_a_terminal(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["sh", "-c", "echo on; exec sleep 1000"], tty=(80, 24))
    assert process.read_stdout(20) == b"on\r\n"
    process.write(b"\x03")
    assert process.wait(20) == -signal.SIGINT


@needs_root
def test_end_of_input_on_a_terminal(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["cat"], tty=(80, 24))
    process.write(b"line\n")
    process.close_stdin()
    assert process.communicate(timeout_s=20)[0] == b"line\r\nline\r\n"
    assert process.wait(20) == 0


def test_subprocess_channel_leaves_no_process() -> None:
    channel = SubprocessChannel(agent_argv(network=False))
    with Client(channel) as client:
        client.hello(20)
        assert exists(channel.pid)
    assert not exists(channel.pid)


def test_the_last_words_of_an_agent_are_read_while_another_thread_closes_the_line() -> None:
    channel, ends = PipeChannel.make()
    for end in ends:
        end.close()
    reads = threading.Event()

    class Slow:
        """A file of which a reader holds the position for a moment."""

        closed = False

        def seek(self, *_: int) -> int:
            if not reads.is_set():
                reads.set()
                time.sleep(0.2)  # the other thread closes meanwhile
            if self.closed:
                raise ValueError("I/O operation on closed file")
            return 0

        def read(self) -> bytes:
            return b"words"

        def close(self) -> None:
            self.closed = True
            file.close()

    channel.stderr_tail()
    file, channel._stderr = channel._stderr, cast(Any, Slow())
    channel._tail = "words"
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(channel.stderr_tail()))
    reader.start()
    assert reads.wait(10)
    channel.close()
    reader.join()
    assert said == ["words"]
    assert channel.stderr_tail() == "words"
