"""The command line: its words, its errors, and a whole life of a lab."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from playground import Host, Lab, Link
from playground.display.how_to import help_page
from playground.engines import owners
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import LabRecord
from playground.errors import BadArgument
from playground.frontends import cli

COMMANDS = (
    "demo", "build", "doctor", "up", "ls", "run", "shell", "ssh-config", "down", "sweep",
    "plug", "unplug", "wait", "version",
)  # fmt: skip

# RFC 863, discard: nobody runs it on a loopback address any more.
NOWHERE = "tcp://127.0.0.1:9"

HOME = """\
from playground import Host, Lab, Link, Switch
home = Switch("home", subnet="192.168.1.0/24")
for name in ("h1", "h2"):
    Link(home, Host(name))
"""


def playground(*arguments, data=None, **environment):
    """Run the real command, as a user would."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "playground", *arguments],
        input=data,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def written(tmp_path):
    """Write a file of Python and return its path."""

    def write(text, name="lab.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


# -- words -------------------------------------------------------------------


def test_help_lists_the_commands_and_hides_what_is_for_ssh():
    said = CliRunner().invoke(cli.main, ["--help"]).output
    positions = [said.index(f"\n  {name} ") for name in COMMANDS]
    assert positions == sorted(positions)
    assert "proxy" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli.main, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.split()) > 12


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_is_told(word):
    result = CliRunner().invoke(cli.main, [word])
    assert result.output.startswith("playground ") and result.exit_code == 0


def test_the_engine_may_be_said_after_the_command(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_ENGINE", "docker")
    assert CliRunner().invoke(cli.main, ["demo", "--engine", "podman"]).exit_code == 2
    shown = CliRunner().invoke(cli.main, ["ls", "--json", "--engine", "namespaces"])
    assert os.environ["PLAYGROUND_ENGINE"] == "namespaces"
    assert isinstance(json.loads(shown.output), list)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plug", "web"], "--to LAB/SWITCH, --new SWITCH, --macvlan DEVICE"),
        (["plug", "web", "--to", "a/b", "--dummy"], "say once what to plug it into"),
        (["plug", "web", "--to", "a/b", "--dhcp", "-a", "10.1.1.1/24"], "leave --address"),
        (["down", "shop", "--lab", "office"], "choose one"),
        (["down", "--all", "--lab", "office"], "choose one"),
    ],
)
def test_what_contradicts_itself_is_said_in_words_of_the_line(arguments, words):
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vlan", "9999"], "--vlan 9999: a number from 1 to 4094"),
        (["--mtu", "7"], "--mtu 7 is not between 68 and 65535"),
    ],
)
def test_what_plug_refuses_is_said_in_options(arguments, words):
    result = CliRunner().invoke(cli.main, ["plug", "web", "--to", "shop/home", *arguments])
    assert result.exit_code == 1 and words in result.output


def test_python_in_brackets_stays_python():
    said = 'Use Lab(engine="namespaces"), or say trust_hosts=True'
    assert cli._as_options(said, cli.plug) == 'Use Lab(engine="namespaces"), or say --trust-hosts'


def records(*names, own=True):
    """Labs as an engine lists them: this user's, or another's."""
    owner = owners.own_name() if own else "somebody@elsewhere:1"
    return [LabRecord(name, name, owner, ("h1", "h2"), 0.0, keep=True) for name in names]


@pytest.fixture
def listed(monkeypatch):
    """Have these labs listed, and note which are taken down."""

    def have(*labs):
        there = list(labs)
        engine = SimpleNamespace(
            labs=lambda: list(there),
            stop=there.remove,
            close=lambda: None,
            find=lambda lab_id: next(one for one in there if one.id == lab_id),
        )
        monkeypatch.setattr(cli, "_labs", lambda: engine)
        return there

    return have


def test_all_labs_are_shown_before_they_end(listed):
    there = listed(*records("shop", "office"), *records("theirs", own=False))
    result = CliRunner().invoke(cli.main, ["-q", "down", "--all"], input="n\n")
    assert result.exit_code == 1 and len(there) == 3
    assert "shop" in result.output and "office" in result.output
    assert "theirs" not in result.output
    result = CliRunner().invoke(cli.main, ["-q", "down", "--all"], input="y\n")
    assert result.exit_code == 0
    assert [record.name for record in there] == ["theirs"]


