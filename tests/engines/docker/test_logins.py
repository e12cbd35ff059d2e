"""Logins at registries, read and written where Docker has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playground.engines.docker.logins import login_header, remember_login
from playground.errors import EngineError


def test_a_login_is_written_beside_what_docker_has_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    path = tmp_path / "config.json"
    path.write_text('{"auths": {"other": {"auth": "eDp5"}}, "psFormat": "table"}')
    assert login_header("192.0.2.1:5000") == {}
    remember_login("192.0.2.1:5000", "playground", "secret")
    said = json.loads(path.read_text())
    assert said["psFormat"] == "table" and said["auths"]["other"] == {"auth": "eDp5"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert set(login_header("192.0.2.1:5000/labs")) == {"X-Registry-Auth"}


def test_settings_of_docker_that_cannot_be_read_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(EngineError, match="cannot be written to"):
        remember_login("192.0.2.1:5000", "playground", "secret")
    assert path.read_text() == "{"
