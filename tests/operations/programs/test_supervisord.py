"""Which supervisord runs on a node, and what asks it; more in tests/test_supervisor_image.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import NotReady, TooMuchOutput
from playground.operations.connection.command_results import Result
from playground.operations.programs import supervisord as supervisord_module
from playground.operations.programs.supervisord import control_of

FIRST = {"pid": 1, "user": "root", "command": "init", "executable": "/sbin/init"}


def process(command: str, user: str = "root", executable: str = "/usr/bin/python3.11") -> Any:
    return {"pid": 7, "user": user, "command": command, "executable": executable}


@pytest.mark.parametrize(
    ("command", "control"),
    [
        ("/usr/bin/python3 /usr/bin/supervisord", ("/usr/bin/supervisorctl",)),
        ("supervisord -n", ("supervisorctl",)),
        ("python3 supervisord -n -c /s.conf", ("supervisorctl", "-c", "/s.conf")),
        ("python3 -u supervisord", ("supervisorctl",)),
        ("/v/bin/supervisord --configuration=/s", ("/v/bin/supervisorctl", "-c", "/s")),
    ],
)
def test_who_asks_a_supervisord_asks_the_one_that_runs(
    command: str, control: tuple[str, ...]
) -> None:
    assert control_of([FIRST, process(command)]) == (control, "root")


@pytest.mark.parametrize(
    "row",
    [
        process("less /etc/supervisor/supervisord.conf"),
        process("supervisorctl status"),
        process("python3 /srv/look.py /tmp/x/supervisord"),
        process("/tmp/x/supervisord", executable="/usr/bin/sudo"),
        process("/tmp/x/supervisord", executable=""),
    ],
    ids=repr,
)
def test_what_calls_itself_supervisord_is_not_asked(row: Any) -> None:
    assert control_of([FIRST, row]) is None


@pytest.mark.parametrize("first", ["root", "app"])
def test_what_a_user_calls_supervisord_is_asked_last_and_as_that_user(first: str) -> None:
    strange = process("/tmp/x/supervisord", "student", "/tmp/x/python3")
    own = process("/usr/bin/python3 /usr/bin/supervisord", first)
    begun = FIRST | {"user": first}
    assert control_of([begun, strange, own]) == (("/usr/bin/supervisorctl",), first)
    assert control_of([begun, strange]) == (("/tmp/x/supervisorctl",), "student")


def supervisord(monkeypatch: pytest.MonkeyPatch, answer: Any) -> supervisord_module.Supervisord:
    def run(*arguments: Any, **said: Any) -> Result:
        if isinstance(answer, Exception):
            raise answer
        return Result.from_bytes("supervisorctl", 0, answer, b"")

    monkeypatch.setattr(supervisord_module, "run", run)
    node: Any = SimpleNamespace(name="h1")
    return supervisord_module.Supervisord(node, ("supervisorctl",), "root")


def test_names_that_act_on_a_terminal_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"ev\x1b]0;pwn\x07il   RUNNING   pid 1\nweb   RUNNING   pid 2\n"
    assert supervisord(monkeypatch, rows).states() == {"web": ("RUNNING", "pid 2")}


def test_a_supervisorctl_without_end_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = TooMuchOutput("", Result.from_bytes("x", -9, b"a   STARTING\n" * 1000, b""))
    with pytest.raises(NotReady, match="printed more than 2 MB") as refusal:
        supervisord(monkeypatch, endless).wait_settled()
    assert "STARTING" not in str(refusal.value)
