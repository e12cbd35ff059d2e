"""The doctor's sentences on bare namespaces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from playground.engines.images import image_for
from playground.engines.namespaces import labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem
from playground.engines.namespaces.images.image_roots import ImageRoots
from playground.engines.namespaces.privileges import is_root
from playground.errors import EngineError
from playground.frontends import namespaces_doctor
from tests import machine


def test_a_machine_that_can_make_a_host_is_healthy_and_keeps_nothing_of_it() -> None:
    before = machine.ours(labels.find_labs())
    found = {finding.name: finding for finding in namespaces_doctor.examine()}
    assert found["namespaces"].status == "ok", found["namespaces"]
    assert "a host was made and removed" in found["namespaces"].detail
    assert machine.ours(labels.find_labs()) == before
    # By which way links are impaired was tried, and there is always one.
    ways = found["impaired links"]
    assert ("netem impairs links" in ways.detail) == (ways.status == "ok")
    assert ways.status == "ok" or "made by a relay in user space" in ways.detail


def test_a_machine_that_forbids_namespaces_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: NamespacesEngine) -> None:
        raise EngineError("let root run `sysctl -w user.max_user_namespaces=15000`")

    monkeypatch.setattr(NamespacesEngine, "check", refuse)
    (finding,) = namespaces_doctor.examine()
    assert finding.status == "fail"
    assert "sysctl -w user.max_user_namespaces" in finding.advice


def test_a_service_is_built_once_any_image_has_its_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After the demo there is a mail server's image, and none of smtp alone."""
    if not is_root():
        pytest.skip("images are root's")
    roots = ImageRoots(tmp_path)
    monkeypatch.setattr(roots, "_docker", lambda: NoDocker())
    monkeypatch.setattr(namespaces_doctor, "ImageRoots", lambda: roots)
    roots._remember(
        image_for(["smtp", "pop", "imap"]).tag, RootFilesystem((str(tmp_path),), (), ())
    )
    (finding,) = namespaces_doctor._images()
    assert "not built yet, for " in finding.detail
    assert " http, ftp, telnet, dns, " in finding.detail


class NoDocker:
    def find(self, tag: str) -> None:
        return None


def test_a_missing_program_is_named_with_its_package_and_its_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: None if name == "nft" else which(name, path=path)
    )
    (finding,) = [found for found in namespaces_doctor.examine() if found.name == "tools"]
    assert finding.status == "warn"
    assert "nft: firewalls, and routers that translate addresses" in finding.detail
    assert "nftables" in finding.advice
