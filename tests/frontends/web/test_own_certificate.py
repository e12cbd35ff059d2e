"""A page that others reach has a certificate, kept as an SSH host key is."""

from __future__ import annotations

import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from playground import PlaygroundError
from playground.frontends.web import own_certificate as module
from playground.frontends.web.gate import is_our_name
from playground.frontends.web.own_certificate import names_in, own_certificate
from playground.frontends.web.server import Listening
from playground.lab.credentials import Credentials


def test_it_is_made_once_and_only_its_user_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "web"
    made = own_certificate("192.0.2.7", folder)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # One file is both: as a server takes it.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.file, made.file)
    assert len(made.fingerprint) == 32 * 3 - 1
    assert own_certificate("192.0.2.7", folder) == made
    assert own_certificate("0.0.0.0", folder) == made  # this machine's name does


def test_another_address_or_a_short_rest_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = own_certificate("192.0.2.7", tmp_path)
    other = own_certificate("192.0.2.8", tmp_path)
    assert other.fingerprint != made.fingerprint
    monkeypatch.setattr(module, "_LEFT", timedelta(days=400))
    assert own_certificate("192.0.2.8", tmp_path).fingerprint != other.fingerprint


def test_what_another_may_have_written_or_read_is_not_used(tmp_path: Path) -> None:
    before = own_certificate("192.0.2.7", tmp_path)
    before.file.chmod(0o644)
    made = own_certificate("192.0.2.7", tmp_path)
    assert made.fingerprint != before.fingerprint
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    made.file.write_text("no certificate")
    assert own_certificate("192.0.2.7", tmp_path).fingerprint != made.fingerprint


def test_a_server_knows_the_names_that_its_certificate_is_for(tmp_path: Path) -> None:
    key, chain = Credentials.make({}).issue(["Lab.Uni.example", "*.uni.example"], ["192.0.2.7"])
    given = tmp_path / "given.pem"
    given.write_text(chain + key)
    assert names_in(given) == ["lab.uni.example"]
    where = Listening("server.uni.example", certificate=given, key=given)
    assert {"server.uni.example", "lab.uni.example", "localhost"} <= where.our_names()
    assert is_our_name(f"{where.host}:8810", where.our_names())
    assert not is_our_name("evil.uni.example", where.our_names())
    given.write_text("no certificate")
    assert names_in(given) == names_in(tmp_path / "missing") == []


def test_where_nothing_can_be_kept_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaygroundError, match="set XDG_STATE_HOME"):
        own_certificate("192.0.2.7", tmp_path / "file")
