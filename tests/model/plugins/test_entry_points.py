"""Services of other packages: one installed as pip does it, and packages that go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import Host, Service, TopologyError
from playground.model.services.table import row_of

PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "playground-stomp"
version = "1.0"
[project.entry-points."playground.services"]
stomp = "playground_stomp:STOMP"
[tool.setuptools]
py-modules = ["playground_stomp"]
"""
MODULE = """\
from playground import Service

def STOMP(port=1883):
    return Service("stomp", ["mosquitto", "-p", str(port)], port=port, packages=["mosquitto"])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a package that adds the service stomp."""
    place, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "playground_stomp.py").write_text(MODULE)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-index", "--target", str(place), str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which packages are looked for; what they load is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def add(site: Path, package: str, entry: str, module: str = "", text: str = "") -> None:
    """Put a package into a folder as an installer leaves it."""
    information = site / f"{package.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[playground.services]\n{entry}\n")
    if module:
        (site / f"{module}.py").write_text(text)


def test_a_package_adds_a_service(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    broker = Host("broker", services=["stomp"])
    (settings,) = broker.declared_services
    assert isinstance(settings, Service)
    assert settings.port == 1883
    assert settings.packages == ("mosquitto",)
    with pytest.raises(TopologyError, match=r"choose from ssh, .*, stomp$"):
        Host("broker", services=["gopher"])


def test_names_of_ours_load_nothing(installed: Path) -> None:
    program = (
        "import sys; from playground import Host; Host('h', services=['http', 'ssh']); "
        "print('importlib.metadata' in sys.modules, 'playground_stomp' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise RuntimeError('no luck')", "cannot be loaded: RuntimeError: no luck; mend or"),
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError"),
        ("", "cannot be loaded: AttributeError"),
        ("raise SystemExit('no luck')", "cannot be loaded: SystemExit: no luck; mend or"),
        ("def BROKER(): exit(3)", "cannot be loaded: SystemExit: 3; mend or"),
        ("def BROKER(): return 5", "which gives 5 instead of a Service('coap', ...)"),
        (
            "from playground import Service\nBROKER = Service('stomp', 'x')",
            "instead of a Service('coap', ...)",
        ),
        (
            "from playground import Service\ndef BROKER(): return Service('http', 'x')",
            "of playground's own; give yours another name",
        ),
    ],
)
def test_a_package_that_fails_is_named(site: Path, text: str, words: str) -> None:
    add(site, "playground-coap", "coap = broken_coap:BROKER", "broken_coap", text)
    with pytest.raises(TopologyError) as caught:
        Host("h", services=["coap"])
    assert "h: the service 'coap' comes from playground-coap (broken_coap:BROKER)" in str(
        caught.value
    )
    assert words in str(caught.value)


def test_two_packages_with_one_name_are_named(site: Path) -> None:
    add(site, "one-coap", "coap = one:A")
    add(site, "two-coap", "coap = two:A")
    with pytest.raises(TopologyError) as caught:
        Host("h", services=["coap"])
    assert "several packages, one-coap (one:A) and two-coap (two:A); uninstall" in str(caught.value)


def test_a_package_cannot_take_the_place_of_ours(site: Path) -> None:
    add(site, "my-http", "http = mine:HTTP")
    (settings,) = Host("h", services=["http"]).declared_services
    assert row_of(settings).programs == ("nginx",)
    with pytest.raises(TopologyError) as caught:
        Host("h", services=["htp"])
    assert "my-http (mine:HTTP) adds 'http', which is playground's own" in str(caught.value)
