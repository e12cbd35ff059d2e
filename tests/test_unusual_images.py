"""Images with words that few have: hosts of them are hosts, or a sentence says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from playground import Host, Lab, Link, PlaygroundError, Switch
from playground.engines.seam import Engine
from tests.image_archive import busybox, write_archive
from tests.test_own_images import write

SLEEP = {"Entrypoint": ["/bin/busybox"], "Cmd": ["sleep", "1000"]}

STAGES = """
FROM scratch AS one
COPY busybox /bin/busybox
ARG WORD=no
RUN ["/bin/busybox", "sh", "-c", "echo $WORD > /word"]
CMD ["/bin/busybox", "sleep", "1000"]
FROM one
RUN ["/bin/busybox", "sh", "-c", "echo last > /word"]
"""


def image(place: Path, name: str, **config: Any) -> Path:
    return write_archive(place / f"{name}.tar", [[busybox()]], SLEEP | config)


@pytest.fixture(scope="module")
def lab(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, keep_lab: Callable[[str], None]
) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("unusual")
    folder = write(place / "stages", "FROM nowhere\n")
    (folder / "Dockerfile.other").write_text(STAGES)
    ill = {"Test": ["CMD", "/bin/busybox", "false"]}
    lan = Switch("lan")
    staged = {"build_target": "one", "build_args": {"WORD": "hello"}}
    for host in (
        Host("staged", build=folder, dockerfile="Dockerfile.other", **staged),
        Host("numbered", image=image(place, "numbered", User="1234:99")),
        Host("quiet", image=image(place, "quiet", Healthcheck={"Test": ["NONE"]})),
        Host("hushed", image=image(place, "hushed", Healthcheck=ill), healthcheck=False),
        Host("large", image=image(place, "large", Env=["BIG=" + "x" * 100_000, "AFTER=1"])),
        Host("kept", image=image(place, "kept", Volumes={"/srv/kept": {}}), read_only=True),
    ):
        Link(lan, host)
    with Lab(lan, name="unusual-images", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def shell(lab: Lab, name: str, line: str) -> str:
    return lab.node(name).run(["/bin/busybox", "sh", "-c", line]).stdout


def test_a_stage_is_built_with_values_of_its_args(lab: Lab) -> None:
    assert shell(lab, "staged", "cat /word") == "hello\n"


def test_a_user_by_number_needs_no_list_of_users(lab: Lab) -> None:
    busy = "/bin/busybox"
    assert shell(lab, "numbered", f"{busy} id -u; {busy} id -g") == "1234\n99\n"


def test_a_healthcheck_that_was_taken_away_is_not_asked(lab: Lab) -> None:
    for name in ("quiet", "hushed"):
        assert lab.node(name).services["main"].status() == "running"


def test_a_large_environment_is_whole(lab: Lab) -> None:
    assert shell(lab, "large", "echo ${#BIG} $AFTER") == "100000 1\n"


def test_what_an_image_calls_a_volume_may_be_written_though_its_root_may_not(lab: Lab) -> None:
    assert shell(lab, "kept", "echo x > /srv/kept/x; /bin/busybox cat /srv/kept/x") == "x\n"
    refused = lab.node("kept").run(["/bin/busybox", "touch", "/x"], check=False)
    assert "Read-only file system" in refused.stderr


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"User": "app"}, "h1: .*user.*app"),
        ({"Env": ["BIG=" + "x" * 200_000]}, "h1: the ENV of its image has a word of 200,00"),
        ({"OnBuild": ["RUN true"]}, r"h1: .* is made to be built upon \(ONBUILD\)"),
        ({"Cmd": {"not": "a list"}}, "h1: "),
    ],
    ids=["user", "environment", "onbuild", "broken"],
)
def test_what_cannot_be_is_said(
    engine: Engine, tmp_path: Path, config: Mapping[str, Any], sentence: str
) -> None:
    h1 = Host("h1", image=image(tmp_path, "odd", **config))
    Link(h1, Host("h2"))
    with (
        pytest.raises(PlaygroundError, match=sentence),
        Lab(h1, name="odd-image", quiet=True),
    ):
        pass
