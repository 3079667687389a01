"""Test the parts of an answer as HTML and as plain text."""

from __future__ import annotations

import json
import re

import pytest

from a3s_power_jupyter.display.answer_parts import (
    Call,
    Notice,
    Part,
    Text,
    Thoughts,
    call_text,
    markup,
    plain,
)
from support.hostile_text import CONTROLS, HOSTILE

ELEMENTS = {
    "a", "bdi", "blockquote", "br", "code", "details", "em", "h2", "hr", "li", "ol", "p", "pre",
    "small", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def test_thoughts_are_folded_and_plain_text_leaves_them_out() -> None:
    thoughts = Thoughts("So *it* is.", 12.3)
    assert thoughts.html == (
        '<details><summary><small style="opacity: 0.7">Thoughts (12 s)</small></summary>\n'
        '<blockquote>\n<p dir="auto">So <em>it</em> is.</p>\n</blockquote></details>\n'
    )
    assert "Thoughts</small>" in Thoughts("Hm.").html
    assert plain([thoughts, Text("Yes.")]) == "Yes."


def test_while_a_model_thinks_the_time_and_the_end_of_its_thoughts_are_shown() -> None:
    shown = Thoughts("word " * 1000 + "the end", 3.21, finished=False).html
    assert "Thinking for 3.2 s<br>" in shown
    assert shown.count("word") < 60
    assert "the end</bdi></small>" in shown
    assert "<details" not in shown


def test_a_call_is_a_line_with_folded_details() -> None:
    call = Call("weather", '{"city": "Paris", "days": 3}', "18 degrees")
    assert plain([call]) == 'weather(city="Paris", days=3) -> 18 degrees'
    assert "<code>weather(city=&quot;Paris&quot;, days=3)</code> -&gt; 18 degrees</sum" in call.html
    assert "&quot;city&quot;: &quot;Paris&quot;," in call.html
    assert "18 degrees</pre>" in call.html
    failed = Call("f", "{}", "ValueError: no", failed=True)
    assert plain([failed, failed]) == "f() -> error: ValueError: no\nf() -> error: ValueError: no"
    assert "f()</code> is running" in Call("f", "", running=True).html
    assert plain([Call("f", "")]) == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "f()"),
        ("{}", "f()"),
        ('{"a": [1, {"b": null}], "c": "é"}', 'f(a=[1, {"b": null}], c="é")'),
        ('{"a": "Par', 'f({"a": "Par)'),
        ("[1]", "f([1])"),
        (json.dumps({"a": "x" * 1000}), 'f(a="' + "x" * 59 + "...)"),
        (json.dumps({"a": "two\nlines"}), 'f(a="two\\nlines")'),
        ("not\njson", "f(not json)"),
        ("[" * 100_000, "f(" + "[" * 60 + "...)"),
    ],
)
def test_the_line_of_a_call(arguments: str, text: str) -> None:
    assert call_text("f", arguments) == text
    assert Call("f", arguments, "r").html


@pytest.mark.parametrize("hostile", [HOSTILE, CONTROLS, "</pre></details><script>", "\n\n\n"])
def test_no_part_lets_markup_or_control_characters_through(hostile: str) -> None:
    parts: list[Part] = [
        Notice(hostile),
        Text(hostile),
        Thoughts(hostile, 1.0),
        Thoughts(hostile, 1.0, finished=False),
        Call(hostile, json.dumps({hostile: hostile}), hostile),
        Call(hostile, hostile, hostile, failed=True),
        Call(hostile, hostile, running=True),
    ]
    for part in parts:
        shown = part.html
        assert set(re.findall(r"<(\w+)", shown)) <= ELEMENTS
        assert not re.search(r"<[^>]*\s(on\w+|src)=", shown)
        assert not re.search(r'href="(?!https?:|mailto:)', shown)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
        assert not re.search(r"\n[ \t]*\n", shown)
        assert shown.count("<details>") == shown.count("</details>") <= 1
        assert shown.count("<pre") == shown.count("</pre>")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", plain(parts))
    assert markup(parts) == "".join(part.html for part in parts)
