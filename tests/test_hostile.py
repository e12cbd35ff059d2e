"""A host that is hostile: what it does is its own affair, and never its neighbours'."""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import resource
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.seam import Engine
from playground.errors import (
    CommandFailed,
    NotReady,
    PlaygroundError,
    TooMuchOutput,
    TransferFailed,
)
from tests.facts import HOSTILE, has_effect


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="hostile", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def seconds(operation: Callable[[], object]) -> float:
    """How long something takes, whatever it comes to; what is raised has to be ours."""
    begun = time.monotonic()
    with contextlib.suppress(PlaygroundError):
        operation()
    return time.monotonic() - begun


def test_one_that_stops_all_that_starts_in_it(lab: Lab) -> None:
    """Commands of others go on, and a limit of time holds on this one too."""
    h1, h2 = lab["h1"], lab["h2"]
    stop_all = "import os, time\nend = time.time() + 60\nwhile time.time() < end:\n"
    stop_all += " try: os.kill(-1, 19)\n except OSError: pass\n"
    h1.write("/tmp/stop.py", stop_all)
    with (
        h1.start("python3 /tmp/stop.py & exec python3 /tmp/stop.py") as stopping,
        ThreadPoolExecutor(4) as pool,
        h2.start("sleep 2") as beside,
    ):
        # It stops the other, and may be stopped by none but the other.
        time.sleep(0.5)
        own = [
            pool.submit(seconds, partial(h1.run, "true", timeout_s=1.5, user=user))
            for user in (None, None, "root")
        ]
        time.sleep(0.5)
        took = [seconds(lambda: h2.run("true", timeout_s=20)) for _ in range(5)]
        assert beside.wait(20) == 0
        assert max(future.result(60) for future in own) < 10
        assert max(took) < 1.5
        stopping.kill()
    assert h1.run("echo on", timeout_s=20).stdout == "on\n"


@pytest.fixture
def replaced(lab: Lab) -> Iterator[Callable[..., None]]:
    """Put a script in the place of programs of h1, for the time of a test."""
    h1 = lab["h1"]
    names: list[str] = []

    def replace(script: str, *programs: str) -> None:
        h1.write("/tmp/script", f"#!/bin/sh\n{script}\n", mode=0o755)
        names.extend(programs)
        h1.run(f"for name in {' '.join(programs)}; do cp /tmp/script /usr/local/sbin/$name; done")

    yield replace
    h1.run(["/bin/rm", "-f", *(f"/usr/local/sbin/{name}" for name in names)])


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_programs_that_print_without_end(
    lab: Lab, replaced: Callable[..., None], tmp_path: Path
) -> None:
    h1 = lab["h1"]
    replaced("exec yes", "cat", "tar", "ping", "traceroute", "python3", "getent")
    before = memory_mb()
    with pytest.raises(TooMuchOutput, match="'yes' on h1 printed more than 3 MB") as caught:
        h1.run("yes", output_limit_mb=3)
    assert len(caught.value.result.stdout) == 3_000_000
    assert len(str(caught.value)) < 2000
    with pytest.raises(TransferFailed, match="has more than 1 MB; allow more with limit_mb="):
        h1.read("/etc/hostname", limit_mb=1)
    for operation in (
        lambda: h1.get("/etc/hostname", tmp_path, timeout_s=2),
        lambda: h1.put(__file__, "/tmp/", timeout_s=2),
        lambda: h1.ping("10.0.1.2"),
        lambda: h1.traceroute("10.0.1.2"),
        lambda: h1.call(os.getpid),
        lambda: h1.python("pass", output_limit_mb=1),
        lambda: h1.nameservers,
        lambda: h1.hosts.__setitem__("name", "10.0.0.9"),
        lambda: h1.hosts["name"],
    ):
        with pytest.raises(PlaygroundError):
            operation()
    assert list(tmp_path.iterdir()) == []
    with h1.start("tr '\\0' x </dev/zero") as job:
        with pytest.raises(NotReady, match="goes on"):
            job.wait(1)
        job.kill()
    assert memory_mb() - before < 400


def test_programs_that_sleep(lab: Lab, replaced: Callable[..., None], tmp_path: Path) -> None:
    h1 = lab["h1"]
    replaced("exec sleep 1000", "cat", "tar", "python3")
    (tmp_path / "large").write_bytes(bytes(5_000_000))
    for operation in (
        lambda: h1.read("/etc/hostname", timeout_s=0.5),
        lambda: h1.write("/tmp/x", "x" * 5_000_000, timeout_s=0.5),
        lambda: h1.get("/etc/hostname", tmp_path, timeout_s=0.5),
        lambda: h1.put(tmp_path / "large", "/tmp/", timeout_s=0.5),
        lambda: h1.call(sum, "x" * 5_000_000, call_timeout_s=0.5),
        lambda: h1.call(os.getpid, call_timeout_s=0.5),
    ):
        with pytest.raises(PlaygroundError, match=r"_s=|within 0.5 s"):
            operation()
    with h1.start("sleep 1000") as job, pytest.raises(NotReady, match="had not read its input"):
        job.write("x" * 5_000_000, timeout_s=0.5)


