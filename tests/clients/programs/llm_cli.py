"""The command ``llm``: chat, tools, schemas and embeddings, with a model in its configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import CALLER, CHAT, QUESTION, TOKEN, URL, check, require, run

home = Path(tempfile.mkdtemp())
MODELS = "".join(
    f"- model_id: {name}\n  model_name: {name}\n  api_base: {URL}v1\n  api_key_name: power\n"
    f"  supports_tools: true\n  supports_schema: true\n"
    for name in (CHAT, CALLER)
)
(home / "extra-openai-models.yaml").write_text(MODELS)
FUNCTION = 'def get_weather(city: str) -> str:\n    return f"3 degrees in {city}"\n'


def llm(*arguments: str) -> str:
    environ = os.environ | {"LLM_USER_PATH": str(home)}
    command = [sys.executable, "-m", "llm", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    require(done.returncode == 0, done)
    return done.stdout


@check
def chat() -> None:
    llm("keys", "set", "power", "--value", TOKEN)
    require(llm("-m", CHAT, "-o", "max_tokens", "8", "Say hello.").strip(), None)


@check
def tools() -> None:
    shown = llm("-m", CALLER, "--functions", FUNCTION, "-o", "temperature", "0", QUESTION)
    require("3 degrees" in shown, shown)


@check
def schema() -> None:
    greedy = ("-o", "temperature", "0")
    shown = llm("-m", CHAT, "--schema", "name, legs int", "--no-stream", *greedy, "Describe a cat.")
    require(isinstance(json.loads(shown)["legs"], int), shown)


run()
