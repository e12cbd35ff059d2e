"""The scripts: what they do where there is no engine, and that they can be read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from playground.frontends import namespaces_doctor

TOP = Path(__file__).resolve().parents[1]
SCRIPTS = (
    "setup",
    "demo",
    "test",
    "check",
    "bench",
    "notebooks",
    "second-kernel",
    "fresh",
    "docs",
    "release",
    "swarm",
    "watch-page",
)

# RFC 863, discard: nobody runs it on a loopback address any more.
NOWHERE = "tcp://127.0.0.1:9"


@pytest.fixture
def clone(tmp_path):
    """A clone whose .venv is up to date: a door to the python of these tests."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(TOP / "scripts" / "setup", tmp_path / "scripts")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(TOP / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    content = (TOP / "setup.cfg").read_bytes() + (TOP / "pyproject.toml").read_bytes()
    stamp = hashlib.sha256(os.fsencode(tmp_path.resolve()) + b"\n" + content).hexdigest()
    (tmp_path / ".venv" / "installed-from").write_text(f"{stamp}  -\n")
    return tmp_path


# The programs of a machine that scripts/setup looks for.
LOOKED_FOR = (*namespaces_doctor.TOOLS, "unshare", "buildah", "mmdebstrap")
LOOKED_FOR += ("mn", "brctl", "ovs-testcontroller")
# The programs that it uses itself.
USED = ("bash", "cat", "cut", "dirname", "echo", "env", "flock", "grep", "id", "mktemp", "rm")
USED += ("sed", "sh", "sha256sum", "tail", "true")
# Where it looks in any case, so that what is there cannot be taken away here.
ALWAYS = "/usr/local/sbin:/usr/sbin:/sbin"
TELL_ENGINE = ("sh", "-c", "echo $PLAYGROUND_ENGINE")


@pytest.fixture
def machine(clone):
    """Make the PATH of a machine that has all that is looked for, without some of it.

    It installs by noting what it was asked for, and its sudo asks nothing.  Programs print
    what they are told to say.

    """

    def make(without=(), says=()):
        programs = clone / "programs"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir()
        for name in USED:
            (programs / name).symlink_to(shutil.which(name))
        written = {name: "#!/bin/sh\n" for name in LOOKED_FOR if name not in without}
        for name, words in dict(says).items():
            written[name] = f"#!/bin/sh\necho {words!r}\n"
        written["apt-get"] = f'#!/bin/sh\necho "$@" >>{clone}/apt-get.log\n'
        written["sudo"] = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'
        for name, text in written.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return str(programs)

    return make


def installed(clone):
    """The packages that apt-get was asked for, without what this machine has no keyring for."""
    log = clone / "apt-get.log"
    lines = log.read_text().splitlines() if log.exists() else []
    words = [words.partition("--no-install-recommends")[2].split() for words in lines]
    found = {package for line in words for package in line}
    return found - {"debian-archive-keyring", "uidmap"}


