"""Test chats as Markdown and as notebooks."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt

from a3s_power_jupyter.assistant.exports import harmless, markdown_of, notebook_of
from a3s_power_jupyter.contract.types import Chat
from support.hostile_text import ATTACKS


def chat(*messages: dict[str, Any], **fields: Any) -> Chat:
    values: dict[str, Any] = {
        "id": "0" * 32, "title": "Cheese", "model": "org/m", "parameters": {"system": "Be brief."},
        "answer": None, "created_at": 1.0, "updated_at": 1.0, "revision": 1,
    }  # fmt: skip
    return Chat(messages=list(messages), **(values | fields))


ANSWER = "Try this:\n\n```python\nprint('![x](http://a)')\n```\nOr:\n```sh\nls\n```\nDone."
MESSAGES: tuple[dict[str, Any], ...] = (
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Cell 3:\n```\n1\n```"},
            {"type": "text", "text": "Why?"},
        ],
        "attachments": [{"part": 0, "title": "Cell 3"}],
    },
    {"role": "assistant", "content": ANSWER, "reasoning_content": "Let me\nthink."},
)


def test_markdown_has_all_parts() -> None:
    text = markdown_of(chat(*MESSAGES, answer={"content": "Partly", "page": "p", "beat": 1}))
    for part in ("# Cheese", "## System prompt\n\nBe brief.", "## You", "Why?", "## org/m"):
        assert part in text
    assert "> Let me\n> think." in text
    assert "```python\nprint('![x](http://a)')\n```" in text
    assert text.count("Cell 3:") == 1
    assert text.endswith("## org/m\n\nPartly\n")


def test_a_notebook_is_valid_and_has_the_code_in_cells() -> None:
    notebook = notebook_of(chat(*MESSAGES))
    nbformat.validate(notebook)
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code == ["print('![x](http://a)')"]
    texts = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert "Or:\n```sh\nls\n```\nDone." in texts


def test_code_of_the_user_stays_in_the_question() -> None:
    notebook = notebook_of(chat({"role": "user", "content": "Fix\n```python\nx[0]<b\n```"}))
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["markdown"] * 5
    assert notebook["cells"][-1]["source"] == "Fix\n```python\nx[0]<b\n```"


def test_odd_messages_are_exported() -> None:
    odd = chat({}, {"role": 3, "content": 4, "tool_calls": [None, {"function": {"name": "f"}}]})
    nbformat.validate(notebook_of(odd))
    assert "f()" in markdown_of(odd)


def test_results_follow_their_calls() -> None:
    function = {"name": "run_code", "arguments": '{"code": "1 + 1"}'}
    called = chat(
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": function}]},
        {"role": "tool", "tool_call_id": "a", "content": "2\n![x](http://a)\n```\n"},
        {"role": "tool", "tool_call_id": "lost", "content": "Of no call"},
        {"role": "tool", "tool_call_id": [], "content": "Odd"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "Another with this id"},
    )
    expected = (
        '```\nrun_code({"code": "1 + 1"})\n```\n\n'
        "Result:\n\n````\n2\n![x](http://a)\n```\n````\n\n"
        "## Result of a tool\n\nOf no call\n\n## Result of a tool\n\nOdd\n\n"
        "## org/m\n\n```\nf()\n```\n\nResult:\n\n```\nAnother with this id\n```\n"
    )
    assert markdown_of(called).endswith(expected)
    sources = [cell["source"] for cell in notebook_of(called)["cells"]]
    assert any(source.endswith("2\n![x](http://a)\n```\n````") for source in sources)


UNSAFE = "![x](http://evil/a.png)<img src=http://evil/b.png>"


@pytest.mark.parametrize(
    "text",
    [
        UNSAFE,
        f"`a\n{UNSAFE}`",
        f"\\` {UNSAFE} `",
        f"- a\n  ```\nx {UNSAFE}\n",
        f"> ```\n{UNSAFE}",
        f"```a`b\n{UNSAFE}",
        f"```\na\n   ```  \n{UNSAFE}",
        f"~~~\n```\n~~~\n{UNSAFE}",
        f"```\n~~~\n```\n{UNSAFE}",
        f"    ```\n{UNSAFE}",
        f"\t```\n\n{UNSAFE}",
        f"<div>\n```\n{UNSAFE}",
        f"<!--\n```\n-->{UNSAFE}",
        f"1. ```\n   a\n```\n```\n{UNSAFE}",
        f"```\r{UNSAFE}\r```\r{UNSAFE}",
        f"a\n```\u2028```\n{UNSAFE}",
        f"[a]: http://x '\n```\n{UNSAFE}'",
        f"```\n```\x0b\n{UNSAFE}\n```\n",
        f"```\n```\x1c\n{UNSAFE}\n```\n",
        f"   ```\n```\n{UNSAFE}\n```\n",
        f"a\n ~~~py\n~~~\n{UNSAFE}\n~~~\n",
        f"- ```\nb\n  ```\n```\n{UNSAFE}\n```\n",
        f"-\t```\n  ```\n```\na\n{UNSAFE}\n```\n",
    ],
)
def test_no_image_and_no_html_comes_out(text: str) -> None:
    message = {"role": "assistant", "content": text, "reasoning_content": text}
    exported = chat(message, title=text, model=text)
    sources = [markdown_of(exported), harmless(text)]
    cells = notebook_of(exported)["cells"]
    sources += [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    for source in sources:
        html = MarkdownIt("commonmark", {"html": True}).render(source)
        assert "<img" not in html
        assert "<div" not in html


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_comes_out(attack: str) -> None:
    for text in (attack, f"a {attack} b", f"- {attack}"):
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(harmless(text))
        tokens += [child for token in tokens for child in token.children or ()]
        assert not {"html_inline", "html_block", "image"} & {token.type for token in tokens}
        for link in (str(token.attrs["href"]) for token in tokens if token.type == "link_open"):
            assert re.match(r"https?://|mailto:|%e2%80%8b|[^:/.]*$", link.lower())
        plain = "\n".join(token.content for token in tokens if token.type == "text")
        assert not re.search(r"\\(href|require|def|let|newcommand|style|class|setOptions)\b", plain)


@pytest.mark.parametrize(
    "text",
    [
        "- a\n  ```py\n  x = 1\n\n  y\n  ```\n- b",
        "1. ```\n   a\n   ```",
        "[a](https://b.example) `x[1](2)`",
        "`\\n \\d+` [a]: b",
        "$\\frac{1}{2}$ \\left \\letter",
    ],
)
def test_usual_text_stays(text: str) -> None:
    assert harmless(text) == text


def test_text_with_many_fences_takes_linear_time() -> None:
    text = "  ```x\n" * 100_000  # hours if each one looked for its end in all lines
    assert "\u200b```x" in harmless(text)
