"""The agent's line: requests, replies, and its end."""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import playground.agent
from playground.agent import operations
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import (
    COMMANDS,
    PACKAGE,
    Namespaces,
    agent_argv,
    connect,
    needs_root,
    run,
    wait_for,
)


def test_every_operation_stands_in_the_protocol() -> None:
    text = playground.agent.__doc__ or ""
    names = [*operations.OPS, *operations.WORK]
    assert [name for name in names if f"\n{name}(" not in text and f"; {name}(" not in text] == []


def test_agent_imports_no_playground_and_nothing_foreign() -> None:
    program = f"""
{PACKAGE}
from playground.agent import operations
names = {{name.partition(".")[0] for name in sys.modules}} - {{"playground"}}
print(names - sys.stdlib_module_names)
print({{name for name in sys.modules if name.startswith("playground.")}})
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True)
    foreign, ours = (ast.literal_eval(line) for line in done.stdout.decode().splitlines())
    assert foreign == {"__main__"}
    assert {name.split(".")[1] for name in ours} == {"agent"}


def test_stray_print_does_not_break_a_line() -> None:
    noisy = (
        "operations.OPS['loud'] = lambda *_: print('stray'); "
        "operations.WORK['louder'] = lambda: (print('stray'), sys.stdout.flush()) and 7"
    )
    with connect(before=noisy, network=False) as client:
        assert client.call("loud") is None
        assert client.call("louder") == 7
        assert client.call("echo", value=1) == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"no json", "JSONDecodeError"),
        (b"[1]", "TypeError"),
        (b'{"id": 4, "op": "nosuch"}', "LookupError"),
        (b'{"id": 4, "op": ["echo"]}', "TypeError"),
        (b'{"id": 4, "op": "echo", "args": 5}', "TypeError"),
        (b'{"id": 4, "op": "echo", "args": {"valu": 5}}', "TypeError"),
        (b'{"id": 4, "op": "wire", "args": {"bridges": 5}}', "TypeError"),
        (b'{"id": 4, "op": "write", "args": {"job": 1, "data": ""}}', "LookupError"),
        (b'{"id": 4, "op": "own", "args": {"pids": ["x"]}}', "TypeError"),
    ],
    ids=["text", "list", "op", "op list", "args", "name", "worker", "job", "pid"],
)
def test_bad_request_is_an_error_and_no_end(line: bytes, kind: str) -> None:
    good = b'{"id": 5, "op": "echo", "args": {"value": 6}}'
    with subprocess.Popen(
        agent_argv(network=False), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert "hello" in json.loads(process.stdout.readline())
        process.stdin.write(line + b"\n\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["error"]["type"] == kind
        process.stdin.write(good + b"\n")
        process.stdin.close()
        assert json.loads(process.stdout.readline()) == {"id": 5, "result": 6}
        assert process.wait(20) == 0


def test_reply_of_a_worker_that_is_killed() -> None:
    program = "import os; operations.WORK['die'] = lambda: os.kill(os.getpid(), 9)"
    with connect(before=program, network=False) as client:
        with pytest.raises(AgentError, match="was killed"):
            client.call("die")
        assert client.call("echo", value=1) == 1


def test_operation_without_end_is_given_up() -> None:
    program = (
        "import time; from playground.agent.line import worker; worker.WORK_LIMIT_S = 0.2; "
        "operations.WORK['sleep'] = lambda: time.sleep(1000)"
    )
    with (
        connect(before=program, network=False) as client,
        pytest.raises(AgentError, match="took too long") as caught,
    ):
        client.call("sleep")
    assert caught.value.errno == errno.ETIMEDOUT


def test_state_is_kept_for_a_later_agent(agent: Client, tmp_path: Path) -> None:
    assert agent.call("state_load") is None
    agent.call("state_save", data="é" * 100_000)
    with connect(network=False) as later:
        assert later.call("state_load") == "é" * 100_000
    file = tmp_path / "state" / "state.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["state.json"]


@needs_root
@pytest.mark.parametrize("how", ["end of file", "SIGTERM"])
def test_end_kills_what_is_owned_and_every_job(how: str) -> None:
    with Namespaces("owned") as owned, Namespaces("other") as other:
        client = connect()
        client.call("own", pids=[owned.pid])
        client.spawn(owned.pid, ["sleep", "1000"])
        client.spawn(other.pid, ["sh", "-c", "sleep 1001 & sleep 1002"])
        if how == "SIGTERM":
            os.kill(client.hello()["pid"], signal.SIGTERM)
        client.close()
        owned.wait()
        assert Path(f"/proc/{other.pid}").exists()
        with connect() as later:
            # Its first process, ours, and the one that lists them.
            wait_for(lambda: "sleep 100" not in run(later, other.pid, COMMANDS))


@needs_root
def test_disown_lets_a_node_live(pair: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = pair
    with connect() as client:
        client.call("own", pids=[h1.pid])
        client.call("disown")
    assert Path(f"/proc/{h1.pid}/ns/net").exists()


@needs_root
@needs_root
def test_more_nodes_than_the_usual_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        with connect() as agent, contextlib.ExitStack() as stack, Namespaces("h1") as h1:
            nodes = [stack.enter_context(subprocess.Popen(["sleep", "60"])) for _ in range(150)]
            assert agent.call("own", pids=[node.pid for node in nodes]) == []
            # Programs in a node have the limits that the engine gave.
            assert run(agent, h1.pid, "ulimit -Sn").strip() == "100"
            agent.close()
            assert {node.wait() for node in nodes} == {-signal.SIGKILL}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_owning_what_is_gone_or_owned_already(agent: Client) -> None:
    pid = agent.hello()["pid"]
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        assert agent.call("own", pids=[process.pid, h1.pid]) == [process.pid]
        open_files = os.listdir(f"/proc/{pid}/fd")
        assert agent.call("own", pids=[h1.pid, process.pid]) == [process.pid]
        assert os.listdir(f"/proc/{pid}/fd") == open_files
        h1.kill()
        assert agent.call("own", pids=[h1.pid, h2.pid]) == [h1.pid]
        agent.close()
        h2.wait()


@needs_root
def test_no_zombies_and_no_open_files_stay(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    pid = agent.hello()["pid"]
    agent.spawn(pair[0].pid, ["true"]).communicate(timeout_s=20)
    before = sorted(os.listdir(f"/proc/{pid}/fd"))
    for script in ("true", "sleep 0.01 & exit 3", "cat", "yes | head -c 100000"):
        for _ in range(5):
            agent.spawn(pair[0].pid, ["sh", "-c", script], stdin=True).communicate(
                b"x" * 70_000, timeout_s=20
            )
        agent.call("read_file", pid=pair[0].pid, path="/etc/hosts")
        with contextlib.suppress(AgentError):
            agent.spawn(pair[0].pid, ["nosuch"], stdin=True)
        agent.spawn(pair[0].pid, ["true"], tty=(80, 24)).communicate(timeout_s=20)
    wait_for(lambda: sorted(os.listdir(f"/proc/{pid}/fd")) == before)
    # One child stays, the mother of launchers, and the node's launcher, which has none.
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_for(lambda: len(children.read_text().split()) == 1)
    [mother] = children.read_text().split()
    [launcher] = Path(f"/proc/{mother}/task/{mother}/children").read_text().split()
    assert Path(f"/proc/{launcher}/task/{launcher}/children").read_text() == ""
