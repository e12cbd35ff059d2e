"""Operations on the nodes of a small lab: a home, its modem with NAT, and a web server."""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine
from playground.errors import (
    BadArgument,
    CallFailed,
    CommandFailed,
    CommandTimeout,
    NodeDied,
    NotReady,
    NotRunning,
    PlaygroundError,
    TransferFailed,
    UnknownName,
)
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import Job
from playground.operations.nodes.node import NodeOperations
from tests.facts import get_page
from tests.machine import first_process


class Shop:
    """The lab of this module, and its nodes."""

    def __init__(self) -> None:
        home = Switch("home", subnet="192.168.1.0/24")
        # h2 has an image on every engine, and so all of its programs.
        self.h1, self.h2, self.modem = Host("h1"), Host("h2", services=["ssh"]), Router("modem")
        self.www = Host("www.example.com", services=["http"])
        for node in (self.modem, self.h1, self.h2):
            Link(home, node)
        self.modem.masquerade(Link(self.modem, self.www, subnet="203.0.113.0/24"))
        self.lab = Lab(home, name="operations", users={"student": "secret"}, quiet=True)


@pytest.fixture(scope="module")
def shop(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Shop]:
    shop = Shop()
    with shop.lab:
        keep_lab(shop.lab.id)
        yield shop


@pytest.fixture
def h1(shop: Shop) -> Host:
    return shop.h1


@pytest.fixture
def www(shop: Shop) -> Host:
    return shop.www


# Before a lab is started


@pytest.mark.parametrize(
    "operation",
    [
        lambda node: node.run("true"),
        lambda node: node.start("true"),
        lambda node: node.python("pass"),
        lambda node: node.call(os.getpid),
        lambda node: node.put(__file__, "/root/"),
        lambda node: node.get("/etc/hosts"),
        lambda node: node.write("/x", ""),
        lambda node: node.read("/x"),
        lambda node: node.read_bytes("/x"),
        lambda node: node.ping("h2"),
        lambda node: node.traceroute("h2"),
        lambda node: node.hosts["h2"],
        lambda node: node.hostname,
        lambda node: node.nameservers,
        lambda node: node.services["http"],
        lambda node: node.interfaces,
        lambda node: node.address,
        lambda node: node.ssh(),
        lambda node: node.shell(),
    ],
    ids=lambda function: re.findall(r"node\.(\w+)", inspect.getsource(function))[0],
)
def test_a_node_that_is_not_started_says_so(operation: Callable[[NodeOperations], object]) -> None:
    with pytest.raises(NotRunning) as caught:
        operation(Host("h1"))
    assert str(caught.value) == (
        "h1 is not running: use it inside `with Lab(...)` or after lab.start()"
    )


# run


def test_text_goes_through_a_shell_and_a_list_does_not(h1: Host) -> None:
    assert h1.run("echo $((1+1)) | cat").stdout == "2\n"
    assert h1.run(["echo", "$((1+1))", "a  b"]).stdout == "$((1+1)) a  b\n"
    assert h1.run(["echo", Path("/x")]).stdout == "/x\n"  # type: ignore[list-item]


def test_streams_are_kept_apart_and_the_status_is_told(h1: Host) -> None:
    result = h1.run("echo out; echo err >&2; exit 3", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "out\n", "err\n")
    with pytest.raises(CommandFailed) as caught:
        h1.run("echo out; echo err >&2; exit 3")
    assert caught.value.result == result
    assert str(caught.value) == (
        "'echo out; echo err >&2; exit 3' on h1 ended with exit status 3\n"
        "  stdout:\n    out\n  stderr:\n    err"
    )


@pytest.mark.parametrize("command", ["foo bar", ["foo", "bar"]], ids=["text", "list"])
def test_a_command_that_is_not_there(h1: Host, command: str | list[str]) -> None:
    with pytest.raises(CommandFailed, match=r"^there is no command 'foo' on h1"):
        h1.run(command)
    assert h1.run(command, check=False).returncode == 127


