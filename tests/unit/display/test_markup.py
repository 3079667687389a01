"""Test that untrusted Markdown becomes HTML without scripts, raw HTML or remote resources."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.display import markup

#: Every tag and attribute that the renderer may produce.
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"class", "href", "rel", "start", "style", "target", "title"}

ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt >alert(1)</sCrIpT>",
    "<scr",
    "a <script src=https://e.example/x.js",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "<IMG SRC=`javascript:alert(1)`>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=//e.example>",
    "<object data='data:text/html,x'></object><embed src=x>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<style>@import url(https://e.example/x.css)</style>",
    "<link rel=stylesheet href=https://e.example/x.css>",
    "<base href=https://e.example/>",
    "<meta http-equiv=refresh content='0;url=https://e.example'>",
    "<form action=https://e.example><button>x</button></form>",
    "<div style='background:url(https://e.example/x)'>a</div>",
    "<button data-commandlinker-command='notebook:run-all'>x</button>",
    "<details open ontoggle=alert(1)>",
    "<!-- <script>alert(1)</script> -->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php <script>alert(1)</script> ?>",
    "<!DOCTYPE html><script>alert(1)</script>",
    "</code></pre><script>alert(1)</script>",
    "</p></div></body><script>alert(1)</script>",
    "- a\n\n  <script>alert(1)</script>",
    "> > <img src=x onerror=alert(1)>",
    "# <img src=x onerror=alert(1)>",
    "| a | b |\n|---|---|\n| <img src=x onerror=alert(1)> | <script>x</script> |",
    "*a <script>alert(1)</script> b*",
    "`a` <script>alert(1)</script> `b`",
    "``a` <script>alert(1)</script>",
    "```\n</code></pre><script>alert(1)</script>\n```\n<script>alert(1)</script>",
    '```x"><img src=x onerror=alert(1)>\na\n```',
    "~~~ onload=alert(1) <script>\na\n~~~",
    "    <script>alert(1)</script>",
    "$<script>alert(1)</script>$",
    "$$\n<img src=x onerror=alert(1)>\n$$",
    "a $$</p><script>alert(1)</script>$$ b",
    "\\begin{align}<script>alert(1)</script>\\end{align}",
    "$a$ <b>$</b> \\$<script>",
    "![a](https://e.example/x.png)",
    "![](https://e.example/x.png)",
    "![a](//e.example/x.png)",
    "![a](data:image/svg+xml;base64,PHN2Zy8+)",
    "![a][r]\n\n[r]: https://e.example/x.png",
    "![r]\n\n[r]: <https://e.example/x.png> 'title'",
    "[![a](https://e.example/i.png)](https://e.example/l)",
    "![![a](https://e.example/i)](https://e.example/j)",
    '![a](https://e.example/"onerror="alert(1))',
    '[a](https://e.example "\\" onmouseover=\\"alert(1)")',
    "[a](https://e.example 'x\" onmouseover=\"alert(1)')",
    '[a](https://e.example/$ "$" onmouseover=alert(1) $)',
    "[a][r]\n\n[r]: https://e.example/ '\"><script>alert(1)</script>'",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a]( javascript:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](<java\tscript:alert(1)>)",
    "[a](java&#9;script:alert(1))",
    "[a](java&Tab;script:alert(1))",
    "[a](java&NewLine;script:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A;avascript&colon;alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](j\\avascript:alert(1))",
    "[a](%6Aavascript:alert(1))",
    "[a](javascript://%0aalert(1))",
    "[a](vbscript:x)",
    "[a](VBSCRIPT:x)",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](data:image/png;base64,iVBORw0KGgo=)",
    "[a](file:///etc/passwd)",
    "[a](blob:https://e.example/x)",
    "[a](command:workbench.action.quit)",
    "[a](/logout)",
    "[a](//e.example/x)",
    "[a](http:alert)",
    "[a][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: data:text/html,x",
    "<javascript:alert(1)>",
    "<JAVASCRIPT:alert(1)>",
    "<data:text/html,x>",
    "<https://e.example/?<script>>",
    "<https://e.example/\"onmouseover='alert(1)'>",
    "<a@e.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\<script\\>alert(1)\\</script\\>",
    "a\x00<script\x00>alert(1)</script>",
    "\x1b[31m<script>\x1b]8;;javascript:alert(1)\x07a\x1b]8;;\x07",
    "1. a\n   ```\n   b\n\n   ![c](https://e.example/c.png)\n   ```",
]


class _Tags(HTMLParser):
    """Check every tag and attribute of a document, and collect its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        self.tags.append(tag)
        for name, value in attrs:
            assert name in ATTRIBUTES
            if name == "style":
                assert value in ("text-align:left", "text-align:right", "text-align:center")
            if name == "class":
                assert (value or "").startswith("language-")
            if name == "href":
                self.links.append(value or "")
                assert re.match(r"(?i)https?://|mailto:", value or "")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_become_text_or_plain_links(attack: str) -> None:
    for text in (attack, f"a {attack} b", f"- {attack}", f"**{attack}**", f"a\n\n{attack}\n\nb"):
        _Tags(markup.from_markdown(text))
        _Tags(markup.escape(text))


