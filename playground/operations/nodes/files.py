"""Files and directories, written to a node and read from it."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from playground.errors import (
    AgentError,
    AgentGone,
    BadArgument,
    CommandFailed,
    CommandTimeout,
    Finished,
    TooMuchOutput,
    TransferFailed,
)
from playground.model.arguments import (
    check_flag,
    check_path,
    check_seconds,
    is_whole,
    shown,
)
from playground.operations.connection import agent_files
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import (
    as_bytes,
    end_by,
    ensure_alive,
    kill,
    megabytes,
    run,
    start_process,
    time_left,
    time_limit,
)
from playground.operations.connection.handles import Node

# The name of the received thing inside its archive, whatever its own name.
_INSIDE = "received"

# Of what tar says on its two streams while it packs or unpacks.
_SAID_BYTES = 1 << 20

# Of a program that was told all, or of one that was killed.
_END_LIMIT_S = 10.0

# A program that opens a pipe waits for its other end.
_NO_PIPE = '[ -p "$1" ] && { echo ": it is a pipe and no file" >&2; exit 1; }\n'


def write(
    node: Node,
    path: str,
    content: str | bytes,
    *,
    mode: int | None = None,
    append: bool = False,
    timeout_s: float | None = 60,
) -> None:
    """Write a file on the node; text goes as UTF-8, directories are made.

    An existing file keeps its mode, a new one gets 0o644, unless ``mode``
    is given.  Raises `TransferFailed` when it cannot be written, or not within
    ``timeout_s`` seconds.

    """
    path = _checked_path(path)
    if not path.startswith("/"):
        raise BadArgument(
            f"{path!r} begins nowhere on a node; write the whole path, '/root/{path}'"
        )
    check_flag("append", append)
    data = as_bytes(f"the content of {path}", content)
    # In place, because /etc/hosts and its like are mount points, which cannot
    # be renamed over.
    script = (
        _NO_PIPE + 'mkdir -p -- "$(dirname -- "$1")" && cat ' + (">>" if append else ">") + ' "$1"'
    )
    if mode is not None and not is_whole(mode, 0, 0o7777):
        raise BadArgument(
            f"mode={shown(mode)} is no set of permissions (chmod(2)); write for example mode=0o644"
        )
    if _by_agent(node):
        agent_files.write(node, path, data, mode, append)
        return
    if mode is not None:
        script += f' && chmod {mode:o} -- "$1"'
    try:
        run(node, ["/bin/sh", "-c", script, "sh", path], input=data, timeout_s=timeout_s)
    except CommandTimeout as error:
        raise _too_slow(f"{path} on {node.name} cannot be written", timeout_s) from error
    except CommandFailed as error:
        raise _failed(f"{path} on {node.name} cannot be written", error.result) from error


def read(
    node: Node, path: str, *, timeout_s: float | None = 30, limit_mb: float | None = 64
) -> str:
    """Return a file of the node as text; bytes that are no UTF-8 become U+FFFD.

    Raises `TransferFailed` when it cannot be read, when it has more than ``limit_mb``
    (`get` takes more) or when that takes more than ``timeout_s`` seconds.

    """
    return read_bytes(node, path, timeout_s=timeout_s, limit_mb=limit_mb).decode("utf-8", "replace")


def read_bytes(
    node: Node, path: str, *, timeout_s: float | None = 30, limit_mb: float | None = 64
) -> bytes:
    """Return a file of the node to the byte; the arguments and errors are those of `read`."""
    path = _checked_path(path)
    limit_bytes = megabytes("limit_mb", limit_mb)
    if _by_agent(node):
        return agent_files.read(node, path, limit_bytes)
    script = _NO_PIPE + 'exec cat -- "$1"'
    try:
        found = run(
            node,
            ["/bin/sh", "-c", script, "sh", path],
            timeout_s=timeout_s,
            output_limit_mb=limit_mb,
        )
        return found.stdout_bytes
    except CommandTimeout as error:
        raise _too_slow(f"{path} on {node.name} cannot be read", timeout_s) from error
    except TooMuchOutput as error:
        raise TransferFailed(
            f"{path} on {node.name} cannot be read: it has more than {limit_mb:g} MB; allow more "
            "with limit_mb=..., or copy it with get()"
        ) from error
    except CommandFailed as error:
        raise _failed(f"{path} on {node.name} cannot be read", error.result) from error


def _by_agent(node: Node) -> bool:
    """Whether programs of the node cannot be relied on, or are not root's."""
    live = node.running()
    return live.strange or bool(live.plan and live.plan.container.user)


