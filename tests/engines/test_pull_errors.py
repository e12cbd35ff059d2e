"""Errors of registries, in sentences for a student; and the meaning of references."""

from __future__ import annotations

import pytest

from playground.engines.pull_errors import is_loopback, pull_sentence, registry, whole_name

# As buildah, and Docker's engine, print them.
SAID = {
    "wrong tag": (
        "reading manifest 9 in docker.io/library/x: manifest unknown: manifest unknown",
        "docker.io has no image x:9: look at how its name",
    ),
    "wrong tag, Docker": (
        "manifest for x:9 not found: manifest unknown: manifest unknown",
        "docker.io has no image x:9",
    ),
    "wrong name, Docker": (
        "pull access denied for x, repository does not exist or may require 'docker login'",
        "docker.io has no image x:9, or only for who has logged in",
    ),
    "login": (
        "reading manifest 9: unauthorized: authentication required",
        "docker.io gives x:9 only to who has logged in: run `docker login docker.io`",
    ),
    "login, Docker": (
        'Head "http://127.0.0.1:5000/v2/x/manifests/9": no basic auth credentials',
        "only to who has logged in",
    ),
    "other machines": (
        'no image found in image index for architecture amd64, variant "", OS linux',
        r"x:9 is not for machines of this kind \(amd64\)",
    ),
    "other machines, Docker": (
        "no matching manifest for linux/amd64 in the manifest list entries",
        r"x:9 is not for machines of this kind \(amd64\)",
    ),
    "nothing there": (
        'Get "https://docker.io/v2/": dial tcp: lookup docker.io on 10.0.0.53:53: no such host',
        "the registry docker.io of the image x:9 is not reached from here",
    ),
    "silence": ("Error: it was not done after 15 s and was stopped", "is not reached from here"),
    "limit": ("toomanyrequests: You have reached your pull rate limit", "no more images for now"),
    "certificate": ("tls: failed to verify certificate: x509: unknown", "cannot be trusted"),
    "unheard of": ("Error: the moon is full", "could not be pulled from docker.io: the moon is"),
    "nothing": ("", "nothing was said"),
}


@pytest.mark.parametrize(("said", "sentence"), SAID.values(), ids=SAID.keys())
def test_what_a_registry_says_becomes_a_sentence(said: str, sentence: str) -> None:
    import re

    assert re.search(sentence, pull_sentence("x:9", said, "amd64"))


@pytest.mark.parametrize(
    ("reference", "where", "whole"),
    [
        ("postgres", "docker.io", "docker.io/library/postgres:latest"),
        ("postgres:17", "docker.io", "docker.io/library/postgres:17"),
        ("team/web", "docker.io", "docker.io/team/web:latest"),
        ("docker.io/web", "docker.io", "docker.io/library/web:latest"),
        ("localhost/web:1", "localhost", "localhost/web:1"),
        ("localhost:5000/web", "localhost:5000", "localhost:5000/web:latest"),
        ("quay.io/a/b/c:1", "quay.io", "quay.io/a/b/c:1"),
        ("web@sha256:" + 64 * "0", "docker.io", "docker.io/library/web@sha256:" + 64 * "0"),
    ],
)
def test_references_mean_what_they_mean_to_docker(reference: str, where: str, whole: str) -> None:
    assert registry(reference) == where
    assert whole_name(reference) == whole


def test_http_is_for_registries_of_this_machine_alone() -> None:
    assert [name for name in ("localhost:5000/a", "127.0.0.1:5000/a", "[::1]:5000/a", "a", "b.io/a",
            "127.0.0.1.evil.example/a") if is_loopback(name)] == [
        "localhost:5000/a", "127.0.0.1:5000/a", "[::1]:5000/a"]  # fmt: skip
