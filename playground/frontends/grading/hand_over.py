"""A submission is read, by a process that may be its own: what it declares is handed over as data.

Runs as ``python -m playground.frontends.grading.hand_over KIND STUDENT SECONDS`` where it can do
no harm, for so many seconds of a processor: on a host without links, or at least in a process of
its own.  It expects the packed submission (tar(5)) on its standard input, and writes one document
of JSON to its standard output:

    {"lab": ..., "files": {"0": {"folder": {"index.html": BASE64}}, "1": BASE64}, "warnings": [...]}

``lab`` is the data of a lab file; paths in it are names of ``files``.  Or {"refused": SENTENCE}.
What the submission prints goes to standard error.  Nobody trusts any of it: see `handed_over`.

"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from playground.errors import PlaygroundError

# Unpacked, in all: what a host's disk has room for is more.
MOST_UNPACKED_BYTES = 64 * 2**20
MOST_UNPACKED_FILES = 5_000
# Files that the network's hosts get, in all.
MOST_FILE_BYTES = 12 * 2**20
MOST_WARNINGS = 50

# What a folder is a lab by, whatever else is in it; a topology of containerlab beside these.
_LAB_FILES = (
    *("lab.conf", "lab.yaml", "lab.yml", "compose.yaml", "compose.yml"),
    *("docker-compose.yml", "docker-compose.yaml"),
)
_NAMES = ("lab.py", "network.py", "main.py", "submission.py", "student.py", "solution.py")


def main() -> None:
    """Read the submission on standard input, and hand over what it declares."""
    # As JSON: its bytes may be no text that an argument can be.
    kind, student = sys.argv[1], json.loads(sys.argv[2])
    # What the submission prints must not get among what is handed over.
    own, itself = os.dup(1), os.getpid()
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_s = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    said = answer(kind, student, sys.stdin.buffer.read())
    # Whom the submission has forked says nothing.
    if os.getpid() == itself:
        with open(own, "w", encoding="utf-8") as out:
            json.dump(said, out)
    # Whatever the submission has left running, or wants to do at the end.
    os._exit(0)


def answer(kind: str, student: str, packed: bytes) -> dict[str, Any]:
    """Return what is handed over of a packed submission, which is unpacked into this folder."""
    # Whoever handed it in knows its files, and not where they were unpacked.
    place = f"{Path.cwd()}/"
    try:
        found = _read(kind, student, packed)
        return {**found, "warnings": [one.replace(place, "") for one in found["warnings"]]}
    except PlaygroundError as error:
        return {"refused": str(error).replace(place, "")}
    except RecursionError:
        return {"refused": "it nests something too deep"}
    except MemoryError:
        return {"refused": "it takes more memory than it may"}
    except OSError as error:
        return {"refused": f"it cannot be read: {error.strerror}"}


def _read(kind: str, student: str, packed: bytes) -> dict[str, Any]:
    folder = Path.cwd()
    _unpack_tar(packed, folder)
    if kind == "zip":
        folder = _unzip(next(folder.iterdir()), folder / "unzipped")
    elif kind == "git":
        folder = _checked_out(folder)
    path = find_file(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        declared = _declared(path, student)
    said = [str(one.message) for one in caught if one.category.__name__ == "LabWarning"]
    return {**declared, "warnings": said[:MOST_WARNINGS]}


def _unpack_tar(packed: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for entry in archive:
            archive.extract(entry, folder, set_attrs=False)


def _unzip(file: Path, folder: Path) -> Path:
    """Unpack a zip file; links in it become files, and ways out of it names within."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_UNPACKED_FILES:
                raise PlaygroundError(f"the zip file has more than {MOST_UNPACKED_FILES:,} files")
            if sum(entry.file_size for entry in entries) > MOST_UNPACKED_BYTES:
                raise PlaygroundError(
                    f"the zip file has more than {MOST_UNPACKED_BYTES >> 20} MB when unpacked"
                )
            for entry in entries:
                if Path(entry.filename).is_absolute() or ".." in Path(entry.filename).parts:
                    raise PlaygroundError(
                        f"the zip file has {entry.filename!r} in it, which leads out of its folder"
                    )
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise PlaygroundError(
                        f"the zip file has a link in it, {entry.filename!r}; pack the file instead"
                    )
                archive.extract(entry, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise PlaygroundError(f"this is no zip file that can be unpacked: {error}") from error
    folder.mkdir(exist_ok=True)
    return folder


def _checked_out(repository: Path) -> Path:
    """Return the files of a bare repository's HEAD."""
    folder = repository / "checked-out"
    command = ["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", "--depth=1"]
    try:
        done = subprocess.run(
            [*command, f"file://{repository}", folder], capture_output=True, text=True, timeout=20
        )
    except FileNotFoundError:
        raise PlaygroundError(
            "this is a git repository, and there is no git here: install it (apt install git)"
        ) from None
    except subprocess.TimeoutExpired:
        raise PlaygroundError("git took too long to check this repository out") from None
    if done.returncode or not folder.is_dir():
        reason = done.stderr.strip().splitlines()[-1:] or ["it is empty"]
        raise PlaygroundError(f"this git repository cannot be checked out: {reason[0]}")
    return folder


def find_file(folder: Path) -> Path:
    """Return what declares the network in a folder: a file, or the folder itself.

    That is what `playground.load` takes a folder for, else the one Python file in it, or the one
    that is called as the network's is usually.  A folder with one folder in it is that one.

    """
    inside = [one for one in folder.iterdir() if not one.name.startswith((".", "__"))]
    inside = [one for one in inside if one.is_dir() or one.is_file()]
    folders = [one for one in inside if one.is_dir() and not one.is_symlink()]
    files = [one for one in inside if one.is_file() and not one.is_symlink()]
    if any(one.name in _LAB_FILES or ".clab.y" in one.name for one in files):
        return folder
    for ending in ((".py",), (".yaml", ".yml")):
        fitting = [one for one in files if one.suffix.lower() in ending]
        named = [one for one in fitting if one.name in _NAMES]
        if len(fitting) == 1 or len(named) == 1:
            return (named or fitting)[0]
        if fitting:
            names = ", ".join(sorted(one.name for one in fitting))
            raise PlaygroundError(
                f"it has more than one file that may be the network ({names}): call the one lab.py"
            )
    if (folder / "__init__.py").is_file():
        return folder
    if len(folders) == 1 and not files:
        return find_file(folders[0])
    if len(folders) == 1 and all(one.suffix.lower() in (".md", ".txt", ".pdf") for one in files):
        return find_file(folders[0])
    raise PlaygroundError(
        "it has no file that declares a network: no lab.py, lab.yaml, lab.conf or the like"
    )


# -- what it declares ------------------------------------------------------------


def _declared(path: Path, student: str) -> dict[str, Any]:
    from playground.lab.declarations.gather import gather
    from playground.lab.files.writing import file_data
    from playground.lab.formats.load import LoadOptions, load_any
    from playground.lab.lab import Lab

    def refuse(lab: Lab) -> NoReturn:
        raise PlaygroundError(
            "a submission only declares its network, and cannot start it here: put what starts "
            'and uses the lab under `if __name__ == "__main__":`'
        )

    Lab.start = Lab.__enter__ = refuse  # type: ignore[method-assign,assignment]
    os.environ["PLAYGROUND_STUDENT"] = student
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    lab = load_any(path, LoadOptions(quiet=True))
    data = file_data(lab._state.settings(), gather(lab.nodes), path.absolute().parent)
    files: dict[str, Any] = {}
    data = _with_files(data, path.absolute().parent, files)
    return {"lab": data, "files": files}


def _with_files(data: Any, folder: Path, files: dict[str, Any]) -> Any:
    """Return data in which the paths of files are names of what is put into ``files``."""
    if isinstance(data, Mapping):
        if set(data) == {"path"} and isinstance(data["path"], str):
            name = str(len(files))
            files[name] = _packed(folder / data["path"])
            return {"path": name}
        return {key: _with_files(item, folder, files) for key, item in data.items()}
    if isinstance(data, list):
        return [_with_files(item, folder, files) for item in data]
    return data


_left_bytes = MOST_FILE_BYTES


def _packed(path: Path) -> Any:
    if path.is_dir():
        return {"folder": {name: _text(file) for name, file in _files_below(path)}}
    return _text(path)


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(folder)), file


def _text(file: Path) -> str:
    global _left_bytes
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise PlaygroundError(f"{file.name} is no file")
        with file.open("rb") as opened:
            content = opened.read(_left_bytes + 1)
    except OSError as error:
        raise PlaygroundError(f"{file.name} cannot be read: {error.strerror}") from error
    _left_bytes -= len(content)
    if _left_bytes < 0:
        raise PlaygroundError(f"its hosts get files of more than {MOST_FILE_BYTES >> 20} MB")
    return base64.b64encode(content).decode()


if __name__ == "__main__":
    main()
