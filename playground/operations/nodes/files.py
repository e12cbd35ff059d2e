"""Files and directories to a node and from it, as tar streams.

A node is not trusted: what it sends is written below the place asked for and
nowhere else, whatever its archive says.

"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import IO

from playground.display.visible import visible
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
    is_number,
    is_whole,
    shown,
)
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
from playground.operations.connection.handles import Node, Process
from playground.operations.connection.results import Result

# Of one message to the agent: large enough that its cost is small beside the
# copying, small enough that other threads' requests get a turn.
_PIECE_BYTES = 256 * 1024


# Of a program that was told all, or of one that was killed.
_END_LIMIT_S = 10.0

# A program that opens a pipe waits for its other end.
_NO_PIPE = '[ -p "$1" ] && { echo ": it is a pipe and no file" >&2; exit 1; }\n'


def write(
    node: Node,
    path: str,
    content: str | bytes,
    *,
    mode: int | None,
    append: bool,
    timeout_s: float | None,
) -> None:
    """Write a file on a node; see `NodeOperations.write`."""
    path = _checked_path(path)
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
    if mode is not None:
        script += f' && chmod {mode:o} -- "$1"'
    try:
        run(node, ["/bin/sh", "-c", script, "sh", path], input=data, timeout_s=timeout_s)
    except CommandTimeout as error:
        raise _too_slow(f"{path} on {node.name} cannot be written", timeout_s) from error
    except CommandFailed as error:
        raise _failed(f"{path} on {node.name} cannot be written", error.result) from error


def read(node: Node, path: str, *, timeout_s: float | None, limit_mb: float | None) -> bytes:
    """Return the content of a file on a node; see `NodeOperations.read_bytes`."""
    path = _checked_path(path)
    megabytes("limit_mb", limit_mb)
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


def put(node: Node, local: str | os.PathLike[str], remote: str, *, timeout_s: float | None) -> str:
    """Copy a file or directory to a node; see `NodeOperations.put`."""
    check_seconds("timeout_s", timeout_s)
    deadline = time_limit(timeout_s)
    source, remote = Path(_checked_path(local)), _checked_path(remote)
    if not _is_there(source):
        raise TransferFailed(f"there is no file or directory {os.fspath(local)!r:.200} here to put")
    target = _remote_target(node, source, remote)
    directory, name = posixpath.split(target)
    extract = ["tar", "-x", "-p", "--no-same-owner", "-f", "-", "-C", directory or "."]
    process = start_process(node, extract, stdin=True)
    sentence = f"{os.fspath(local)!r} cannot be put at {target} on {node.name}"
    stdout = stderr = b""
    try:
        try:
            with tarfile.open(
                fileobj=_InputWriter(process, deadline),
                mode="w|",
                format=tarfile.PAX_FORMAT,
                bufsize=_PIECE_BYTES,
            ) as archive:
                # The thing itself is followed if it is a link, links inside it are kept.
                archive.add(source.resolve(), arcname=name, filter=_owned_by_root)
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


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


class _InputWriter(io.RawIOBase):
    """The writing end of a process's input, as tarfile wants it."""

    def __init__(self, process: Process, deadline: float | None) -> None:
        self._process = process
        self._deadline = deadline

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        for start in range(0, len(view), _PIECE_BYTES):
            piece = bytes(view[start : start + _PIECE_BYTES])
            self._process.write(piece, time_left(self._deadline))
        return len(view)


class _Receiver(io.RawIOBase):
    """The reading end of a process's output, as tarfile wants it."""

    def __init__(self, process: Process, deadline: float | None) -> None:
        self._process = process
        self._deadline = deadline
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = self._process.read_stdout(time_left(self._deadline))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def get(
    node: Node,
    remote: str,
    local: str | os.PathLike[str] | None,
    *,
    timeout_s: float | None,
    limit_mb: float | None,
) -> Path:
    """Copy a file or directory from a node; see `NodeOperations.get`."""
    check_seconds("timeout_s", timeout_s)
    room = _Room(megabytes("limit_mb", limit_mb))
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
    directory = posixpath.dirname(remote.rstrip("/")) or "."
    # As with -H of cp, the thing itself is followed if it is a link.  posix, for
    # times to the nanosecond; S, for the targets of symbolic links to stay.
    pack = (
        'cd -- "$1" 2>/dev/null || { echo ": No such file or directory" >&2; exit 2; }\n'
        'if [ -L "$2" ]; then\n'
        '  real=$(readlink -e -- "$2") || { echo ": a link to nothing" >&2; exit 2; }\n'
        '  cd -- "$(dirname -- "$real")" && set -- . "$(basename -- "$real")" "$3"\n'
        "fi\n"
        'exec tar -c -f - --format=posix --transform="s,^[^/]*,$3,rSh" -- "$2"'
    )
    process = start_process(node, ["/bin/sh", "-c", pack, "sh", directory, name, _INSIDE])
    try:
        # Beside the target, so that the last step is a rename.
        with tempfile.TemporaryDirectory(prefix=".playground-", dir=target.parent) as temporary:
            received = Path(temporary, _INSIDE)
            problem = _receive(_Receiver(process, deadline), received, room)
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
            _move(received, target)
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


# The name of the received thing inside its archive, whatever its own name.
_INSIDE = "received"


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


# Of what tar says on its two streams while it packs or unpacks.
_SAID_BYTES = 1 << 20

# A file takes at least a block of a disk.
_BLOCK_BYTES = 4096


