"""Test the HTML and the text of widgets in saved notebooks."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.text import printable
from a3s_power_jupyter.contract.types import Model, ModelDetails, PullStatus
from a3s_power_jupyter.widgets import attached, fallback
from a3s_power_jupyter.widgets.fallback import Bundle
from support import fake_models
from support.hostile_text import CONTROLS, HOSTILE, NAMES
from support.paths import ROOT

#: All elements that fallbacks and the Markdown of answers are made of.
ELEMENTS = {
    *("a", "bdi", "blockquote", "br", "code", "details", "div", "em", "h1", "img", "li", "ol"),
    *("p", "pre", "progress", "small", "span", "strong", "summary", "table", "tbody", "td", "th"),
    *("thead", "tr", "ul"),
}


class Markup(HTMLParser):
    """Collects the elements, attributes and text of HTML."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def check(bundle: Bundle, *texts: str) -> None:
    """Check that a fallback shows texts as they are, with only elements and attributes of ours.

    Characters that reorder a text are written out.
    """
    markup = Markup(bundle["text/html"])
    assert markup.elements <= ELEMENTS
    assert not [name for name in markup.attributes if name.startswith("on")]
    assert (markup.attributes.get("src") or "data:image/").startswith("data:image/")
    assert (markup.attributes.get("href") or "https://").startswith("https://")
    for text in map(printable, texts):
        assert text in markup.text
        assert text in bundle["text/plain"]


def pull_of(name: str) -> PullStatus:
    return PullStatus(
        name=name, status="failed", started_at=1.0, note=name, error={"message": name}
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_and_reasons_are_shown_as_text(name: str) -> None:
    model = fake_models.model(name)
    details = ModelDetails(quantization=name, parameter_count=1)
    check(fallback.models([msgspec.structs.replace(model, parameters=details)]), name)
    check(fallback.pull(name, None), name)
    check(fallback.pull(name, pull_of(name)), name)
    check(fallback.chat(name, [{"role": name, "content": name}]), name)


@pytest.mark.parametrize("role", ["user", "assistant", "tool", "system"])
def test_hostile_messages_are_shown_without_markup_of_their_own(role: str) -> None:
    call = {"function": {"name": HOSTILE, "arguments": HOSTILE}}
    message: dict[str, Any] = {
        "role": role,
        "content": HOSTILE + CONTROLS,
        "reasoning_content": HOSTILE,
        "tool_calls": [call],
    }
    answer = {"content": HOSTILE, "reasoning_content": HOSTILE, "page": HOSTILE}
    bundle = fallback.chat("m", [message], answer)
    check(bundle)
    assert "window.attacked" in Markup(bundle["text/html"]).text
    assert "\x1b" not in bundle["text/html"] + bundle["text/plain"]


def image_message(length: int) -> dict[str, Any]:
    url = "data:image/png;base64," + "A" * length
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def test_the_images_of_a_chat_are_bounded_together() -> None:
    messages = [image_message(attached.MAX_IMAGES * 3 // 5) for _ in range(2)]
    markup = fallback.chat("m", [*messages, image_message(10)])["text/html"]
    assert markup.count("<img ") == 2, "the first and the last one fit"
    assert markup.count("too large to be saved here") == 1


@pytest.mark.parametrize("url", ["https://leak.example/a.png", "file:///a.png", HOSTILE])
def test_images_that_would_be_loaded_are_text(url: str) -> None:
    note = {"kind": "image", "title": HOSTILE, "cut": HOSTILE, "part": 0}
    content = [{"type": "image_url", "image_url": {"url": url}}]
    bundle = fallback.chat("m", [{"role": "user", "content": content, "attachments": [note]}])
    assert "<img " not in bundle["text/html"]
    assert Markup(bundle["text/html"]).elements <= ELEMENTS


def test_an_unfinished_answer_is_marked() -> None:
    question = {"role": "user", "content": "What?"}
    bundle = fallback.chat("m", [question], {"content": "A **half**", "page": "a", "beat": 1})
    assert bundle["text/plain"] == "Chat with m\nuser: What?\nassistant (incomplete): A **half**"
    assert "<strong>assistant</strong> (incomplete)" in bundle["text/html"]
    assert "<strong>half</strong>" in bundle["text/html"]
    assert "incomplete" not in fallback.chat("m", [question])["text/html"]


def test_answers_are_markdown_and_other_messages_are_text() -> None:
    messages = [{"role": role, "content": "**x**\n\ny"} for role in ("user", "assistant", "tool")]
    markup = fallback.chat("", messages)["text/html"]
    assert markup.count("<strong>x</strong>") == 1
    assert markup.count("white-space: pre-wrap") == 2
    assert markup.count("<summary>Result</summary>") == 1


# The same cases as in labextension/test/views/saved/savedViews.test.js.
CASES = json.loads((ROOT / "tests/support/saved_view_cases.json").read_text())


def model_of(fields: dict[str, Any]) -> Model:
    details = msgspec.convert(fields["parameters"], ModelDetails)
    model = fake_models.model(fields["id"])
    return msgspec.structs.replace(model, **{**fields, "parameters": details})


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_kernel_and_the_browser_render_the_same(case: dict[str, Any]) -> None:
    if "models" in case:
        bundle = fallback.models([model_of(fields) for fields in case["models"]])
    elif "pull" in case:
        bundle = fallback.pull(case["name"], msgspec.convert(case["pull"], PullStatus | None))
    else:
        bundle = fallback.chat(case["model"], case["messages"], case["answer"])
    assert bundle == {"text/html": case["html"], "text/plain": case["text"]}
