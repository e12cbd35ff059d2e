"""Images on their way to the machines."""

from __future__ import annotations

import pytest

from playground.display.progress import Silent
from playground.engines.docker.server import Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import helper_image
from playground.engines.swarm.registry import RegistryImages, registry_of_environment
from playground.errors import EngineError


@pytest.mark.parametrize("name", ["registry:5000", "registry.example.com", "192.0.2.1:5000/labs"])
def test_a_registry_is_named_by_host_and_port(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_REGISTRY", name)
    assert registry_of_environment() == name


@pytest.mark.parametrize("name", ["https://registry", "a b", ":5000", "-x"])
def test_what_names_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_REGISTRY", name)
    with pytest.raises(EngineError, match="names no registry: write its host and port"):
        registry_of_environment()


def test_without_a_registry_nothing_is_built_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAYGROUND_REGISTRY", raising=False)
    server = Server("tcp://127.0.0.1:9")
    images = RegistryImages(server, ServerImages(server))
    with pytest.raises(EngineError, match="name a registry in PLAYGROUND_REGISTRY"):
        images.spread([helper_image()], Silent())
    assert not images.has(helper_image().tag)
