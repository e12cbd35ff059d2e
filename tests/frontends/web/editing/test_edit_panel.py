"""The panel has a form for all that can be drawn, and applies what it has shown."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.frontends.web.editing import draft, edit_panel
from playground.frontends.web.editing.edit_panel import _KINDS, EditPanel
from playground.frontends.web.editing.form_fields import fields_of
from playground.lab.files.yaml_document import Document, parse_document


def test_every_kind_that_is_drawn_has_a_form() -> None:
    for kind in _KINDS:
        assert any(field.usual for field in fields_of(kind))


class Button:
    enabled = True

    def disable(self) -> None:
        self.enabled = False

    def set_enabled(self, value: bool) -> None:
        self.enabled = value


class SlowLab:
    """Looks at drafts as slowly as a test wants: each answer is waited for by its text."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Future[Any]] = {}
        self.shown: list[Any] = []

    async def drawn(self, diagram: Any) -> None:
        self.shown.append(diagram)

    async def ask(self, function: Any, *args: Any) -> Any:
        if function is not edit_panel._looked_at:
            return await asyncio.to_thread(function, *args)
        text = args[-1]
        return await self.answers.setdefault(text, asyncio.get_running_loop().create_future())

    async def answer(self, text: str) -> None:
        program = f"program of {text}"
        looked = SimpleNamespace(base=f"base of {text}", program=program, diagram=text)
        self.answers[text].set_result((looked, draft.NO_PARTS))
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def panel(view: SlowLab) -> EditPanel:
    """Return one without a browser."""
    made = EditPanel.__new__(EditPanel)
    made.__dict__.update(
        _view=view,
        _edited=SimpleNamespace(look=None),
        _on_draft=view.drawn,
        _text="at first",
        _wanted="at first",
        _base="",
        _takes=0,
        _most_bytes=draft.MOST_BYTES,
        _apply=Button(),
        _yaml=SimpleNamespace(value="at first"),
        _python=SimpleNamespace(value=""),
        _wrong=SimpleNamespace(text=""),
        _say=lambda diff: made._apply.set_enabled(True),
    )
    return made


async def type_yaml(made: EditPanel, text: str) -> asyncio.Task[None]:
    made._yaml.value = text
    task = asyncio.create_task(made._yaml_typed(text))
    await asyncio.sleep(0)
    return task


def test_only_the_last_draft_counts_in_whatever_order_answers_come() -> None:
    async def typing() -> None:
        view = SlowLab()
        made = panel(view)
        first, second = await type_yaml(made, "h1"), await type_yaml(made, "h12")
        await view.answer("h12")
        assert (made._text, made._base, made._apply.enabled) == ("h12", "base of h12", True)
        await view.answer("h1")
        await asyncio.gather(first, second)
        assert (made._text, made._python.value) == ("h12", "program of h12")
        assert view.shown == ["h12"], "and only that is drawn"

    asyncio.run(typing())


def test_nothing_is_applied_until_what_stands_there_was_looked_at() -> None:
    async def typing() -> None:
        view = SlowLab()
        made = panel(view)
        task = await type_yaml(made, "h1")
        assert not made._apply.enabled
        back = await type_yaml(made, "at first")  # and back again, before the answer
        await view.answer("h1")
        assert not made._apply.enabled and made._text == "at first"
        await view.answer("at first")
        await asyncio.gather(task, back)
        assert made._apply.enabled and made._text == "at first"

    asyncio.run(typing())


def test_a_program_that_is_wrong_is_the_last_word_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: str, text: str) -> str:
        raise TopologyError("no program")

    monkeypatch.setattr(draft, "from_python", refuse)

    async def typing() -> None:
        view = SlowLab()
        made = panel(view)
        task = await type_yaml(made, "h1")
        made._python.value = "half a"
        await made._python_typed("half a")
        await view.answer("h1")
        await task
        assert made._python.value == "half a" and not made._apply.enabled

    asyncio.run(typing())


def test_no_draft_is_read_where_all_pages_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[threading.Thread] = []
    here = threading.current_thread()

    def noted(text: bytes, place: Path) -> Document:
        read.append(threading.current_thread())
        return parse_document(text, place)

    monkeypatch.setattr("playground.frontends.web.editing.draft.parse_document", noted)

    async def using() -> None:
        view = SlowLab()
        made = panel(view)
        made._text = draft.EMPTY
        made._name = SimpleNamespace(value="h1")
        made._kind, made._node, made._inputs = "host", None, {}
        task = asyncio.create_task(made._submitted())
        while not view.answers:
            await asyncio.sleep(0.01)
        (text,) = view.answers
        assert "h1" in text and read and here not in read
        view.answers[text].set_result(
            (
                SimpleNamespace(base="", program="", diagram=None),
                await view.ask(draft.parts_of, text),
            )
        )
        await task
        read.clear()
        monkeypatch.setattr(made, "_show_form", lambda *shown: view.shown.append(shown))
        made.choose("h1")
        assert view.shown[-1] == ("host", "h1", {}) and not read

    asyncio.run(using())


def test_a_text_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def typing() -> None:
        view = SlowLab()
        made = panel(view)
        await (await type_yaml(made, "#" * (draft.MOST_BYTES + 1)))
        assert "128 KiB" in made._wrong.text and not view.answers
        made._program, made._python.value = "", "é" * (draft.MOST_BYTES // 2 + 1)
        made._wrong.text = ""
        await made._python_typed(made._python.value)
        assert "128 KiB" in made._wrong.text and not made._apply.enabled

    asyncio.run(typing())