def test_nobody_who_cannot_answer_loses_a_lab(listed):
    there = listed(*records("shop", "office"))
    result = CliRunner().invoke(cli.main, ["-q", "down", "--all"])
    assert result.exit_code == 1 and "say --yes" in result.output and len(there) == 2
    assert CliRunner().invoke(cli.main, ["-q", "down", "--all", "--yes"]).exit_code == 0
    assert not there


def test_a_lab_is_taken_down_by_its_name_in_both_places(listed):
    there = listed(*records("shop", "office"))
    assert CliRunner().invoke(cli.main, ["-q", "down", "--lab", "shop"]).exit_code == 0
    assert CliRunner().invoke(cli.main, ["-q", "down", "office"]).exit_code == 0
    assert not there


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["down"], "no lab of yours is running: start one with `playground up FILE.py`"),
        (["run", "h1", "true"], "no lab is running: start one with `playground up FILE.py`"),
        (["down", "shop"], "no lab 'shop' is running"),
    ],
)
def test_no_lab_is_missed_that_nobody_named(listed, arguments, words):
    listed(*records("theirs", own=False)[: arguments == ["down"]])
    result = CliRunner().invoke(cli.main, ["-q", *arguments])
    assert result.exit_code == 1
    assert words in result.output


def test_ones_own_lab_is_meant_before_a_neighbours(listed):
    listed(*records("theirs", own=False), *records("shop"))
    assert cli._meant(cli._labs(), "h1", None).name == "shop"
    there = listed(*records("theirs", own=False))
    assert cli._meant(cli._labs(), "h1", None).name == there[0].name


def test_labs_are_listed_for_programs(listed):
    listed(*records("shop"), *records("theirs", own=False))
    rows = json.loads(CliRunner().invoke(cli.main, ["ls", "--json"]).output)
    assert [(row["name"], row["own"]) for row in rows] == [("shop", True), ("theirs", False)]
    assert rows[0]["machines"] == ["h1", "h2"]
    assert rows[0]["created"] == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes_words_as_the_page_says(shell):
    page = help_page("tab-completion").text
    assert f"{shell}_source" in page and "_PLAYGROUND_COMPLETE=bash_source playground" in page
    source = CliRunner().invoke(
        cli.main, prog_name="playground", env={"_PLAYGROUND_COMPLETE": f"{shell}_source"}
    )
    assert "_PLAYGROUND_COMPLETE" in source.output and source.exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["run", "h1", "--", "true"],
        ["shell", "h1"],
        ["ssh-config"],
        ["proxy", "h1"],
        ["down"],
        ["sweep"],
        ["build"],
        ["demo"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_an_engine_there_is_one_sentence(arguments):
    done = playground("--quiet", *arguments, DOCKER_HOST=NOWHERE)
    assert done.returncode == 1
    said = done.stderr.decode()
    assert said.startswith("playground: ")
    assert "Traceback" not in said and len(said.strip().splitlines()) == 1


def test_debug_shows_the_traceback():
    done = playground("--debug", "ls", DOCKER_HOST=NOWHERE)
    assert done.returncode == 1
    assert b"Traceback" in done.stderr


def test_completion_is_silent_without_an_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    context = cli.main.make_context("playground", [], resilient_parsing=True)
    assert cli._complete_host(context, cli.main.params[0], "h") == []


def test_run_takes_its_options_before_the_host():
    done = CliRunner().invoke(cli.main, ["run", "h1", "--lab", "street", "ip"])
    assert done.exit_code == 2
    assert "--lab stands behind h1, where the command begins" in done.output


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--lab", "x", "run", "h1", "ip"], "`playground run --lab NAME HOST ip addr`"),
        (["--yes", "down"], "as in `playground down --yes ...`"),
        (["stop", "--lab", "x"], "the lab is a word of its own here: playground stop LAB"),
        (["--labb", "x"], "No such option '--labb'"),
    ],
)
def test_an_option_that_stands_elsewhere_is_told_where_it_goes(words, hint):
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 2
    assert hint in done.output.replace("No such option: --labb", "No such option '--labb'")


def test_run_wants_a_command():
    result = CliRunner().invoke(cli.main, ["run", "h1", "--"])
    assert result.exit_code == 2


# -- a lab in a file ---------------------------------------------------------


def test_a_file_that_is_not_there_is_named():
    done = playground("up", "no-such-file.py")
    assert done.returncode == 2 and b"no-such-file.py" in done.stderr


