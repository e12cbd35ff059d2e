"""Errors of a Docker engine, as sentences."""

from __future__ import annotations

from playground.engines.docker.errors import own_build_failed


def test_a_base_that_cannot_be_had_is_told_with_what_to_do() -> None:
    step = "Step 1/2 : FROM --platform=linux/amd64 python:3.13-slim AS one\n"
    timeout = 'Get "https://registry-1.docker.io/v2/": dial tcp 192.0.2.1:443: i/o timeout'
    said = str(own_build_failed("h1", "the image of its Dockerfile", timeout, step))
    assert said.startswith(
        "h1: the image of its Dockerfile could not be built: the registry docker.io of the image "
        "python:3.13-slim is not reached from here: look at this machine's network"
    )
    log = f"{step} ---> 1234567890ab\nStep 2/2 : RUN false\n"
    said = str(own_build_failed("h1", "the image", "RUN returned a non-zero code: 1", log))
    assert said.startswith("h1: the image could not be built: RUN returned a non-zero code: 1")
