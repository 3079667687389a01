"""Test that untrusted Markdown becomes HTML without scripts, raw HTML or remote resources."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.display import markup, tex
from support.hostile_text import ATTACKS

#: Every tag and attribute that the renderer may produce.
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"class", "dir", "href", "rel", "start", "style", "target"}

#: The start of what MathJax may do besides drawing within the place of a formula.
COMMANDS = re.compile(
    r"\\(?:href|class|style|cssId|unicode|require|def|let|newcommand|newenvironment|mmlToken|bbox"
    r"|setOptions|Declare|rule|kern|raise|hspace|begin\{(?:alignat|array\}\{@)|\\\*?\[ ?-)"
    r"|(?:\{[^{}]*){31}|(?:\\!){21}"
)


class _Tags(HTMLParser):
    """Check every tag and attribute of a document, and collect its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._linked = ""
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
                assert re.fullmatch(r"(?a)language-[\w+#.-]+", value or "")
            if name == "href":
                self.links.append(value or "")
                assert re.match(r"(?i)https?://[^/@\\]+(?:[/?#]|$)|mailto:", value or "")
                assert (value or "").isascii()
        if tag not in ("br", "hr"):
            self._open.append(tag)
        if tag == "a":
            self._linked = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        self._linked += data
        # MathJax looks for formulas in each text node outside of code.
        if not {"code", "pre"}.intersection(self._open) and re.search(r"[$\\].", data):
            assert not COMMANDS.search(data)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "a":
            assert self._linked == self.links[-1], "a link shows its target, and nothing else"

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
        ("![a](https://e.example/x)", ["https://e.example/x"], "!a (https://e.example/x)"),
        ("![](https://e.example/x)", ["https://e.example/x"], "!https://e.example/x"),
        ("![a][r]\n\n[r]: https://e.example", ["https://e.example"], "!a (https://e.example)"),
        ("[a](mailto:b@e.example)", ["mailto:b@e.example"], "a (mailto:b@e.example)"),
        ("<HTTPS://e.example>", ["HTTPS://e.example"], "HTTPS://e.example"),
        ("[https://a.example](https://b.example)", ["https://b.example"],
         "https://a.example (https://b.example)"),
        ("[*https://a.example*](https://a.example)", ["https://a.example"],
         "https://a.example (https://a.example)"),
        ("[a](https://\u0430.example/\u202eb)", ["https://xn--80a.example/%5Cu202eb"],
         "a (https://xn--80a.example/%5Cu202eb)"),
        ("[a](https://b@e.example)", [], "[a](https://b@e.example)"),
        ("[a](https:\\\\e.example)", [], "[a](https:\\e.example)"),
        ("[a](javascript:b)", [], "[a](javascript:b)"),
        ("[a](&#106;avascript:b)", [], "[a](javascript:b)"),
        ("<script>a</script>", [], "<script>a</script>"),
    ],
)  # fmt: skip
def test_links_and_images(text: str, links: list[str], shown: str) -> None:
    seen = _Tags(markup.from_markdown(text))
    assert (seen.links, seen.text.strip()) == (links, shown)


