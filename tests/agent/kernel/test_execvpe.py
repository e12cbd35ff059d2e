"""Programs: where they are looked for, and why one does not run."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from playground.agent.kernel.execvpe import (
    DEFAULT_PATH,
    change_directory,
    execute,
    explain_exec,
    heed_signals,
    places,
    spawn,
)
from tests.support_agent import apart


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("/bin/ls", {"PATH": "/usr/bin"}, ["/bin/ls"]),
        ("./run", {}, ["./run"]),
        ("ls", {"PATH": "/usr/bin:/bin"}, ["/usr/bin/ls", "/bin/ls"]),
        # An empty part is the present folder.
        ("ls", {"PATH": ":/bin"}, ["./ls", "/bin/ls"]),
        ("ls", {}, [f"{part}/ls" for part in DEFAULT_PATH.split(":")]),
    ],
)
def test_where_a_command_is_looked_for(
    name: str, environ: dict[str, str], expected: list[str]
) -> None:
    assert places([name], environ) == expected


@pytest.mark.parametrize(
    ("number", "content", "said"),
    [
        (errno.ENOENT, None, r"there is no program 'tool' on the node \(its PATH is "),
        (errno.ENOTDIR, None, "there is no program 'tool'"),
        (errno.ENOENT, "#!/no/such\n", "names an interpreter that does not exist there"),
        (errno.EACCES, "", "tool on the node may not be run: is it an executable file"),
        (errno.EAGAIN, "", "it has as many processes as it may have"),
        (errno.E2BIG, "", "cannot run 'tool' on the node: Argument list too long"),
    ],
)
def test_why_a_command_does_not_run(
    tmp_path: Path, number: int, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "tool").write_text(content)
    refused = OSError(number, os.strerror(number))
    with pytest.raises(OSError, match=said):
        raise explain_exec(refused, ["tool"], {"PATH": str(tmp_path)})


def _executed(tmp_path: Path, content: str, mode: int = 0o755) -> int:
    """Run a program by its name; return its exit status."""
    (tmp_path / "tool").write_text(content)
    (tmp_path / "tool").chmod(mode)
    child = os.fork()
    if child == 0:
        try:
            execute(["tool", "4"], {"PATH": f"/nowhere:{tmp_path}"})
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_program_further_on_in_the_path_is_found(tmp_path: Path) -> None:
    assert _executed(tmp_path, "#!/bin/sh\nexit $1\n") == 4


def test_a_script_without_an_interpreter_is_for_the_shell(tmp_path: Path) -> None:
    assert _executed(tmp_path, "exit $(($1 + 1))\n") == 5


def test_what_cannot_be_run_is_explained(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("")
    with pytest.raises(PermissionError, match="may not be run"):
        execute(["tool"], {"PATH": str(tmp_path)})


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot run in the folder '.*none' of the node"):
        change_directory(f"{tmp_path}/none")


def test_signals_that_python_ignores_are_heeded_again() -> None:
    def look() -> bool:
        heed_signals()
        return signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL

    assert apart(look)


def _spawned(folder: str) -> tuple[int, int]:
    # One that may not be run does not hide what stands further on.
    environ = {"PATH": f"{folder}:/usr/bin:/bin"}
    spawn(["sh", "-c", "exit $((7 + ($(ps -o sid= -p $$) == $$)))"], environ)
    spawn(["tool"], {"PATH": folder})
    statuses = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)]
    return max(statuses), min(statuses)


def test_a_command_is_spawned_in_a_session_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "sh").write_text("no program")
    tool = tmp_path / "tool"
    tool.write_text("exit 3")  # a script that names no interpreter
    tool.chmod(0o755)
    assert apart(_spawned, str(tmp_path)) == (8, 3)
    with pytest.raises(FileNotFoundError, match="no program 'nosuch' on the node"):
        spawn(["nosuch"], {"PATH": str(tmp_path)})
