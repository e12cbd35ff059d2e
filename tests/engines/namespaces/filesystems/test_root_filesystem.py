"""Parts of a host's root: directories, an environment, a first program."""

from __future__ import annotations

import pytest

from playground.engines.namespaces.filesystems.root_filesystem import (
    DEFAULT_PATH,
    image_root,
    machine_root,
)


def test_the_machines_root_is_one_directory_and_leaves_the_program_to_the_engine() -> None:
    root = machine_root()
    assert (root.layers, root.command, root.cwd) == (("/",), (), "/")
    assert dict(root.environ)["PATH"] == DEFAULT_PATH


def test_an_images_programs_arguments_follow_it() -> None:
    config = {"Entrypoint": ["catatonit"], "Cmd": ["-P"], "Env": ["A=b=c"], "WorkingDir": "/srv"}
    root = image_root(["/upper", "/lower"], config)
    assert root.layers == ("/upper", "/lower")
    assert root.command == ("catatonit", "-P")
    assert dict(root.environ) == {"PATH": DEFAULT_PATH, "A": "b=c"}
    assert root.cwd == "/srv"


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(("Env", "Cmd", "Entrypoint", "WorkingDir"))])
def test_what_a_configuration_leaves_out_is_what_docker_takes(nothing: dict[str, None]) -> None:
    root = image_root(["/one"], nothing)
    assert (root.environ, root.command, root.cwd) == ((("PATH", DEFAULT_PATH),), (), "/")


def test_an_image_may_set_its_own_path() -> None:
    assert image_root(["/one"], {"Env": ["PATH=/bin"]}).environ == (("PATH", "/bin"),)