@pytest.mark.parametrize("attack", ATTACKS)
def test_unfinished_text_is_safe_too(attack: str) -> None:
    for end in range(len(attack)):
        _Tags(markup.from_markdown(attack[:end]))


@given(st.lists(st.sampled_from([*ATTACKS, *"<>&\"'`$*_[]()!|\\\n\t #-:", "```", "$$", "\n\n"])))
@settings(max_examples=150, deadline=None)
def test_combined_attacks_are_safe(pieces: list[str]) -> None:
    _Tags(markup.from_markdown("".join(pieces)))
    _Tags(markup.escape("".join(pieces)))


@pytest.mark.parametrize(
    ("text", "links", "shown"),
    [
        ("![a](https://e.example/x)", ["https://e.example/x"], "!a"),
        ("![](https://e.example/x)", ["https://e.example/x"], "!https://e.example/x"),
        ("![a][r]\n\n[r]: https://e.example/x", ["https://e.example/x"], "!a"),
        ("[a](mailto:b@e.example)", ["mailto:b@e.example"], "a"),
        ("<HTTPS://e.example>", ["HTTPS://e.example"], "HTTPS://e.example"),
        ("[a](javascript:b)", [], "[a](javascript:b)"),
        ("[a](&#106;avascript:b)", [], "[a](javascript:b)"),
        ("<script>a</script>", [], "<script>a</script>"),
    ],
)
def test_links_and_images(text: str, links: list[str], shown: str) -> None:
    seen = _Tags(markup.from_markdown(text))
    assert (seen.links, seen.text.strip()) == (links, shown)


def test_links_open_a_new_tab() -> None:
    assert markup.from_markdown("[a](https://e.example)") == (
        '<p><a href="https://e.example" target="_blank" rel="noopener noreferrer">a</a></p>\n'
    )


@pytest.mark.parametrize(
    "code",
    ["<script>alert(1)</script>", "&amp;&lt;&#60;", "a\n\n\n b\n\t\n$x$ \\$", "![a](https://b)"],
)
def test_code_is_exact(code: str) -> None:
    block = markup.from_markdown(f"```html\n{code}\n```")
    assert "\n\n" not in block
    found = re.fullmatch(r'<pre><code class="language-html">(.*)</code></pre>\n', block, re.DOTALL)
    assert found is not None
    assert html.unescape(found[1]) == f"{code}\n"
    in_list = _Tags(
        markup.from_markdown("- a\n\n  ```\n  " + code.replace("\n", "\n  ") + "\n  ```")
    )
    assert code in in_list.text
    if "\n" not in code:
        assert markup.from_markdown(f"`{code}`") == f"<p><code>{html.escape(code)}</code></p>\n"


def test_entities_are_exact() -> None:
    assert markup.from_markdown("a &amp; b &lt;c&gt; &eacute;") == (
        "<p>a &amp; b &lt;c&gt; é</p>\n"
    )
    assert markup.escape("&lt; <") == "&amp;lt; &lt;"


DOLLAR = "<span>$</span>"  # MathJax does not see it


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$a_1 < b_2$", "<p>$a_1 &lt; b_2$</p>\n"),
        ("a $$x*y*z$$ b", "<p>a $$x*y*z$$ b</p>\n"),
        ("$$\na\n+ b\n- c\n$$", "<p>$$\na\n+ b\n- c\n$$</p>\n"),
        ("\\begin{align}\n&= b\n\\end{align}", "<p>\\begin{align}\n&amp;= b\n\\end{align}</p>\n"),
        ("`$a$`", "<p><code>$a$</code></p>\n"),
        ("It costs $5 or $6.", f"<p>It costs {DOLLAR}5 or {DOLLAR}6.</p>\n"),
        ("\\$a\\$", f"<p>{DOLLAR}a{DOLLAR}</p>\n"),
    ],
)  # fmt: skip
def test_math_is_left_to_the_front_end(text: str, shown: str) -> None:
    assert markup.from_markdown(text) == shown


def test_tables_and_emphasis() -> None:
    seen = _Tags(
        markup.from_markdown("| **a** | b |\n|---|---:|\n| `<c>` | ~~d~~ |\n\n1. e\n\n---")
    )
    assert seen.tags == (
        [
            "table",
            "thead",
            "tr",
            "th",
            "strong",
            "th",
            "tbody",
            "tr",
            "td",
            "code",
            "td",
            "s",
            "ol",
            "li",
            "hr",
        ]
    )
    assert "<c>" in seen.text


@pytest.mark.timeout(60)  # parsing it would take far longer
def test_long_text_is_shown_without_formatting() -> None:
    text = "**a** <script> \n\n" * 10_000
    shown = markup.from_markdown(text)
    assert shown.startswith("<pre>**a** &lt;script&gt; &#10;\n**a**")
    assert shown.count("<") == 2


@pytest.mark.timeout(60)  # quadratic time would take far longer
@pytest.mark.parametrize(
    "piece", ["word *b* `c`. ", "- a\n", "> ", "`", "$", "*a_", "<", "&", "[a](", "|"]
)
def test_parsing_long_repetitions(piece: str) -> None:
    text = piece * (markup.MAX_LENGTH // len(piece))
    assert markup.from_markdown(text)