def setup(clone, *arguments, **environment):
    ours = ("CI", "PLAYGROUND_ENGINE")
    inherited = {name: text for name, text in os.environ.items() if name not in ours}
    return subprocess.run(
        [clone / "scripts" / "setup", *arguments],
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("path", [f"scripts/{name}" for name in SCRIPTS] + [".ci/run"])
def test_scripts_can_be_run_and_parsed(path):
    assert os.access(TOP / path, os.X_OK)
    subprocess.run(["bash", "-n", TOP / path], check=True, timeout=20)


def test_ci_only_calls_check_and_test():
    lines = (TOP / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("scripts/")] == [
        "scripts/check",
        "scripts/test",
    ]


def test_hosted_ci_calls_scripts_and_tests_that_are_there_on_every_python_we_name():
    text = (TOP / ".github" / "workflows" / "ci.yml").read_text()
    called = set(re.findall(r"\b(?:scripts|tests)/[\w.-]+", text))
    assert {"scripts/check", "scripts/test", "scripts/fresh", "scripts/demo"} <= called
    assert [path for path in called if not (TOP / path).exists()] == []
    pythons = re.findall(r"Python :: (3\.\d+)$", (TOP / "setup.cfg").read_text(), re.M)
    assert f"python: {json.dumps(pythons)}" in text


def test_an_unknown_option_shows_how_it_is_called(clone):
    done = setup(clone, "--no-such-option")
    assert done.returncode == 2
    assert "--without-engine" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--no-such-option"], ["trixie;id"]], ids=str)
def test_a_fresh_debian_has_a_release(arguments):
    done = subprocess.run(
        [TOP / "scripts" / "fresh", *arguments], capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "RELEASE [COMMAND...]" in done.stderr


def test_what_is_ready_is_not_made_again(clone):
    done = setup(clone, "--without-engine", "echo", "two words", "$HOME")
    assert (done.returncode, done.stdout, done.stderr) == (0, "two words $HOME\n", "")


def test_the_commands_exit_status_is_passed_on(clone):
    assert setup(clone, "--without-engine", "sh", "-c", "exit 7").returncode == 7


def test_no_docker_engine_is_an_error_where_docker_was_asked_for(clone):
    done = setup(clone, "--engine", "docker", "echo", "not reached", DOCKER_HOST=NOWHERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"nothing answers at DOCKER_HOST={NOWHERE}" in done.stderr


def test_an_unknown_engine_is_refused(clone):
    done = setup(clone, "--engine", "simulator", "echo", "not reached")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no engine 'simulator'" in done.stderr


def test_without_docker_the_namespaces_engine_is_used(clone, machine):
    done = setup(clone, *TELL_ENGINE, DOCKER_HOST=NOWHERE, PATH=machine())
    assert (done.returncode, done.stdout) == (0, "namespaces\n")
    assert "no Docker engine answers" in done.stderr


@pytest.mark.parametrize("chosen", [["--engine", "namespaces"], ["--engine=namespaces"]], ids=len)
def test_the_namespaces_engine_can_be_chosen(clone, machine, chosen):
    done = setup(clone, *chosen, *TELL_ENGINE, PATH=machine())
    assert (done.returncode, done.stdout, done.stderr) == (0, "namespaces\n", "")


def test_the_environment_chooses_the_engine(clone, machine):
    done = setup(clone, *TELL_ENGINE, PATH=machine(), PLAYGROUND_ENGINE="namespaces")
    assert (done.returncode, done.stdout, done.stderr) == (0, "namespaces\n", "")


def test_what_the_namespaces_engine_lacks_is_installed_and_nothing_of_docker(clone, machine):
    packages = {
        "buildah": "buildah",
        "mmdebstrap": "mmdebstrap",
        "unshare": "util-linux",
        # All that the doctor would miss.
        **{name: package for name, (package, _) in namespaces_doctor.TOOLS.items()},
    }
    path = machine(without=packages)
    done = setup(clone, "--engine", "namespaces", *TELL_ENGINE, PATH=path)
    assert (done.returncode, done.stdout) == (0, "namespaces\n"), done.stderr
    missing = {name for name in packages if shutil.which(name, path=ALWAYS) is None}
    assert installed(clone) == {packages[name] for name in missing}


@pytest.mark.parametrize(
    ("candidate", "wanted"), [("3.11.0", {"python3.11", "python3.11-venv"}), ("(none)", set())]
)
def test_a_newer_python_beside_the_systems_own_is_installed(clone, machine, candidate, wanted):
    """Ubuntu 22.04 has 3.10, and 3.11 in packages of its own."""
    path = machine(says={"apt-cache": f"  Candidate: {candidate}"})
    for python in (Path(path) / "python3", clone / ".venv" / "bin" / "python"):
        python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.12 || exit 1\n')
        python.chmod(0o755)
    done = setup(clone, "--without-engine", "true", PATH=path)
    assert (done.returncode, installed(clone)) == (1, wanted), done.stderr
    assert "3.11 or newer is needed, and Python 3.10.12 is what" in done.stderr


@pytest.mark.parametrize(("version", "wanted"), [("1.28.2", False), ("1.39.3", True)])
def test_a_buildah_that_needs_netavark_gets_it(clone, machine, version, wanted):
    """Its package only recommends it, and without recommendations every build fails."""
    path = machine(says={"buildah": f"buildah version {version} (image-spec 1.1.0)"})
    there = any((Path(top) / "podman/netavark").exists() for top in ("/usr/lib", "/usr/libexec"))
    done = setup(clone, "--engine", "namespaces", *TELL_ENGINE, PATH=path)
    assert (done.returncode, done.stdout) == (0, "namespaces\n"), done.stderr
    assert installed(clone) == ({"netavark"} if wanted and not there else set())


def test_tests_take_buildah_only_where_they_have_to(clone, machine):
    """Nobody's own machine gets buildah because its tests are run beside a Docker engine."""
    path = machine(without=["buildah"])
    python = clone / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\n")  # whatever is asked for is there, a Docker engine too
    own = setup(clone, "--engine", "both", "--if-possible", "--for-tests", "true", PATH=path)
    assert (own.returncode, installed(clone)) == (0, set()), own.stderr
    ci = setup(clone, "--engine", "both", "true", PATH=path, CI="true")
    assert (ci.returncode, installed(clone)) == (0, {"buildah"}), ci.stderr


def test_mininet_is_installed_only_when_it_is_asked_for(clone, machine):
    path = machine(without=["mn", "brctl", "ovs-testcontroller"])
    bridge_utils = set() if shutil.which("brctl", path=ALWAYS) else {"bridge-utils"}
    assert setup(clone, "--engine", "namespaces", "true", PATH=path).returncode == 0
    assert installed(clone) == set()
    assert setup(clone, "--engine", "namespaces", "--mininet", "true", PATH=path).returncode == 0
    assert installed(clone) == {"mininet", "openvswitch-testcontroller"} | bridge_utils


@pytest.mark.parametrize(("status", "tools"), [(0, ["uv"]), (1, ["uv", "pip"])], ids=["uv", "pip"])
def test_uv_installs_where_it_can_and_else_pip(clone, machine, status, tools):
    path = machine(says={"uv": ""})
    (Path(path) / "uv").write_text(f"#!/bin/sh\nexit {status}\n")
    (clone / ".venv" / "installed-from").unlink()
    python = clone / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\n")
    done = setup(clone, "--without-engine", "true", PATH=path)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"into .venv with (\w+)", done.stderr) == tools
    assert setup(clone, "--without-engine", "true", PATH=path).stderr == ""


@pytest.mark.parametrize("wrong", ["ruff", "codespell", "mypy", "python", None])
def test_a_check_fails_if_a_part_of_it_does(clone, wrong):
    shutil.copy(TOP / "scripts" / "check", clone / "scripts")
    (clone / "scripts" / "setup").write_text("#!/bin/sh\n")
    for name in ("ruff", "codespell", "mypy", "python"):
        program = clone / ".venv" / "bin" / name
        program.write_text(f"#!/bin/sh\necho {name} speaks\nexit {int(name == wrong)}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [clone / "scripts" / "check"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == (wrong is not None)
    assert f"{wrong or 'mypy'} speaks\n" in done.stdout


DEMO = [".venv/bin/playground", "demo"]
BENCH = [".venv/bin/python", "benchmarks/measure.py"]
TESTS = ["--engine", "both", "--if-possible", "--for-tests", ".venv/bin/python", "-m", "pytest"]


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (["demo"], DEMO),
        (["demo", "--engine", "docker", "--keep"], ["--engine", "docker", *DEMO, "--keep"]),
        (["demo", "--keep", "--engine=namespaces"], ["--engine", "namespaces", *DEMO, "--keep"]),
        (
            ["demo", "--engine", "swarm"],
            [
                *("--engine", "docker", "--for-tests", "scripts/swarm", "--demo"),
                *(".venv/bin/playground", "--engine", "swarm", "demo"),
            ],
        ),
        (["bench", "--runs", "3"], ["--engine", "both", *BENCH, "--runs", "3"]),
        (["bench", "--mininet"], ["--engine", "both", "--mininet", *BENCH]),
        (["test"], [*TESTS, "--numprocesses", "4"]),
        (["test", "tests/lab", "-x"], [*TESTS, "tests/lab", "-x"]),
        (
            ["test", "--coverage"],
            [*TESTS, "--cov", "--cov-report=term:skip-covered", "--numprocesses", "4"],
        ),
    ],
    ids=" ".join,
)
def test_setup_is_told_which_engine_and_what_else(clone, called, told):
    shutil.copy(TOP / "scripts" / called[0], clone / "scripts")
    (clone / "scripts" / "setup").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    done = subprocess.run(
        [clone / "scripts" / called[0], *called[1:]], capture_output=True, text=True, timeout=20
    )
    assert done.stdout.split() == told


@pytest.mark.parametrize(
    ("first", "again", "code"),
    [(0, 0, 0), (1, 0, 0), (1, 1, 1), (1, 5, 5), (2, 0, 2), (3, 0, 3)],
    ids=["all passed", "passed alone", "failed twice", "none again", "Ctrl-C", "pytest's fault"],
)
def test_what_fails_beside_others_runs_again_alone(clone, first, again, code):
    shutil.copy(TOP / "scripts" / "test", clone / "scripts")
    case = f'case "$*" in *--last-failed*) exit {again};; *) exit {first};; esac\n'
    (clone / "scripts" / "setup").write_text(f'#!/bin/sh\necho "$@"\n{case}')
    done = subprocess.run([clone / "scripts" / "test"], capture_output=True, text=True, timeout=20)
    assert done.returncode == code
    assert done.stdout.count("--numprocesses 4\n") == 1
    assert done.stdout.count("--last-failed ") == (first == 1)


def test_without_docker_tests_go_on_with_the_other_engine(clone, machine):
    options = ("--engine", "both", "--if-possible")
    done = setup(clone, *options, "echo", "reached", DOCKER_HOST=NOWHERE, PATH=machine())
    assert (done.returncode, done.stdout) == (0, "reached\n")
    assert "skipped" in done.stderr


def test_no_docker_engine_is_an_error_in_ci(clone, machine):
    options = ("--engine", "both", "--if-possible")
    environment = {"DOCKER_HOST": NOWHERE, "CI": "true", "PATH": machine()}
    done = setup(clone, *options, "echo", "no", **environment)
    assert (done.returncode, done.stdout) == (1, "")


def test_tests_of_an_engine_that_there_is_not_are_refused() -> None:
    done = subprocess.run(
        ["scripts/test", "--engine", "fly"], cwd=TOP, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no engine 'fly': write docker, namespaces or swarm" in done.stderr
