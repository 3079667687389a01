"""Magics and the Python client with models on real servers."""

from __future__ import annotations

import a3s_power_jupyter
from support.kernel_cells import Kernel

from .conftest import Far


def test_a_cell_in_a_kernel(far: Far, kernel: Kernel) -> None:
    options = "--temperature 0 --max-tokens 12 --to answer"
    cell = kernel.run(f"%%power {far.name} {options}\nName a city.")
    assert cell.status == "ok", cell.errors
    answer = kernel.run("print(answer)").stdout.strip()
    assert answer
    assert answer in cell.texts("text/plain")[-1]


def test_the_python_client(far: Far) -> None:
    with a3s_power_jupyter.connect(far.front.url, token=far.front.token) as client:
        options = {"temperature": 0, "max_tokens": 12}
        reply = client.chat(far.name, "Name a city.", **options)
        with client.stream(far.name, "Name a city.", **options) as answer:
            text = "".join(answer)
    assert str(reply).strip()
    assert text == str(reply)
    assert answer.reply.finish_reason == reply.finish_reason


def test_functions_that_a_model_calls(far: Far) -> None:
    asked = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"5 degrees in {city}"

    with a3s_power_jupyter.connect(far.front.url, token=far.front.token) as client:
        choice = {"type": "function", "function": {"name": "get_weather"}}
        reply = client.run_tools(
            far.name,
            "What is the weather in Oslo?",
            tools=[get_weather],
            tool_choice=choice,
            temperature=0,
            max_tokens=48,
        )
    if far.kind.calls == "ignored":
        assert not asked
    else:
        assert asked == ["Oslo"]
        assert "5 degrees in Oslo" in str(reply)