def _checked_path(path: object) -> str:
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise BadArgument(f"{path!r} is no path: write for example '/root/notes.txt'")
    return text


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is longer than any, for one
        return False


def _too_slow(sentence: str, timeout_s: float | None) -> TransferFailed:
    within = "in time" if timeout_s is None else f"within {timeout_s:g} s"
    return TransferFailed(f"{sentence} {within}; allow it more with timeout_s=...")


def _failed(sentence: str, result: Finished) -> TransferFailed:
    """Put the reason that a program gave behind a sentence."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    reason = lines[0].rpartition(": ")[2] if lines else f"exit status {result.returncode}"
    return TransferFailed(f"{sentence}: {reason}")


def put(
    node: Node, local: str | os.PathLike[str], remote: str, *, timeout_s: float | None = 300
) -> str:
    """Copy a file or directory to the node and return its path there.

    Like ``scp -rp``: into ``remote`` when that is a directory or ends in a
    slash, else to the very path ``remote``.  Directories on the way are
    made.  Modes and times are kept, the owner is root; existing files are
    replaced, existing directories added to::

        h1.put("client.py", "/root/")          # '/root/client.py'

    Raises `TransferFailed` when it cannot be read here or written there, or not
    within ``timeout_s`` seconds.

    """
    from playground.operations.nodes import archives

    check_seconds("timeout_s", timeout_s)
    deadline = time_limit(timeout_s)
    source, remote = Path(_checked_path(local)), _checked_path(remote)
    if not _is_there(source):
        raise TransferFailed(f"there is no file or directory {os.fspath(local)!r:.200} here to put")
    if _by_agent(node) and source.is_file():
        return agent_files.put(node, source, remote)
    target = _remote_target(node, source, remote)
    directory, name = posixpath.split(target)
    extract = ["tar", "-x", "-p", "--no-same-owner", "-f", "-", "-C", directory or "."]
    process = start_process(node, extract, stdin=True)
    sentence = f"{os.fspath(local)!r} cannot be put at {target} on {node.name}"
    stdout = stderr = b""
    try:
        try:
            archives.pack(process, deadline, source, name)
            process.close_stdin()
            limit_s = time_left(deadline)
        except AgentGone:
            raise
        except AgentError:  # tar ended before its input did, and has said why
            limit_s = _END_LIMIT_S
        stdout, stderr = process.communicate(None, limit_s, _SAID_BYTES)
        returncode = process.wait(_END_LIMIT_S)
    except AgentGone:
        raise
    except (TimeoutError, BufferError) as error:
        kill(process)
        raise _too_slow(sentence, timeout_s) from error
    except OSError as error:
        kill(process)
        raise TransferFailed(f"{os.fspath(local)!r} cannot be read: {error}") from error
    except BaseException as error:
        end_by(error, process, node)
        raise
    if returncode != 0:
        result = Result.from_bytes(extract, returncode, stdout, stderr)
        if returncode < 0:
            ensure_alive(node)
        raise _failed(sentence, result)
    return target


def _remote_target(node: Node, source: Path, remote: str) -> str:
    """Return the path that the copy will have, and make the directory it goes in."""
    if not remote:
        raise TransferFailed("put() needs to know where on the host: give a path such as '/root/'")
    name = source.resolve().name
    script = (
        'if [ -d "$1" ]; then echo into; exit; fi\n'
        'case "$1" in */) mkdir -p -- "$1" && echo into;; '
        '*) mkdir -p -- "$(dirname -- "$1")" && echo as;; esac'
    )
    try:
        answer = run(node, ["/bin/sh", "-c", script, "sh", remote])
    except CommandFailed as error:
        raise _failed(f"{remote} on {node.name} cannot be made", error.result) from error
    return posixpath.join(remote, name) if answer.stdout == "into\n" else remote


def get(
    node: Node,
    remote: str,
    local: str | os.PathLike[str] | None = None,
    *,
    timeout_s: float | None = 300,
    limit_mb: float | None = 2000,
) -> Path:
    """Copy a file or directory from the node and return its path here.

    Into the current directory, or into ``local`` when that is a directory
    or ends in a slash, else to the very path ``local``::

        www.get("/var/log/nginx/access.log")   # PosixPath('.../access.log')

    Modes (without set-user-id) and times are kept.  Nothing is written
    outside of the place asked for, whatever the node sends; inside a
    directory, links that lead out of it, and devices, are left out with a
    warning.  Raises `TransferFailed` when it cannot be read there or
    written here, when it takes more than ``limit_mb`` here (a file as least 4 kB)
    or longer than ``timeout_s`` seconds; nothing is changed here then.

    """
    import tempfile

    from playground.operations.nodes import archives

    check_seconds("timeout_s", timeout_s)
    room = archives.Room(megabytes("limit_mb", limit_mb))
    deadline = time_limit(timeout_s)
    remote = _checked_path(remote)
    name = posixpath.basename(remote.rstrip("/"))
    if name in ("", ".", ".."):
        raise TransferFailed(
            f"{remote!r} has no name to be copied under: give the path of one thing"
        )
    try:
        target = _local_target(name, local)
    except OSError as error:
        raise TransferFailed(f"{remote} of {node.name} cannot be written here: {error}") from error
    if _by_agent(node) and agent_files.get(node, remote, target):
        return target
    directory = posixpath.dirname(remote.rstrip("/")) or "."
    # As with -H of cp, the thing itself is followed if it is a link.  posix, for times to the
    # nanosecond, where tar is GNU's: busybox has no such option.
    pack = (
        'cd -- "$1" 2>/dev/null || { echo ": No such file or directory" >&2; exit 2; }\n'
        'if [ -L "$2" ]; then\n'
        '  real=$(readlink -f -- "$2") && [ -e "$real" ] ||\n'
        '    { echo ": a link to nothing" >&2; exit 2; }\n'
        '  cd -- "$(dirname -- "$real")" && set -- . "$(basename -- "$real")"\n'
        "fi\n"
        'case "$(tar --version 2>/dev/null)" in *GNU*) format=--format=posix;; esac\n'
        'exec tar -c -f - $format -- "$2"'
    )
    process = start_process(node, ["/bin/sh", "-c", pack, "sh", directory, name])
    try:
        # Beside the target, so that the last step is a rename.
        with tempfile.TemporaryDirectory(prefix=".playground-", dir=target.parent) as temporary:
            received = Path(temporary, _INSIDE)
            problem = archives.unpack(process, deadline, received, room)
            if problem:
                kill(process)  # it may have much more of that
            stdout, stderr = process.communicate(None, time_left(deadline), _SAID_BYTES)
            returncode = process.wait(_END_LIMIT_S)
            if returncode < 0:
                ensure_alive(node)
            # tar's 1: some files changed while they were read, as logs do.
            if not problem and returncode not in (0, 1):
                result = Result.from_bytes(pack, returncode, stdout, stderr)
                raise _failed(f"{remote} on {node.name} cannot be got", _first_reason(result))
            if problem or not os.path.lexists(received):
                raise TransferFailed(
                    f"{remote} on {node.name} cannot be got: {problem or 'nothing came'}"
                )
            archives.move(received, target)
    except AgentGone:
        raise
    except (TimeoutError, BufferError) as error:
        kill(process)
        raise _too_slow(f"{remote} on {node.name} cannot be got", timeout_s) from error
    except BaseException as error:
        end_by(error, process, node)
        if isinstance(error, OSError) and not isinstance(error, TransferFailed):
            raise TransferFailed(
                f"{remote} of {node.name} cannot be written to {target}: {error}"
            ) from error
        raise
    return target


def _first_reason(result: Result) -> Result:
    """Leave tar's own summary out of what it said."""
    lines = [
        line for line in result.stderr.splitlines() if "Exiting with failure status" not in line
    ]
    return Result(result.args, result.returncode, "", "\n".join(lines))


def _local_target(name: str, local: str | os.PathLike[str] | None) -> Path:
    if local is None:
        return Path.cwd() / name
    target = check_path(local, "'notes.txt'")
    if target.is_dir() or os.fspath(local).endswith(("/", os.sep)):
        target.mkdir(parents=True, exist_ok=True)
        return target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
