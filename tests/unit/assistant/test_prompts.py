"""The prompts of the assistant are read, checked and filled in."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.assistant.prompts import (
    WORDS,
    Passage,
    built_in_prompts,
    fenced_passages,
    fill,
    load_prompts,
    messages,
    read_prompts,
)
from a3s_power_jupyter.contract.types import Prompt
from a3s_power_jupyter.handlers.metrics import RuntimeMetrics
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.service.settings import Settings
from support.paths import ROOT

CASES = json.loads((ROOT / "tests/support/prompt_cases.json").read_text(encoding="utf-8"))
PROMPTS = built_in_prompts()
NAMES = PROMPTS.__struct_fields__
OWN = '[explain]\nsystem = ""\nuser = "Explica {code} {\\"a\\": 1}"\n'


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_fill(case: dict[str, object]) -> None:
    assert fill(case["template"], case["values"]) == case["filled"]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_each_prompt_has_the_code_and_leaves_out_what_is_empty(name: str) -> None:
    prompt: Prompt = getattr(PROMPTS, name)
    values = {word: f"<{word}>" for word in WORDS}
    system, user = messages(prompt, values)
    assert (system["role"], user["role"]) == ("system", "user")
    assert "```python\nx = '{error}'\n```" in fill(
        prompt.user, values | {"language": "python", "code": "x = '{error}'"}
    )
    assert "<question>" in user["content"]
    assert "{" not in system["content"] + user["content"]
    bare = fill(prompt.user, {"code": "x"})
    assert "```\nx\n```" in bare
    assert "<" not in bare
    assert "The user" not in bare


@pytest.mark.parametrize("name", ["explain_error", "fix_error"])
def test_prompts_about_errors_have_the_error(name: str) -> None:
    prompt: Prompt = getattr(PROMPTS, name)
    assert "```\nKeyError: 'a'\n```" in fill(prompt.user, {"error": "KeyError: 'a'", "code": "x"})


def test_code_is_written_at_a_cursor_without_code_to_change() -> None:
    text = fill(PROMPTS.write_code.user, {"before": "x = 1", "question": "Print x"})
    assert "Change the code" not in text
    assert "x = 1" in text
    assert "Print x" not in fill(PROMPTS.write_code.user, {"code": "y", "question": ""})


def test_code_before_is_in_the_language_of_each_cell() -> None:
    cells = [("python", "a = 1"), ("python", "b = 2"), ("sql", " \n"), ("bash", "%%bash\nls")]
    before = fenced_passages(Passage(*cell) for cell in cells)
    assert before == "```python\na = 1\n\nb = 2\n```\n\n```bash\n%%bash\nls\n```"
    text = fill(PROMPTS.fix_error.user, {"before": before, "code": "x", "language": "bash"})
    assert f"These cells ran before it:\n{before}\n\n" in text


def test_a_file_replaces_some_prompts(tmp_path: Path) -> None:
    path = tmp_path / "prompts.toml"
    path.write_text(OWN)
    prompts = load_prompts(path)
    assert prompts.explain == Prompt("", 'Explica {code} {"a": 1}')
    assert prompts.improve == PROMPTS.improve


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[explain", "not TOML"),
        ("[explian]\nuser = 'x'", "explian"),
        ("[explain]\nsystem = 'x'", "user"),
        ("[explain]\nuser = ''", "length"),
        ("[explain]\nuser = 3", "int"),
        ("[explain]\nuser = '{cod}'", r"there is no \{cod\}. Use \{code\}"),
        ("[explain]\nuser = 'x'\nmodel = 'y'", "model"),
    ],
)
def test_a_file_that_is_not_valid_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(text)


async def test_a_file_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    settings = Settings(tmp_path / "power", prompts=path)
    service = PowerService(settings, logging.getLogger("tests"), RuntimeMetrics())
    try:
        assert "none.toml is not used: No such file" in (service.prompts.problem or "")
        assert msgspec.to_builtins(service.prompts.get()) == msgspec.to_builtins(PROMPTS)
    finally:
        await service.stop()
