"""Volumes that hosts of a lab share: made with it, filled from an image, gone with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground import Host, Lab, Link, Switch, Volume
from playground.engines.seam import Engine
from tests.test_own_images import SYSTEM, write

IMAGE = f"""{SYSTEM}RUN mkdir /data; echo of the image > /data/first; chown -R 500:500 /data; \
    chmod 750 /data
CMD ["sleep", "9999"]
"""


@pytest.fixture(scope="module")
def lab(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, keep_lab: Callable[[str], None]
) -> Iterator[Lab]:
    folder = write(tmp_path_factory.mktemp("shared") / "image", IMAGE)
    data, empty, lan = Volume("data"), Volume("empty"), Switch("lan")
    Link(lan, Host("one", build=folder, volumes={data: ["/data", "/again:ro"]}))
    Link(lan, Host("two", build=folder, volumes={data: "/far/away", empty: "/data/below"}))
    Link(lan, Host("reader", build=folder, volumes={data: "/data:ro"}, read_only=True))
    with Lab(lan, name="eleven-shared", quiet=True, engine=engine) as lab:
        keep_lab(lab.id)
        yield lab


def test_a_volume_begins_with_what_the_image_has_there(lab: Lab) -> None:
    assert lab.node("one").run("cat /data/first").stdout == "of the image\n"
    assert lab.node("two").run("stat -c '%u %a' /far/away").stdout == "500 750\n"


def test_what_one_host_writes_another_reads_at_once(lab: Lab) -> None:
    lab.node("two").run("echo from two > /far/away/said")
    assert lab.node("one").run("cat /data/said /again/said").stdout == "from two\n" * 2
    assert lab.node("reader").run("cat /data/said").stdout == "from two\n"


def test_who_may_only_read_cannot_write(lab: Lab) -> None:
    for host, place in (("reader", "/data/x"), ("one", "/again/x")):
        said = lab.node(host).run(f"echo no > {place}", check=False)
        assert said.returncode != 0
        assert "Read-only file system" in said.stderr


def test_no_device_file_in_it_leads_to_the_machine(lab: Lab) -> None:
    made = lab.node("two").run("mknod /far/away/null c 1 3 && echo x > /far/away/null", check=False)
    assert made.returncode != 0


def test_a_host_that_comes_later_finds_it(lab: Lab) -> None:
    late = Host("late", volumes={Volume("data"): "/data"})
    Link(lab["lan"], late)
    lab.start()
    assert late.run("cat /data/first").stdout == "of the image\n"