def test_pipes_in_the_place_of_files(lab: Lab) -> None:
    """Neither are they waited for, nor do they hold up edits of other hosts."""
    h1, h2 = lab["h1"], lab["h2"]
    h1.run("cp /etc/resolv.conf /tmp/resolv; mkfifo /tmp/pipe")
    for operation in (
        lambda: h1.read("/tmp/pipe"),
        lambda: h1.write("/tmp/pipe", "x"),
    ):
        with pytest.raises(TransferFailed, match=r"/tmp/pipe on h1 cannot be .*: it is a pipe"):
            operation()
    # One that becomes a pipe after it was looked at is waited for, up to the limit.
    h1.write("/usr/local/sbin/cat", "#!/bin/sh\necho $$ >/tmp/pid\nexec sleep 1000\n", mode=0o755)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(seconds, lambda: h1.hosts.__setitem__("name", "10.0.0.9"))
        time.sleep(0.2)
        assert seconds(lambda: h2.hosts.__setitem__("name", "10.0.0.9")) < 5
        h1.run("read pid </tmp/pid; kill $pid; rm /usr/local/sbin/cat")
        assert waiting.result(20) < 15
    assert h2.hosts["name"] == "10.0.0.9"


def test_a_pipe_in_the_place_of_a_file_of_names_is_named_at_once(lab: Lab) -> None:
    """The resolver would wait for its other end; an address needs no resolver."""
    h1, h2 = lab["h1"], lab["h2"]
    # /etc/hosts is a mount of its own on Docker, which nobody there can put a pipe over.
    file = "/etc/nsswitch.conf"
    h1.run(f"touch {file}; mv {file} /tmp/kept; mkfifo {file}")
    try:
        begun = time.monotonic()
        for ask in (h1.ping, h1.traceroute):
            with pytest.raises(CommandFailed, match=f"{file} is a pipe and no file"):
                ask("h2")
        assert time.monotonic() - begun < 5
        assert h1.ping(h2.address, count=1)
    finally:
        h1.run(f"rm {file}; mv /tmp/kept {file}")


@pytest.mark.cannot("swarm", "open sockets of hosts in this program")
def test_lies_about_names_run_nothing_here(lab: Lab, replaced: Callable[..., None]) -> None:
    h1 = lab["h1"]
    code = "import builtins; builtins.lied = True"
    for answer in (
        {"error": "exec", "arguments": [code]},
        {"error": "OSError", "arguments": {"a": 1}},
        {"value": [[1, 2]]},
        {"value": 7},
        [1],
    ):
        replaced(f"while read line; do echo '{json.dumps(answer)}'; done", "python3")
        with h1.sockets(), pytest.raises((OSError, PlaygroundError)):
            socket.getaddrinfo("some.name", 80)
    assert not hasattr(builtins, "lied")


def test_names_of_its_own_making_have_no_effect_where_they_are_shown(
    lab: Lab, tmp_path: Path
) -> None:
    h1 = lab["h1"]
    listening = f"open('/proc/self/comm', 'w').write({HOSTILE[3:]!r})\nimport socket, time\n"
    listening += "s = socket.create_server(('', 4321))\nprint('on', flush=True)\ntime.sleep(60)"
    h1.run(["mkdir", "-p", "/tmp/d"])
    h1.run(["cp", "-r", "/etc/hosts", f"/tmp/d/{HOSTILE.replace('/', '')}"])
    h1.run(["ln", "-s", "/etc", f"/tmp/d/l{HOSTILE.replace('/', '')}"])
    h1.write("/etc/hosts", f"10.9.9.9\t{HOSTILE.replace(chr(13), '')}\n", append=True)

    def shown(operation: Callable[[], object]) -> str:
        with pytest.raises(Exception) as caught:
            operation()
        return "".join(traceback.format_exception_only(caught.value))

    with (
        h1.start(["python3", "-c", listening, HOSTILE]) as job,
        pytest.warns(UserWarning, match="left out") as warned,
    ):
        assert job.stdout.readline() == "on"
        state, running = lab.state(), h1.processes()
        assert any(HOSTILE in row["command"] for row in running.rows)
        h1.get("/tmp/d", tmp_path)
        renderings = [
            repr(running),
            running._repr_html_(),
            repr(state),
            state._repr_html_(),
            repr(h1.hosts),
            h1.hosts._repr_html_(),
            h1.run(["echo", HOSTILE])._repr_html_(),
            str(h1.run(["echo", HOSTILE])),
            repr(job),
            shown(lambda: h1.run(["sh", "-c", 'echo "$1" >&2; false', "sh", HOSTILE])),
            shown(lambda: h1.run([HOSTILE])),
            shown(lambda: h1.start([HOSTILE])),
            shown(lambda: h1.read(f"/nowhere/{HOSTILE}")),
            shown(lambda: h1.hosts[HOSTILE]),
            shown(lambda: h1.call(exec, "raise BaseException")),
            *[str(one.message) for one in warned],
        ]
    assert [text for text in renderings if has_effect(text)] == []
    assert sum(r"\x1b[2J" in text for text in renderings) > 10