class _Room:
    """How many bytes there may be of what comes, so that nobody fills our disk."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit_bytes = limit_bytes
        self._left = limit_bytes

    def take(self, count: int) -> None:
        """Take so much of it; raises `OSError` where there is no more."""
        if self._left is None or self._limit_bytes is None:
            return
        self._left -= count
        if self._left < 0:
            raise OSError(
                errno.EFBIG,
                f"it takes more than {self._limit_bytes / 1e6:g} MB; allow it more with "
                "limit_mb=...",
            )


class _Member(tarfile.TarInfo):
    """An entry of an archive whose names and attributes are of bounded size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # tarfile reads these whole, before anybody can look at what they say.
        whole = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        names = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if self.type in (*whole, *names) and self.size > _SAID_BYTES:
            raise tarfile.ReadError("an entry with a name or attributes of more than 1 MiB")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _receive(stream: io.RawIOBase, root: Path, room: _Room) -> str:
    """Unpack an archive of one thing called ``received``; return what is wrong with it.

    Only directories, files and links are made, and links last, so that nothing
    can be written through one.  Links that lead out of ``root`` and devices
    are left out with a warning.

    """
    # Of the standard library's answer (PEP 706) some versions have holes of
    # their own (CVE-2025-4517), so its checks are not what this relies on.
    directories: list[tuple[Path, tarfile.TarInfo]] = []
    links: list[tuple[Path, tarfile.TarInfo]] = []
    left_out = []
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=_PIECE_BYTES, tarinfo=_Member
        ) as archive:
            for member in archive:
                room.take(_BLOCK_BYTES)
                parts = member.name.split("/")
                if parts[0] != root.name or ".." in parts or "\0" in member.name:
                    return f"an entry called {member.name!r:.100} came"
                path = root.joinpath(*parts[1:])
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                    directories.append((path, member))
                elif member.isreg():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = archive.extractfile(member)
                    assert content is not None  # a regular file has some
                    _store(content, path, member, room)
                elif member.issym() and _leads_inside(member, len(parts) - 2):
                    links.append((path, member))
                elif member.islnk():
                    problem = _link_hard(root, path, member.linkname)
                    if problem:
                        return problem
                elif len(parts) == 1:
                    return "it is no file and no directory"
                else:
                    left_out.append("/".join(parts[1:]))
    except (tarfile.TarError, EOFError) as error:
        # The command has failed then, and what it said is better.
        return f"what came is no whole archive ({error})" if os.path.lexists(root) else ""
    for path, member in links:
        if _is_below_link(root, path):
            left_out.append(str(path.relative_to(root)))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.linkname)
        _keep_time(path, member, follow=False)
    for path, member in reversed(directories):
        _keep_attributes(path, member)
    if left_out:
        warnings.warn(
            visible(
                "left out, because they lead elsewhere or are no files: " + ", ".join(left_out)
            ),
            stacklevel=4,
        )
    return ""


def _store(content: IO[bytes], path: Path, member: tarfile.TarInfo, room: _Room) -> None:
    # x: an entry that comes twice would be written through a hard link.
    with open(path, "xb") as file:
        # An entry may be sparse, and far longer than what came.
        while piece := content.read(_PIECE_BYTES):
            room.take(len(piece))
            file.write(piece)
    _keep_attributes(path, member)


def _keep_time(path: Path, member: tarfile.TarInfo, *, follow: bool) -> None:
    """Give a copy its time, unless a hostile host's is none that a file system has."""
    if is_number(member.mtime, -(2**33), 2**34):  # ext4: years 1901 to 2446
        os.utime(path, (member.mtime, member.mtime), follow_symlinks=follow)


def _keep_attributes(path: Path, member: tarfile.TarInfo) -> None:
    """Give a file or directory the mode and time that it had on the node."""
    # No set-user-id bits: what root owned there, somebody else owns here.
    os.chmod(path, member.mode & 0o777)
    _keep_time(path, member, follow=True)


def _leads_inside(member: tarfile.TarInfo, depth: int) -> bool:
    """Whether a link that stands this many directories deep stays below the top.

    Its ".." have to come first and to be no more than that: behind the name of
    another link they would lead up from wherever that one leads.

    """
    parts = [part for part in member.linkname.split("/") if part not in ("", ".")]
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return not member.linkname.startswith("/") and up <= depth and ".." not in parts[up:]


def _is_below_link(root: Path, path: Path) -> bool:
    """Whether the way from `root` to where this is to be made passes a link."""
    below = path.relative_to(root).parents
    return any(root.joinpath(parent).is_symlink() for parent in below)


def _link_hard(root: Path, path: Path, linkname: str) -> str:
    parts = linkname.split("/")
    if parts[0] != root.name or ".." in parts:
        return f"a link to {linkname!r:.100} came"
    existing = root.joinpath(*parts[1:])
    if not existing.is_file():
        return f"a link to {linkname!r:.100} came, and not that"
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(existing, path)
    return ""


def _move(source: Path, target: Path) -> None:
    """Put what came at its place; into a directory that is there already."""
    if source.is_dir() and not source.is_symlink() and target.is_dir():
        if target.is_symlink():
            raise NotADirectoryError(f"{target} is a link, and nothing is written through links")
        for entry in list(source.iterdir()):
            _move(entry, target / entry.name)
        shutil.copystat(source, target)
        return
    mode = source.lstat().st_mode
    is_closed = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if is_closed:  # a directory's own ".." is written to when it is moved
        source.chmod(mode | stat.S_IWUSR)
    os.replace(source, target)
    if is_closed:
        target.chmod(mode)
