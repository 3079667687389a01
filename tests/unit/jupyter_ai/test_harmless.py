"""Answers that Jupyter AI shows as Markdown."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.jupyter_ai.harmless import as_written, harmless

JOINER = "\u2060"
IMAGE = "![x](http://other/?q=secret)"
SAFE = IMAGE.replace("![", f"!{JOINER}[")


def test_images_and_tags_are_separated() -> None:
    assert harmless(IMAGE) == SAFE
    assert harmless("a <img src=x> 1 < 2") == f"a <{JOINER}img src=x> 1 < 2"
    assert harmless("</p><!-- x -->") == f"<{JOINER}/p><{JOINER}!-- x -->"


def test_formulas_only_draw() -> None:
    assert harmless(r"$\style{x}{y} \frac12$") == rf"$\{JOINER}style{{x}}{{y}} \frac12$"
    assert harmless(r"\gdef\a{b}") == rf"\{JOINER}gdef\a{{b}}"


@pytest.mark.parametrize(
    "text", ["plain", r"$\alpha \letters$", "[link](http://a)", "a[0] != b", "x < y"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_code_blocks_stay_as_they_are() -> None:
    in_list = "- a\n  ```\n  x\n  ```\n"
    assert harmless(f"{in_list}```\n{IMAGE}\n```\n") == f"{in_list}```\n{IMAGE}\n```\n"
    code = f"```html\n<img src=x>\n{IMAGE}\n```\n"
    assert harmless(code + IMAGE) == code + SAFE
    tildes = f"~~~~\n```\n{IMAGE}\n~~~~\n"
    assert harmless(tildes) == tildes


@pytest.mark.parametrize(
    "before",
    [
        "- a\n  ```\nb ",  # the list ends the block
        "> ```\nb ",
        "    ```\nb ",  # indented code, not a fence
        "``` `a`\n",  # no fence, because of the backticks
        "```\n```~\n",  # parsers differ
        "```\ncode\n    ```\n",
        "```\na\n```b\n",
        "<div>\n```\n```\n",
        "   ```\n```\n",
        " ~~~py\n~~~\n",
        "- ```\nb\n  ```\n```\n",
    ],
)
def test_what_may_not_be_a_code_block_is_text(before: str) -> None:
    assert harmless(before + IMAGE).endswith(SAFE)


def test_drawings_are_shown_as_text() -> None:
    assert harmless("```mermaid\ngraph\n```") == "```text\ngraph\n```"


@pytest.mark.parametrize("text", [IMAGE, "<b>x</b>", r"\href{x}", f"```\n{IMAGE}\n```\n<br>"])
def test_a_model_gets_what_it_wrote(text: str) -> None:
    assert as_written(harmless(text)) == text