# -- a whole life ------------------------------------------------------------


@pytest.fixture(scope="module")
def lab_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("up") / f"cli-test-{os.getpid()}.py"
    path.write_text(HOME.replace("Host(name)", 'Host(name, services=["ssh"])'))
    return path


@pytest.fixture(scope="module")
def up(engine, keep_lab, lab_file, tmp_path_factory):
    """A lab brought up by the command line; its name."""
    cache = tmp_path_factory.mktemp("cache")
    os.environ["XDG_CACHE_HOME"], before = str(cache), os.environ.get("XDG_CACHE_HOME")
    chosen = os.environ["PLAYGROUND_ENGINE"]
    done = playground("--quiet", "up", str(lab_file))
    assert done.returncode == 0, done.stderr.decode()
    name = lab_file.stem
    (record,) = (record for record in engine.labs() if record.name == name)
    keep_lab(record.id)
    try:
        said = done.stdout.decode()
        assert f"lab {name} is up: 2 machines" in said
        assert f"playground down {name}" in said
        yield name
    finally:
        # By now the next test's engine may be the one in the environment.
        down = playground("--quiet", "down", name, PLAYGROUND_ENGINE=chosen)
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
    assert down.returncode == 0, down.stderr.decode()
    assert name not in {record.name for record in engine.labs()}
    assert not list(Path(cache).glob("playground/*"))


def test_ls_shows_it(up):
    said = playground("ls").stdout.decode()
    (line,) = (line for line in said.splitlines() if line.startswith(up))
    assert "h1 h2" in line and "playground down" in line


def test_the_same_lab_is_not_started_twice(up, lab_file):
    done = playground("up", str(lab_file))
    assert done.returncode == 0
    assert done.stdout.decode().startswith(f"lab {up} runs already")


def test_run_passes_both_streams_and_the_exit_status(up):
    done = playground("run", "--lab", up, "h1", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_run_takes_one_word_with_spaces_as_a_line_for_the_shell(up):
    done = playground("run", "--lab", up, "h1", "hostname | tr a-z A-Z")
    assert (done.returncode, done.stdout) == (0, b"H1\n")


def test_run_passes_input_of_any_size_and_bytes(up):
    data = bytes(range(256)) * 8192
    done = playground("run", "--lab", up, "h1", "--", "cat", data=data)
    assert done.returncode == 0
    assert done.stdout == data


def test_run_as_another_user(up):
    done = playground("run", "--lab", up, "-u", "student", "h1", "--", "id", "-un")
    assert done.stdout == b"student\n"


def test_run_says_by_which_signal_a_command_ended(up):
    done = playground("run", "--lab", up, "h1", "--", "sh", "-c", "kill -TERM $$")
    assert done.returncode == 128 + 15


def test_a_reader_that_has_enough_ends_the_command(up):
    line = f"{shlex.quote(sys.executable)} -m playground run --lab {up} h1 -- yes | head -n 1"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False
    )
    assert (done.stdout, done.stderr) == (b"y\n", b"")


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        pytest.param(["h1", "--", "no-such-command"], 127, "no-such-command", id="command"),
        pytest.param(["h9", "--", "true"], 1, "h9", id="host"),
        pytest.param(["home", "--", "true"], 1, "switch", id="switch"),
    ],
)
def test_what_is_not_there_is_said(up, arguments, status, complaint):
    done = playground("run", "--lab", up, *arguments)
    assert done.returncode == status
    assert complaint in done.stderr.decode() and b"Traceback" not in done.stderr


def test_a_lab_that_is_not_there_is_said(up):
    done = playground("run", "--lab", "no-such-lab", "h1", "--", "true")
    assert done.returncode == 1 and b"no-such-lab" in done.stderr


def test_hosts_are_completed(up):
    context = cli.main.make_context("playground", [], resilient_parsing=True)
    found = {item.value for item in cli._complete_host(context, cli.main.params[0], "h")}
    assert {"h1", "h2"} <= found


def test_sweep_leaves_a_kept_lab_alone(up, engine):
    assert playground("sweep").returncode == 0
    assert up in {record.name for record in engine.labs()}