def test_a_file_that_is_no_command(h1: Host) -> None:
    assert h1.run(["/etc/passwd"], check=False).returncode == 126


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cwd": "/nowhere"}, "cannot run in the folder '/nowhere'"),
        ({"user": "fred"}, "has no user 'fred'"),
    ],
)
def test_a_folder_or_user_that_is_not_there(
    h1: Host, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BadArgument, match=sentence):
        h1.run(["id"], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", "the command is empty"),
        ("  ", "the command is empty"),
        ([], "the command is empty"),
        (["nc", 80], "turn each number into text"),
        (b"ls", "a command is text or a list of texts"),
        ("a\0b", "cannot hold a NUL byte"),
    ],
    ids=str,
)
def test_what_is_no_command_is_refused(h1: Host, command: object, sentence: str) -> None:
    with pytest.raises(BadArgument, match=sentence):
        h1.run(command)  # type: ignore[arg-type]


def test_environment_folder_and_user(h1: Host) -> None:
    assert h1.run("echo $COLOUR", env={"COLOUR": "red"}).stdout == "red\n"
    assert h1.run("pwd", cwd="/usr/share").stdout == "/usr/share\n"
    assert h1.run("id -un; echo $HOME $USER", user="student").stdout == (
        "student\n/home/student student\n"
    )
    assert h1.run("id -un").stdout == "root\n"


def test_input_of_any_bytes_and_output_of_any_size(h1: Host) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB, more than any buffer on the way
    assert h1.run("cat", input=data).stdout_bytes == data
    assert h1.run("cat", input="caf\u00e9").stdout == "caf\u00e9"
    assert h1.run("head -c 3 | wc -c", input=data).stdout == "3\n"
    assert h1.run("cat").stdout == ""
    both = h1.run("head -c 6000000 /dev/zero; head -c 6000000 /dev/zero >&2")
    assert (len(both.stdout_bytes), len(both.stderr_bytes)) == (6_000_000, 6_000_000)


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(h1: Host) -> None:
    with pytest.raises(CommandTimeout) as caught:
        h1.run("echo begun; (sleep 7131; true) & sleep 7132", timeout_s=0.5)
    assert caught.value.result.stdout == "begun\n"
    assert caught.value.result.returncode == -9
    assert str(caught.value).startswith(
        "'echo begun; (sleep 7131; true) & sleep 7132' on h1 had not ended after 0.5 s and was "
        "killed; allow it more with timeout_s=..."
    )
    assert isinstance(caught.value, TimeoutError)
    assert h1.run(["pgrep", "-f", "sleep 713"], check=False).stdout == ""


def test_a_command_killed_by_a_signal(h1: Host) -> None:
    with pytest.raises(CommandFailed, match=r"was ended by signal SIGTERM \(15\)"):
        h1.run("kill $$")
    assert h1.run("kill -9 $$", check=False).returncode == -9


def test_many_threads_use_one_node(h1: Host) -> None:
    with ThreadPoolExecutor(8) as pool:
        outputs = pool.map(lambda n: h1.run(f"sleep 0.05; echo {n}").stdout, range(40))
        assert list(outputs) == [f"{n}\n" for n in range(40)]


# start


def test_lines_come_while_the_command_goes_on(h1: Host) -> None:
    with h1.start("echo one; echo oops >&2; read word; echo $word; sleep 60") as job:
        assert job.stdout.readline() == "one"
        assert job.stderr.readline() == "oops"
        assert job.returncode is None
        assert repr(job).endswith("on h1: running>")
        job.write("two\n")
        assert next(job.stdout) == "two"
        with pytest.raises(NotReady, match=r"printed no line on stdout within 0.1 s"):
            job.stdout.readline(timeout_s=0.1)
    assert job.returncode == -15
    assert job.stdout.readline() is None
    assert repr(h1.start(["true"])).startswith("<Job 'true' on h1: ")


def test_a_job_is_waited_for(h1: Host) -> None:
    # More than any buffer on the way, while nobody reads.
    job = h1.start("yes $(printf %099d 0) | head -n 90000; printf end; exit 4")
    assert job.wait() == 4
    assert sum(1 for _ in job.stdout) == 90_001
    assert list(job.stderr) == []
    with h1.start("sleep 60") as job, pytest.raises(NotReady) as caught:
        job.wait(timeout_s=0.1)
    assert str(caught.value) == (
        "'sleep 60' on h1 had not ended after 0.1 s; it goes on: job.terminate() ends it"
    )


