"""The code in answers of models."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.assistant.answer_code import find_code


def fence(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```"


@pytest.mark.parametrize("language", ["python", "", "py", "Python3", "{python}"])
def test_the_code_is_in_the_fence_of_the_language(language: str) -> None:
    answer = f"Here it is:\n\n{fence(language, 'x = 1')}\n\nIt sets x."
    assert find_code(answer) == ("x = 1", "")


def test_of_several_blocks_it_is_the_longest() -> None:
    found = find_code("\n".join((fence("python", "a"), fence("sh", "ls -la"), fence("py", "abc"))))
    assert found == ("abc", "The answer has 3 blocks of code. This is the longest.")


def test_code_in_another_language_is_not_used() -> None:
    assert find_code(fence("bash", "ls")) == (
        None,
        "The answer has no code in python, but in bash.",
    )
    assert find_code(fence("bash", "ls"), "bash").code == "ls"


@pytest.mark.parametrize("answer", ["I cannot help.", "The value x is not defined.", "", " \n"])
def test_prose_is_not_code(answer: str) -> None:
    assert find_code(answer).code is None


def test_code_without_a_fence_is_code() -> None:
    code = "import os\n\ndef f(x):\n    return x\n\n# call it\nf(1)\ny = f(2)"
    assert find_code(f"\n{code}\n").code == code


def test_a_block_that_has_not_ended_is_code() -> None:
    assert find_code("```python\nx = [\n    1,").code == "x = [\n    1,"
    assert find_code("```python").code is None


def test_thoughts_are_no_part_of_the_answer() -> None:
    thoughts = f"<think>\n{fence('python', 'wrong = 1')}\n</think>\n"
    assert find_code(thoughts + fence("python", "x")).code == "x"
    assert find_code("<think>" + fence("python", "wrong")).code is None


def test_a_longer_fence_holds_shorter_ones() -> None:
    inner = fence("python", "x")
    assert find_code(f"````python\n{inner}\n````").code == inner


def test_code_in_a_list_loses_the_indentation_of_the_list() -> None:
    answer = "1. Do this:\n   ```python\n   if x:\n       f()\n\n   ```"
    assert find_code(answer).code == "if x:\n    f()"


def test_code_keeps_characters_that_end_lines_elsewhere() -> None:
    code = 's = "a\u2028b\x0c"  # c\x85 d'
    assert find_code(fence("python", code)).code == code


def test_a_long_line_takes_linear_time() -> None:
    assert find_code("a" + " " * 200_000 + "b").code is None  # minutes if it were quadratic
    assert find_code("a \t += 1").code is not None
