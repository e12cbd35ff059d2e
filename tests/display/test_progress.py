"""Progress of long steps: bars, plain lines, and silence."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time

import pytest

from playground.display.progress import BarProgress, LineProgress, Progress, Silent, make_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use(progress: Progress) -> None:
    with progress.step("building image [base]", total=2) as outer:
        outer.advance()
        with progress.step("inner") as inner:
            inner.note("Get:1 [http://deb.example.com] trixie [/]")
        outer.advance(1)


@pytest.mark.parametrize(
    ("quiet", "file", "kind"),
    [
        (True, Terminal(), Silent),
        (False, Terminal(), BarProgress),
        (False, io.StringIO(), LineProgress),
    ],
    ids=["quiet", "terminal", "file"],
)
def test_it_suits_the_place(quiet: bool, file: io.StringIO, kind: type) -> None:
    progress = make_progress(quiet, file)
    assert type(progress) is kind
    use(progress)


def test_quiet_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    use(make_progress(quiet=True))
    assert capfd.readouterr() == ("", "")


def test_short_steps_are_not_worth_a_line() -> None:
    file = io.StringIO()
    use(LineProgress(file))
    assert file.getvalue() == ""


def test_a_long_step_is_announced_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.display.progress._SHORT_S", 0.01)
    file = io.StringIO()
    with LineProgress(file).step("pulling debian"):
        deadline = time.monotonic() + 10
        while not file.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.getvalue() == "pulling debian ...\n"
    assert file.getvalue().splitlines()[1].startswith("pulling debian: done in ")


def test_a_step_that_fails_says_so_and_the_error_passes() -> None:
    file = io.StringIO()
    with pytest.raises(ValueError, match="no mirror"), LineProgress(file).step("building"):
        raise ValueError("no mirror")
    assert file.getvalue().startswith("building: failed after ")


def test_a_bar_shows_title_and_note() -> None:
    file = Terminal()
    progress = BarProgress(file)
    with progress.step("building image [base]", total=2) as step:
        step.note("Unpacking\n [nginx]")
        step.advance()
        progress._bars.refresh()  # type: ignore[union-attr]
    assert "building image [base]" in file.getvalue()
    assert "Unpacking [nginx]" in file.getvalue()
    assert progress._bars is None


@pytest.mark.parametrize("kind", [BarProgress, LineProgress])
def test_what_a_build_or_a_registry_says_has_no_effect_on_the_terminal(
    kind: type[BarProgress | LineProgress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.display.progress._SHORT_S", 0.0)
    file = Terminal()
    progress = kind(file)
    with progress.step("loading a\x1b]0;b.tar") as step:
        step.note("Get:1\x1b[2J\u202e\rlibc6")
        if isinstance(progress, BarProgress):
            progress._bars.refresh()  # type: ignore[union-attr]
            assert "Get:1\\x1b[2J\\u202e libc6" in file.getvalue()
    assert "loading a\\x1b]0;b.tar" in file.getvalue()
    assert "\x1b]0;" not in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()
    assert "\u202e" not in file.getvalue()


def test_steps_may_come_from_any_thread() -> None:
    progress = BarProgress(Terminal())
    threads = [threading.Thread(target=use, args=(progress,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert progress._bars is None


def test_rich_is_imported_only_when_shown() -> None:
    code = (
        "import sys; from playground.display.progress import make_progress as m; m().step('x');"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