def test_a_job_reads_until_its_input_ends(h1: Host) -> None:
    job = h1.start(["sort"])
    job.write("b\na\n")
    job.close_stdin()
    assert list(job.stdout) == ["a", "b"]
    assert job.wait() == 0


@pytest.mark.parametrize(
    ("end", "returncode"), [(Job.interrupt, -2), (Job.terminate, -15), (Job.kill, -9)]
)
def test_ways_to_end_a_job(h1: Host, end: Callable[[Job], None], returncode: int) -> None:
    job = h1.start(["sleep", "60"])
    end(job)
    assert job.wait() == returncode
    end(job)  # once more does no harm
    assert job.stop() == returncode


def test_a_job_that_ignores_sigterm_is_killed(h1: Host) -> None:
    job = h1.start("trap '' TERM; echo ready; while :; do sleep 0.1; done")
    assert job.stdout.readline() == "ready"
    assert job.stop(timeout_s=0.3) == -9


def test_a_job_whose_command_is_not_there_is_not_started(h1: Host) -> None:
    with pytest.raises(CommandFailed, match="there is no command 'foo' on h1"):
        h1.start(["foo"])


# python and call


def test_a_script_of_ours_runs_there(h1: Host, tmp_path: Path, shop: Shop) -> None:
    script = tmp_path / "client.py"
    script.write_text("import socket, sys\nprint(socket.gethostname(), sys.argv[1:], input())\n")
    result = h1.python(script, shop.www, 80, input="typed\n")
    assert result.stdout == "h1 ['www.example.com', '80'] typed\n"
    assert result.args == ("python3", str(script), "www.example.com", "80")
    assert h1.python("print(__name__)").stdout == "__main__\n"


def test_a_traceback_names_the_file_and_shows_its_lines(h1: Host, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("def work():\n    return 1 / 0  # here\n\nwork()\n")
    result = h1.python(script, check=False)
    assert result.returncode == 1
    assert f'File "{script}", line 2, in work\n    return 1 / 0  # here' in result.stderr
    assert "playground" not in result.stderr.replace(str(tmp_path), "")
    script.write_text("if\n")
    assert "SyntaxError" in h1.python(script, check=False).stderr
    assert h1.python("raise SystemExit(5)", check=False).returncode == 5


def test_a_script_that_is_not_here(h1: Host) -> None:
    with pytest.raises(TransferFailed, match=r"there is no file 'nowhere.py' here"):
        h1.python("nowhere.py")
    with pytest.raises(BadArgument, match=r"python\(\) takes the path of a script"):
        h1.python(3)


def fetch(host: str, port: int = 80) -> bytes:
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(8)


def shout(word: str) -> None:
    print(word)
    print(word + "!", file=sys.stderr)
    os.system(f"echo {word} from a shell")


def test_a_function_is_called_there(shop: Shop) -> None:
    assert shop.h1.call(fetch, "www") == b"HTTP/1.1"
    assert shop.h1.call(fetch, shop.www, port=80) == b"HTTP/1.1"
    assert shop.h1.call(socket.gethostname) == "h1"
    assert shop.h1.call(lambda: sys.version_info >= (3, 11))


def test_what_a_function_prints_is_shown(h1: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert h1.call(shout, "hello") is None
    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == ["hello", "hello from a shell"]
    assert shown.err == "hello!\n"


def test_an_exception_is_raised_here(h1: Host) -> None:
    with pytest.raises(ConnectionRefusedError) as caught:
        h1.call(fetch, "127.0.0.1", port=9)
    (note,) = caught.value.__notes__
    assert note.startswith("It was raised on h1:\nTraceback (most recent call last):\n")
    assert "in fetch\n    with socket.create_connection((host, port), timeout=5)" in note
    with pytest.raises(socket.gaierror):
        h1.call(socket.gethostbyname, "no-such-name")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: sys.exit(3), r"raised builtins.SystemExit: 3"),
        (lambda: os._exit(3), r"ended its process with exit status 3 and returned nothing"),
        (lambda: os.abort(), r"ended its process with signal 6 and returned nothing"),
        (lambda: object(), r"returned what cannot cross: a value of type builtins.object"),
        (lambda: type("Own", (Exception,), {})("x"), r"sent back what is no value"),
    ],
    ids=["exit", "_exit", "abort", "object", "own-exception"],
)
def test_what_does_not_come_back(h1: Host, function: Callable[[], object], sentence: str) -> None:
    with pytest.raises(CallFailed, match=sentence):
        h1.call(function)


