"""Where there are no models, a short list says which command downloads one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.core.error import UsageError

from a3s_power_jupyter.contract.errors import RouteNotFound
from a3s_power_jupyter.contract.types import LocalModel, LocalModels, ModelDetails, ScanProblem
from a3s_power_jupyter.magics.parser import parse_line
from a3s_power_jupyter.magics.session import Session
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.recommended import recommended
from a3s_power_jupyter.service.recommended_list import built_in_list

DEFAULT = "%power pull bartowski/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M"


class StubClient:
    def __init__(self, memory: float = 6e9, local: LocalModels | None = None) -> None:
        self.machine = Machine(int(memory))
        self.local = local or LocalModels(())
        self.registered: list[Any] = []

    def models(self) -> list[Any]:
        return self.registered

    def recommended(self) -> list[Any]:
        if self.machine.memory == 0:
            raise RouteNotFound("No such route.")
        return [recommended(entry, self.machine, [], 8192) for entry in built_in_list()]

    def local_models(self) -> LocalModels:
        return self.local


def run(client: StubClient, line: str) -> str:
    session = Session(None)  # type: ignore[arg-type]
    session._client = client  # type: ignore[assignment]
    arguments = parse_line(line.split())
    return repr(arguments.run(session, arguments))


def test_a_pull_without_a_name_lists_all_models_to_begin_with() -> None:
    lines = run(StubClient(), "pull").splitlines()
    commands = [line for line in lines if line.startswith("%power pull ")]
    assert len(commands) == len(built_in_list())
    assert commands[0].startswith(f"{DEFAULT}  ")
    assert re.match(r"\s+986 MB  in memory  ", commands[0].removeprefix(DEFAULT))
    assert "too large" in commands[-1]


def test_an_empty_list_shows_a_few_models_that_fit() -> None:
    shown = run(StubClient(), "list")
    assert shown.startswith("No models yet.")
    assert DEFAULT in shown
    assert shown.count("%power pull ") == 5  # with the note that it lists more
    assert "too large" not in shown
    assert "Qwen2.5-Coder-7B" in shown  # the largest that fits
    assert "embeddings" not in shown.lower()
    small = run(StubClient(0.3e9), "list")
    assert small.count("%power pull ") == 2
    assert "too large" in small


def test_an_empty_list_needs_no_suggestions() -> None:
    """A server of another version may have no such route."""
    assert run(StubClient(0), "list").startswith("No models yet. Add one: %power pull")


@pytest.mark.parametrize(("memory", "command"), [(6e9, DEFAULT), (0, "%power pull owner/repo:TAG")])
def test_a_cell_without_a_model_says_which_commands_download_one(
    memory: float, command: str
) -> None:
    session = Session(None)  # type: ignore[arg-type]
    session._client = StubClient(memory)  # type: ignore[assignment]
    with pytest.raises(UsageError) as caught:
        session.chat_model(None)
    text = str(caught.value)
    assert text.startswith("No models yet.")
    assert command in text
    assert "%power register NAME PATH" in text


def test_a_scan_shows_the_commands_that_register() -> None:
    details = ModelDetails()
    models = (
        LocalModel("/m/My file.gguf", "a", "gguf", 10**9, "lmstudio", details, ("chat",)),
        LocalModel("/b", "b:1", "gguf", 5, "ollama", details, ("chat",), mmproj="/p"),
        LocalModel("/d", "d", "gguf", 5, "ollama", details, ("chat",), notes=("No template.",)),
        LocalModel("/e", "e", "gguf", 5, "ollama", details, ("chat",), notes=("No template.",)),
        LocalModel("/c", "c", "safetensors", 5, "huggingface", details, (), installed="c"),
    )
    problem = ScanProblem("/dead", "The folder does not respond.")
    shown = run(StubClient(local=LocalModels(models, (problem,))), "scan")
    assert "%power register a '/m/My file.gguf'  1.0 GB" in shown
    assert "%power register b:1 /b --mmproj /p" in shown
    assert "registered as c" in shown
    assert "d, e: No template." in shown
    assert "Models may be missing from /dead: The folder does not respond." in shown
    assert run(StubClient(), "scan").startswith("There are no models of")
