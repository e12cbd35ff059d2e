"""Errors as the protocol writes them."""

from __future__ import annotations

import errno

import pytest

from playground.agent.protocol import describe


@pytest.mark.parametrize(
    ("error", "kind", "number", "message"),
    [
        (ValueError("no such user"), "ValueError", None, "no such user"),
        (ValueError(), "ValueError", None, "ValueError"),
        (OSError(errno.EPERM, "not yours"), "PermissionError", errno.EPERM, "not yours"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/x"),
            "FileNotFoundError",
            errno.ENOENT,
            "No such file or directory: /etc/x",
        ),
        (OSError("plain"), "OSError", None, "plain"),
    ],
)
def test_an_error_as_data(
    error: BaseException, kind: str, number: int | None, message: str
) -> None:
    said = describe(error)
    assert (said["type"], said["errno"], said["message"]) == (kind, number, message)


def test_where_it_happened_is_said_unless_nobody_wants_it() -> None:
    try:
        raise ValueError("here")
    except ValueError as error:
        assert __file__ in describe(error)["traceback"]
        assert describe(error, with_traceback=False)["traceback"] == ""