def raise_own() -> None:
    class Own(Exception):
        pass

    raise Own("text")


def test_an_exception_of_ones_own_comes_as_call_failed(h1: Host) -> None:
    with pytest.raises(CallFailed, match=r"raise_own\(\) on h1 raised .*Own: text") as caught:
        h1.call(raise_own)
    assert "in raise_own" in caught.value.remote_traceback


def test_a_function_that_takes_too_long_is_killed(h1: Host) -> None:
    with pytest.raises(CommandTimeout, match=r"sleep\(\) on h1 had not returned after 0.5 s"):
        h1.call(time.sleep, 7133, call_timeout_s=0.5)


# Files


def test_a_directory_goes_there_and_back(h1: Host, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "deep" / "er").mkdir(parents=True)
    (site / "deep" / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (site / "deep" / "run.sh").chmod(0o750)
    os.utime(site / "deep" / "run.sh", (1e9, 1e9 + 0.25))
    (site / "link").symlink_to("deep/run.sh")
    (site / "two  words \u00e9").write_bytes(bytes(range(256)))

    assert h1.put(site, "/srv") == "/srv/site"
    assert h1.run("/srv/site/link").stdout == "hello\n"
    assert h1.run("stat -c '%a %U %.2Y' /srv/site/deep/run.sh").stdout == (
        "750 root 1000000000.25\n"
    )
    assert h1.get("/srv/site", tmp_path / "back") == tmp_path / "back"
    for path in site.rglob("*"):
        copy = tmp_path / "back" / path.relative_to(site)
        assert copy.lstat().st_mode == path.lstat().st_mode
        if path.is_file():
            assert copy.read_bytes() == path.read_bytes()
            assert copy.stat().st_mtime == path.stat().st_mtime


@pytest.mark.parametrize(
    ("remote", "path"),
    [
        ("/tmp", "/tmp/a.txt"),
        ("/tmp/new-1/", "/tmp/new-1/a.txt"),
        ("/tmp/new-2/b.txt", "/tmp/new-2/b.txt"),
        ("/tmp/c.txt", "/tmp/c.txt"),
    ],
)
def test_where_a_file_is_put(h1: Host, tmp_path: Path, remote: str, path: str) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert h1.put(tmp_path / "a.txt", remote) == path
    assert h1.read(path) == "text"


def test_where_a_file_is_got(h1: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert h1.get("/etc/hostname") == tmp_path / "hostname"
    assert h1.get("/etc/hostname", "new/") == Path("new/hostname")
    assert h1.get("/etc/hostname", "new") == Path("new/hostname")
    assert h1.get("/etc/hostname", "other/name") == Path("other/name")
    assert Path("other/name").read_text() == "h1\n"
    assert sorted(os.listdir()) == ["hostname", "new", "other"]


def test_a_big_file_crosses_whole(h1: Host, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 24
    (tmp_path / "big").write_bytes(data)
    h1.put(tmp_path / "big", "/tmp/big")
    assert h1.run("sha256sum < /tmp/big").stdout.split()[0] == hashlib.sha256(data).hexdigest()
    assert h1.get("/tmp/big", tmp_path / "back").read_bytes() == data


def test_transfers_that_fail_say_why_and_leave_nothing(h1: Host, tmp_path: Path) -> None:
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: h1.put(tmp_path / "no", "/tmp"), "there is no file or directory"),
        (lambda: h1.put(tmp_path, "/proc/x"), "cannot be put at /proc/x on h1"),
        (lambda: h1.get("/no", tmp_path), "/no on h1 cannot be got: No such file or directory"),
        (lambda: h1.get("/no/thing", tmp_path), "/no/thing on h1 cannot be got: No such file"),
        (lambda: h1.get("/dev/null", tmp_path), "it is no file and no directory"),
        (lambda: h1.get("/", tmp_path), "'/' has no name to be copied under"),
        (lambda: h1.read("/no"), "/no on h1 cannot be read: No such file or directory"),
        (lambda: h1.read("/etc"), "/etc on h1 cannot be read: Is a directory"),
        (lambda: h1.write("/etc/hosts/x", ""), "/etc/hosts/x on h1 cannot be written"),
    ]
    for action, sentence in cases:
        with pytest.raises(TransferFailed) as caught:
            action()
        assert sentence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_are_written_and_read(h1: Host) -> None:
    h1.write("/root/new/note", "caf\u00e9\n", mode=0o600)
    h1.write("/root/new/note", b"\xff", append=True)
    assert h1.read_bytes("/root/new/note") == b"caf\xc3\xa9\n\xff"
    assert h1.read("/root/new/note") == "caf\u00e9\n\N{REPLACEMENT CHARACTER}"
    assert h1.run("stat -c %a /root/new/note").stdout == "600\n"


# The network


def test_a_ping_is_answered_through_the_nat(shop: Shop) -> None:
    ping = shop.h1.ping(shop.www, interval_s=0.01)
    assert (ping.sent, ping.received, ping.lost, len(ping.times_ms)) == (3, 3, 0, 3)
    assert re.fullmatch(r"Ping\(sent=3, received=3, rtt_ms=[\d.]+\)", repr(ping))
    assert shop.h1.ping("192.168.1.1", count=1)


def test_a_ping_that_is_not_answered_is_a_finding(shop: Shop) -> None:
    assert not shop.h1.ping("203.0.113.99", count=1, timeout_s=0.2)
    # The inside of the home is unknown outside.
    outside = shop.www.ping("192.168.1.2", count=1, timeout_s=0.2)
    assert (outside.received, bool(outside)) == (0, False)


def test_a_name_that_is_unknown(h1: Host) -> None:
    for operation in (h1.ping, h1.traceroute):
        with pytest.raises(CommandFailed, match="h1 does not know the name 'nobody'"):
            operation("nobody")
    with pytest.raises(BadArgument, match="is no name or address"):
        h1.ping("-f")


@pytest.mark.parametrize("method", ["udp", "icmp", "tcp"])
def test_a_traceroute_passes_the_modem(shop: Shop, method: str) -> None:
    route = shop.h2.traceroute(shop.www, method=method)
    assert route.hops == ["192.168.1.1", shop.www.address]
    assert route.reached
    assert route.details[0].rtt_ms is not None


def test_what_runs_on_a_host_is_a_table(shop: Shop) -> None:
    with shop.h2.start(["sleep", "1000"], user="student") as job:
        rows = {row["command"]: row for row in shop.h2.processes().rows}
        assert rows["sleep 1000"]["user"] == "student"
        assert (
            str(rows["sleep 1000"]["pid"]) in shop.h2.run(["pgrep", "-x", "sleep"]).stdout.split()
        )
        job.terminate()
    processes = shop.www.processes()
    [master] = [row for row in processes if row.command.startswith("nginx: master")]
    workers = [row for row in processes if row.command.startswith("nginx: worker")]
    assert {row.parent for row in workers} == {master.pid}
    assert {row.user for row in workers} == {"www-data"}
    # Nothing of other hosts, or of the machine.
    assert not any("sshd" in row.command for row in processes)
    assert processes[0].pid == 1


def test_services_show_what_runs_and_where(shop: Shop) -> None:
    assert shop.www.services.rows == [
        {"service": "http", "status": "running", "ports": [80, 443], "programs": ["nginx"]}
    ]
    assert "<td" in shop.www.services._repr_html_()
    assert shop.h1.services.rows == []


def test_what_lists_things_gives_rows(shop: Shop) -> None:
    assert [row["rtt_ms"] is not None for row in shop.h1.ping(shop.www).rows] == [True] * 3
    assert shop.h1.traceroute(shop.www).rows[0]["address"] == "192.168.1.1"
    assert {"address": "203.0.113.2", "names": ["www.example.com", "www"]} in shop.h1.hosts.rows
    assert "default" not in shop.h1.routes().rows[0]["table"]
    assert shop.modem.firewall.rows == shop.modem.firewall.rules().rows
    assert shop.h1.interfaces.rows[0]["addresses"] == ["192.168.1.2/24"]


def test_interfaces_and_address(shop: Shop) -> None:
    assert shop.h1.address == "192.168.1.2"
    assert list(shop.h1.interfaces) == ["eth0"]
    assert str(shop.h1.interfaces["eth0"].addresses[0]) == "192.168.1.2/24"


# Names


def test_hosts_are_edited_live(h1: Host) -> None:
    h1.hosts["printer"] = "192.168.1.1"
    assert h1.hosts["printer"] == "192.168.1.1"
    assert "printer" in h1.hosts
    assert h1.ping("printer", count=1)
    assert "www.example.com" in list(h1.hosts)
    del h1.hosts["printer"]
    assert "printer" not in h1.hosts
    with pytest.raises(UnknownName, match=r"^h1 has no 'printer' in its /etc/hosts$"):
        h1.hosts["printer"]
    with pytest.raises(KeyError):
        del h1.hosts["printer"]
    assert repr(h1.hosts).startswith("<hosts of h1: {'localhost': '127.0.0.1'")


def test_threads_that_edit_hosts_do_not_undo_each_other(h1: Host) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: h1.hosts.__setitem__(f"p{n}", f"10.9.9.{n}"), range(20)))
    assert {n for n in range(20) if h1.hosts.get(f"p{n}") == f"10.9.9.{n}"} == set(range(20))
    for n in range(20):
        del h1.hosts[f"p{n}"]


