"""One text kept in the helper, for a client that comes later."""

from __future__ import annotations

import os
import time

# Where state_save puts its text.  An agent outside a helper container, which
# has no /run of its own, is told another place.
STATE_PATH = os.environ.get("PLAYGROUND_STATE", "/run/playground/state.json")


def state_save(data: str) -> None:
    os.makedirs(os.path.dirname(STATE_PATH), 0o700, exist_ok=True)
    temporary = f"{STATE_PATH}.{os.getpid()}"
    # Only root's: it holds the lab's keys and passwords.
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(data)
    os.rename(temporary, STATE_PATH)
    if os.path.exists(_mark()):
        os.unlink(_mark())


def state_changes() -> None:
    os.makedirs(os.path.dirname(STATE_PATH), 0o700, exist_ok=True)
    os.close(os.open(_mark(), os.O_WRONLY | os.O_CREAT, 0o600))


def state_stamp() -> str:
    """Return what is another text once another one was saved; "" before the first."""
    try:
        found = os.stat(STATE_PATH)
    except FileNotFoundError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns}"


def _mark() -> str:
    return f"{STATE_PATH}.changes"


def state_load(wait_s: float = 0) -> str | None:
    end = time.monotonic() + wait_s
    while os.path.exists(_mark()) and time.monotonic() < end:
        time.sleep(0.01)
    try:
        with open(STATE_PATH) as file:
            return file.read()
    except FileNotFoundError:
        return None