# paramiko's ProxyCommand kills its process on closing, also when it has just ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ssh_config_lets_an_ssh_client_in(up, tmp_path, monkeypatch):
    import paramiko

    done = playground("ssh-config", "--lab", up)
    assert done.returncode == 0, done.stderr.decode()
    in_file = playground("ssh-config", "--file", "--lab", up).stdout.decode().strip()
    assert Path(in_file).read_bytes() == done.stdout
    # ssh is called anywhere, also where a file has the name of a module.
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong random')")
    (tmp_path / "playground.py").write_text("raise SystemExit('the wrong playground')")
    monkeypatch.chdir(tmp_path)
    config = paramiko.SSHConfig.from_text(done.stdout.decode())
    entry = config.lookup("h1")
    assert Path(entry["identityfile"][0].strip('"')).stat().st_mode & 0o077 == 0
    proxy = paramiko.ProxyCommand(entry["proxycommand"])
    with proxy.process, paramiko.SSHClient() as client:
        client.load_host_keys(entry["userknownhostsfile"].strip('"'))
        client.connect(
            entry["hostkeyalias"],
            username=entry["user"],
            key_filename=entry["identityfile"][0].strip('"'),
            sock=proxy,
            look_for_keys=False,
            allow_agent=False,
            timeout=30,
        )
        _, stdout, _ = client.exec_command("hostname")
        assert stdout.read() == b"h1\n"


def test_a_home_that_cannot_be_written_is_said(up, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")  # root may write in any folder, and in no file
    done = playground("ssh-config", "--lab", up, XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert b"set XDG_CACHE_HOME to a folder" in done.stderr


def test_who_has_no_home_takes_labs_down_and_is_told_of_ssh(listed, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    listed(*records("shop"))
    assert CliRunner().invoke(cli.main, ["-q", "down", "shop"]).exit_code == 0
    with pytest.raises(BadArgument, match="set XDG_CACHE_HOME"):
        cli._folder("shop")


def test_a_machine_that_no_lab_has_is_named(up):
    done = playground("run", "nohost", "--", "true")
    assert done.returncode == 1
    assert "no lab that runs has a machine 'nohost'" in done.stderr.decode()


@pytest.mark.parametrize(
    "lab_id", ["", ".", "..", "../../..", "/", "/etc", "a/..", "a/b", "..\n", "x\n", "a\0b", "-r"]
)
def test_an_id_that_is_no_name_has_no_folder(lab_id: str) -> None:
    with pytest.raises(BadArgument, match="no id of a lab"):
        cli._folder(lab_id)


def test_a_lab_with_such_an_id_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "playground").mkdir()
    (tmp_path / "precious").write_text("x")
    stopped: list[SimpleNamespace] = []
    engine = SimpleNamespace(stop=stopped.append, labs=list)
    record = SimpleNamespace(id="../../..", name="x")
    cli._remove(engine, [record], True)  # type: ignore[arg-type, list-item]
    assert stopped == [record]
    assert (tmp_path / "precious").exists()


def test_hosts_with_the_machines_programs_are_left_out_of_what_ssh_reaches(
    namespaces_engine: NamespacesEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain, served = Host("plain"), Host("served", services=["ssh"])
    Link(plain, served)
    with Lab(plain, name="mixed", engine=namespaces_engine, quiet=True) as lab:
        text = cli._ssh_config(lab)
        cli.say_how_to_enter(lab, 0.5)
    assert "\nHost served\n" in text
    assert "Host plain" not in text
    assert "# plain has this machine's programs and no server of its own" in text
    said = capsys.readouterr().out
    assert "ssh-config --file) served" in said and "password" in said


def test_no_password_is_shown_where_nobody_can_log_in(
    namespaces_engine: NamespacesEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lab(Host("alone"), name="closed", engine=namespaces_engine, quiet=True) as lab:
        cli.say_how_to_enter(lab, 0.5)
        said = capsys.readouterr().out
        assert "shell alone" in said
        assert "password" not in said and lab.root_password not in said


def test_help_prints_the_page_about_a_topic_and_lists_all():
    shown = CliRunner().invoke(cli.main, ["help", "slow", "link"])
    assert shown.output.startswith("# How do I make a slow link?\n")
    assert "link.impair(delay_ms=20)" in shown.output and shown.exit_code == 0
    listed = CliRunner().invoke(cli.main, ["help"]).output
    assert "vlans" in listed and "One of them: playground help " in listed


def test_help_says_what_comes_near_where_no_page_fits():
    shown = CliRunner().invoke(cli.main, ["help", "vlasn"])
    assert shown.exit_code == 1
    assert "did you mean 'vlan'" in shown.output