def test_a_node_is_renamed_live(shop: Shop) -> None:
    h2 = shop.h2
    assert h2.hostname == "h2"
    h2.hostname = "laptop"
    assert h2.run("hostname; cat /etc/hostname; uname -n").stdout == "laptop\n" * 3
    assert h2.hosts["laptop"] == h2.hosts["h2"]
    h2.hostname = "h2"
    with pytest.raises(BadArgument, match="'not ok' is no host name"):
        h2.hostname = "not ok"
    assert h2.hostname == "h2"


def test_name_servers_are_edited_live(shop: Shop) -> None:
    h2 = shop.h2
    before = h2.nameservers
    h2.write("/etc/resolv.conf", "search example.com", append=True)
    h2.nameservers = ["203.0.113.1", "fd00::1"]
    assert h2.nameservers == ["203.0.113.1", "fd00::1"]
    assert "search example.com\n" in h2.read("/etc/resolv.conf")
    with pytest.raises(BadArgument, match=r"nameservers is a list: write \['10.0.0.1'\]"):
        h2.nameservers = "10.0.0.1"  # type: ignore[assignment]
    h2.nameservers = before
    assert h2.nameservers == before


def test_a_resolver_file_says_no_longer_that_there_is_no_name_server(h1: Host) -> None:
    before = h1.read("/etc/resolv.conf")
    try:
        h1.nameservers = []
        assert "has no name server" in h1.read("/etc/resolv.conf")
        h1.nameservers = ["203.0.113.1"]
        assert "has no name server" not in h1.read("/etc/resolv.conf")
    finally:
        h1.write("/etc/resolv.conf", before)


