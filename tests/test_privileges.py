"""What a process may do with namespaces."""

from __future__ import annotations

import os

import pytest

from playground import privileges


@pytest.mark.parametrize(
    ("release", "root", "refused"),
    [
        ("6.1.0-28-amd64", True, ""),
        ("5.3.0", True, ""),
        ("5.2.21", True, "bare namespaces need Linux 5.3, and this is 5.2"),
        ("5.10.0-32-amd64", True, ""),
        (
            "5.10.0-32-amd64",
            False,
            "bare namespaces without root need Linux 5.11",
        ),
        ("of my own", False, ""),
    ],
)
def test_a_kernel_that_is_too_old_is_named(release: str, root: bool, refused: str) -> None:
    said = privileges.kernel_refused(release, root)
    assert said.startswith(refused)
    assert bool(said) == bool(refused)


def test_who_is_no_user_0_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not privileges.is_root()


def test_a_refusal_that_no_setting_explains_is_explained_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: False)
    monkeypatch.setattr(privileges, "_SETTINGS", ())
    assert privileges.user_namespaces_refused() == ""
    assert "run it outside of that" in privileges.user_namespaces_refused(tried=True)