def test_links_open_a_new_tab() -> None:
    assert markup.from_markdown("[a](https://e.example)") == (
        '<p dir="auto">a (<a href="https://e.example" target="_blank" rel="noopener noreferrer">'
        "https://e.example</a>)</p>\n"
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
        assert markup.from_markdown(f"`{code}`") == (
            f'<p dir="auto"><code>{html.escape(code)}</code></p>\n'
        )


def test_entities_are_exact() -> None:
    assert markup.from_markdown("a &amp; b &lt;c&gt; &eacute;") == (
        '<p dir="auto">a &amp; b &lt;c&gt; é</p>\n'
    )
    assert markup.escape("&lt; <") == "&amp;lt; &lt;"


DOLLAR = "<span>$</span>"  # MathJax does not see it
BACKSLASH = "<span>\\</span>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$a_1 < b_2$", '<p dir="auto"><span>$a_1 &lt; b_2$</span></p>\n'),
        ("a $$x*y*z$$ b", '<p dir="auto">a <span>$$x*y*z$$</span> b</p>\n'),
        ("$$\na\n+ b\n- c\n$$", "<p><span>$$\na\n+ b\n- c\n$$</span></p>\n"),
        ("\\begin{align}\n&= b\n\\end{align}",
         "<p><span>\\begin{align}\n&amp;= b\n\\end{align}</span></p>\n"),
        ("$\\def\\a{\\a}\\a$", '<p dir="auto"><code>$\\def\\a{\\a}\\a$</code></p>\n'),
        ("$$\n\\href{a}{b}\n$$", "<p><code>$$\n\\href{a}{b}\n$$</code></p>\n"),
        ("C:\\\\(a", f'<p dir="auto">C:{BACKSLASH}(a</p>\n'),
        ("`$a$`", '<p dir="auto"><code>$a$</code></p>\n'),
        ("It costs $5 or $6.", f'<p dir="auto">It costs {DOLLAR}5 or {DOLLAR}6.</p>\n'),
        ("\\$a\\$", f'<p dir="auto">{DOLLAR}a{DOLLAR}</p>\n'),
    ],
)  # fmt: skip
def test_math_is_left_to_the_front_end(text: str, shown: str) -> None:
    assert markup.from_markdown(text) == shown


@pytest.mark.parametrize(
    "formula",
    [
        "$E = mc^2$", "$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$",
        "\\begin{pmatrix} a & b \\\\[4pt] c & d \\end{pmatrix}", "\\text{for } x \\in \\mathbb{R}",
        "f(x) = \\begin{cases} 1 & x > 0 \\\\ 0 & \\text{else} \\end{cases}",
        "\\begin{array}{l|cr} a & b & c \\\\ \\hline 1 & 2 & 3 \\end{array}",
        "\\left\\{ \\sum_{i=1}^n \\hat{y}_i \\right\\}",
        "\\boxed{x \\neq \\operatorname*{argmax}_\\theta}",
        "\\begin{align*} a &= b\\\\ &= c \\tag{1} \\end{align*}", "\\vec a \\cdot \\vec b \\; 5\\%",
    ],
)  # fmt: skip
def test_usual_formulas_are_typeset(formula: str) -> None:
    assert tex.is_drawing(formula)


def test_no_more_formulas_than_a_page_can_typeset() -> None:
    shown = markup.from_markdown("$a$ " * (markup.MAX_FORMULAS + 2))
    assert shown.count("<span>$a$</span>") == markup.MAX_FORMULAS
    assert shown.count("<code>$a$</code>") == 2


def test_blocks_of_text_have_the_direction_of_their_text() -> None:
    text = "# \u05d0\n\na\n\n- b\n  - c\n\n> d\n\n| e |\n|---|\n\n2. f\n\n```\ng\n```\n\n$$h$$"
    shown = markup.from_markdown(text)
    directed = re.findall(r'<(\w+)[^>]* dir="auto">', shown)
    assert directed == ["h1", "p", "ul", "blockquote", "table", "ol"]


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
    assert shown.startswith('<pre dir="auto">**a** &lt;script&gt; &#10;\n**a**')
    assert shown.count("<") == 2


@pytest.mark.timeout(60)  # quadratic time would take far longer
@pytest.mark.parametrize(
    "piece", ["word *b* `c`. ", "- a\n", "> ", "`", "$", "*a_", "<", "&", "[a](", "|"]
)
def test_parsing_long_repetitions(piece: str) -> None:
    text = piece * (markup.MAX_LENGTH // len(piece))
    assert markup.from_markdown(text)


def test_text_with_many_environments_is_not_parsed() -> None:
    text = "\\begin{align}\n" * 6_000  # half a minute if it were
    assert markup.from_markdown(text).startswith("<pre ")