# Services


def status(node: Host) -> int:
    return get_page(node, "http://www.example.com/")[0]


def test_a_service_is_stopped_started_and_restarted(shop: Shop) -> None:
    http = shop.www.services["http"]
    assert repr(http) == "<service http of www.example.com: running>"
    assert status(shop.h1) == 200
    http.stop()
    http.stop()
    assert (http.status(), http.running, status(shop.h1)) == ("stopped", False, 0)
    http.start()
    assert (http.status(), http.running, status(shop.h1)) == ("running", True, 200)
    http.restart()
    assert status(shop.h1) == 200


def test_the_log_of_a_service_is_read(shop: Shop) -> None:
    assert get_page(shop.h1, "http://www.example.com/a-page-asked-for")[0] == 404
    http = shop.www.services["http"]
    assert "GET /a-page-asked-for" in http.log()
    entries = [line for line in http.log(lines=1).splitlines() if line and line[:3] != "==>"]
    assert len(entries) <= 2  # one of each of its two files


def test_a_service_that_is_not_there(www: Host) -> None:
    assert list(www.services) == ["http"]
    assert repr(www.services) == "<services of www.example.com: http>"
    with pytest.raises(UnknownName) as caught:
        www.services["ftp"]
    assert str(caught.value) == ("www.example.com has no service 'ftp'; it was declared with: http")


# ssh


def test_ssh_travels_from_one_node_to_another(shop: Shop) -> None:
    with shop.h1.ssh(to=shop.www) as client:
        _, stdout, _ = client.exec_command("hostname; echo $SSH_CONNECTION")
        name, connection = stdout.read().decode().splitlines()
    assert name == shop.www.run("hostname").stdout.strip()
    # The modem's address, for it masquerades the home.
    assert (
        connection.split()[0]
        == shop.modem.run(
            "ip -o -4 addr show to 203.0.113.0/24 | awk '{print $4}' | cut -d/ -f1"
        ).stdout.strip()
    )
    assert shop.h1.run("pgrep -x nc", check=False).stdout == ""


def test_ssh_lets_users_in_by_key_and_by_password(shop: Shop) -> None:
    for options in ({"user": "student"}, {"user": "student", "password": "secret"}):
        with shop.h1.ssh(to="www", **options) as client:
            _, stdout, _ = client.exec_command("whoami")
            assert stdout.read() == b"student\n"


def test_ssh_carries_files(shop: Shop) -> None:
    data = os.urandom(3_000_000)
    with shop.h1.ssh(to=shop.h2) as client, client.open_sftp() as sftp:
        sftp.putfo(io.BytesIO(data), "/root/by-sftp")
    assert shop.h2.read_bytes("/root/by-sftp") == data


@pytest.mark.cannot("namespaces", "let ssh in to hosts without services")
def test_a_host_without_services_lets_ssh_in(shop: Shop) -> None:
    for node in (shop.h1, shop.h2):
        with node.ssh(to=shop.h1) as client:
            _, stdout, _ = client.exec_command("hostname")
            assert stdout.read() == b"h1\n"


def test_ssh_that_fails_says_why(shop: Shop) -> None:
    with pytest.raises(PlaygroundError, match=r"www.example.com does not let student in; lab.us"):
        shop.h1.ssh(to=shop.www, user="student", password="wrong")
    with pytest.raises(PlaygroundError, match=r"h1 cannot reach ssh at nobody: "):
        shop.h1.ssh(to="nobody")
    with pytest.raises(PlaygroundError, match=r"h1 cannot reach ssh at 203.0.113.99: "):
        shop.h1.ssh(to="203.0.113.99", timeout_s=0.5)


# shell


def test_a_shell_needs_a_terminal(h1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(PlaygroundError) as caught:
        h1.shell()
    assert str(caught.value).endswith("type `playground shell h1` in a terminal")


# A node that dies


def test_a_node_that_died_is_told(engine: Engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="dying", quiet=True) as lab:
        job = h1.start("sleep 60")
        first = first_process(engine, lab.id, "h1")
        killer = threading.Timer(0.5, lambda: os.kill(first, 9))
        killer.start()
        with pytest.raises(NodeDied, match=r"^h1 has died: its first process ended"):
            h1.run("sleep 30")
        killer.join()
        with pytest.raises(NodeDied):
            h1.call(os.getpid)
        with pytest.raises(NodeDied):
            h1.hosts["h2"]
        assert job.wait() == -9
        assert h2.run("echo alive").stdout == "alive\n"
    with pytest.raises(NotRunning):
        h1.run("true")


# A user's mistake gets a sentence of ours, before anything runs.
WRONG = {
    "run(5)": lambda h: h.run(5),
    "run(None)": lambda h: h.run(None),
    "run([])": lambda h: h.run([]),
    "run([1])": lambda h: h.run(["echo", 1]),
    "a NUL": lambda h: h.run("echo \0"),
    "a surrogate": lambda h: h.run("echo \ud800"),
    "input=5": lambda h: h.run("cat", input=5),
    "timeout_s text": lambda h: h.run("true", timeout_s="5"),
    "timeout_s inf": lambda h: h.run("true", timeout_s=float("inf")),
    "timeout_s negative": lambda h: h.run("true", timeout_s=-1),
    "timeout_s nan": lambda h: h.run("true", timeout_s=float("nan")),
    "env text": lambda h: h.run("true", env="A=5"),
    "env number": lambda h: h.run("true", env={"A": 5}),
    "env name": lambda h: h.run("true", env={"A=B": "x"}),
    "user=0": lambda h: h.run("true", user=0),
    "cwd=5": lambda h: h.run("true", cwd=5),
    "ping count text": lambda h: h.ping("127.0.0.1", count="3"),
    "ping count 0": lambda h: h.ping("127.0.0.1", count=0),
    "ping interval": lambda h: h.ping("127.0.0.1", interval_s=-1),
    "ping None": lambda h: h.ping(None),
    "traceroute hops": lambda h: h.traceroute("127.0.0.1", max_hops=0),
    "nameservers None": lambda h: setattr(h, "nameservers", None),
    "hostname 5": lambda h: setattr(h, "hostname", 5),
    "hosts 5": lambda h: h.hosts.__setitem__("x", 5),
    "write a surrogate": lambda h: h.write("/root/a", "\ud800"),
    "input a surrogate": lambda h: h.run("cat", input="\ud800"),
    "write number": lambda h: h.write("/root/a", 5),
    "write None": lambda h: h.write(None, "x"),
    "read None": lambda h: h.read(None),
    "put None": lambda h: h.put(None, "/root/"),
    "put a long name": lambda h: h.put("x" * 5000, "/root/"),
    "get below a device": lambda h: h.get("/etc/hosts", "/dev/null/x/"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_meant_is_refused_in_a_sentence(h1: Host, what: str) -> None:
    with pytest.raises((BadArgument, TransferFailed)) as refused:
        WRONG[what](h1)
    assert " " in str(refused.value)
    assert "/bin/sh" not in str(refused.value)


def test_a_path_is_as_good_as_text(h1: Host) -> None:
    assert h1.run(["pwd"], cwd=PurePosixPath("/etc")).stdout == "/etc\n"


def test_a_module_that_a_host_lacks_is_explained(h1: Host) -> None:
    def uses() -> str:
        import nbclient

        return str(nbclient)

    with pytest.raises(ModuleNotFoundError) as caught:
        h1.call(uses)
    assert str(caught.value).startswith("No module named 'nbclient': functions run by h1's own")
    assert "which lacks what is installed in the virtual environment" in str(caught.value)
    assert "with h1.sockets():" in str(caught.value)


def test_an_interrupt_is_one_line_in_a_notebook(h1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    def shown(operation: Callable[[], object], *names: str) -> list[str]:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:
            for name in names:
                patch.setattr(AgentProcess, name, interrupted)
            operation()
        return caught.value._render_traceback_()  # type: ignore[attr-defined, no-any-return]

    ended = ["KeyboardInterrupt: what ran on h1 was ended"]
    assert shown(lambda: h1.run("sleep 1000"), "communicate") == ended
    assert shown(lambda: h1.call(time.sleep, 1000), "read_stdout") == ended
    assert shown(lambda: h1.get("/etc/hosts"), "read_stdout") == ended
    with h1.start("sleep 1000") as job:
        goes_on = ["KeyboardInterrupt: 'sleep 1000' on h1 goes on"]
        assert shown(job.wait, "wait") == goes_on
