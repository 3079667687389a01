"""Check and measure the models on a GPU, and write a JSON report; called by run.sh.

The report is written again after each phase. A phase that fails, or that does not fit into the
time, says so in the report.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))
from llm_servers import Target, our_server, register
from streams import stream
from support.servers import Server

REPOSITORY = Path(__file__).parents[2]
MIB = 1 << 20


class Skipped(Exception):
    """Says why a phase is left out."""


class Report:
    """Runs the phases and writes their results.

    Parameters
    ----------
    path : Path
        File of the report.
    work : Path
        Folder for models and logs.
    deadline : float
        Time of the day, in seconds since the epoch, at which all phases must have ended.
    cpu : bool
        Whether to try the phases without a GPU, on a small model.
    """

    def __init__(self, path: Path, work: Path, deadline: float, *, cpu: bool) -> None:
        self.results: dict[str, Any] = {}
        self.work = work
        self.cpu = cpu
        self.model = work / "model.gguf"
        self._path = path
        self._deadline = deadline

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._deadline - time.time()

    def phase(self, name: str, seconds: float, run: Callable[[Report], Any]) -> None:
        """Run a phase that takes about this long, and write the report."""
        began = time.monotonic()
        result: dict[str, Any]
        try:
            if self.left < seconds:
                raise Skipped(f"{self.left:.0f} s were left, and this takes about {seconds:.0f} s")
            result = {"result": run(self)}
        except Skipped as reason:
            result = {"skipped": str(reason)}
        except Exception as error:
            result = {"failed": f"{type(error).__name__}: {error}"[:2000]}
        self.results[name] = result | {"seconds": round(time.monotonic() - began, 1)}
        self._path.write_text(json.dumps(self.results, indent=2) + "\n")
        print(f"{name}: {json.dumps(self.results[name])[:400]}", flush=True)

    def script(self, path: str, *argv: str, seconds: float) -> str:
        """Run a Python file or module of the repository and return the end of what it prints."""
        output = self.work / f"{Path(path).stem}.log"
        with output.open("w") as log:
            code = subprocess.run(
                [sys.executable, *path.split(), *argv],
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=min(seconds, max(1.0, self.left)),
            ).returncode
        text = output.read_text(errors="replace")
        if code:
            raise RuntimeError(f"exit status {code}: {text[-1500:]}")
        return text[-1500:]


# ---------------------------------------------------------------- phases


def machine(report: Report) -> Any:
    return {
        "gpu": None if report.cpu else _smi("name,driver_version,memory.total,compute_cap"),
        "cuda": None if report.cpu else _last_line(["nvcc", "--version"]),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": _torch(),
    }


def make_model(report: Report) -> Any:
    size = ["--layers", "4", "--width", "256"] if report.cpu else []
    report.script("benchmarks/gpu/model.py", str(report.model), *size, seconds=60)
    return {"bytes": report.model.stat().st_size}


def layers(report: Report) -> Any:
    """Load with all, some and no layers on the GPU."""
    found = []
    with our_server() as server, server.api() as api:
        for num_gpu in (None, -1, 2, 0):
            parameters = {} if num_gpu is None else {"num_gpu": num_gpu}
            free = _free(report)
            model = _load(server, api, f"layers-{num_gpu}", report.model, **parameters)
            row = {
                "num_gpu": num_gpu,
                "device": model["device"],
                "used_bytes": free - _free(report),
            }
            found.append(row)
            expected = "cpu" if report.cpu or num_gpu == 0 else "CUDA"
            if not model["device"].startswith(expected):
                raise RuntimeError(f"{expected} was expected: {row}")
            api.post(f"v1/models/layers-{num_gpu}/unload").raise_for_status()
    return found


def memory(report: Report) -> Any:
    """Compare the GPU memory of a loaded model with its estimate."""
    found = []
    with our_server() as server, server.api() as api:
        for num_ctx in (2048, 8192, 32768):
            name = f"ctx-{num_ctx}"
            body = {"name": name, "path": str(report.model)}
            api.post("v1/models", json=body).raise_for_status()
            reply = api.post(f"v1/models/{name}/estimate", json={"num_ctx": num_ctx})
            estimate = reply.raise_for_status().json()
            free = _free(report)
            api.post(f"v1/models/{name}/load", json={"num_ctx": num_ctx}).raise_for_status()
            used = free - _free(report)
            expected = sum(estimate[part] for part in ("weights", "cache", "buffers"))
            found.append(
                {
                    "num_ctx": num_ctx,
                    "estimate": estimate,
                    "gpu_used_bytes": used,
                    "gpu_bytes_of_the_model": _gpu_bytes(api),
                    "estimate / used": expected / used if used else None,
                }
            )
            api.post(f"v1/models/{name}/unload").raise_for_status()
    return found


def embeddings(report: Report) -> Any:
    """Embed texts with and without a GPU, and compare the vectors."""
    counts = {-1: 16, 0: 16} if report.cpu else {-1: 256, 0: 64}
    found = {}
    vectors = []
    with our_server() as server, server.api() as api:
        for num_gpu, count in counts.items():
            name = f"embed-{num_gpu}"
            model = _load(server, api, name, report.model, num_gpu=num_gpu)
            began = time.perf_counter()
            texts = [f"Sentence number {number} " * (number % 13 + 1) for number in range(count)]
            body = {"model": name, "input": texts}
            reply = api.post("v1/embeddings", json=body, timeout=300).raise_for_status().json()
            rate = len(reply["data"]) / (time.perf_counter() - began)
            found[f"num_gpu {num_gpu}"] = {"device": model["device"], "texts_per_second": rate}
            vectors.append([item["embedding"] for item in reply["data"][: counts[0]]])
            api.post(f"v1/models/{name}/unload").raise_for_status()
    pairs = zip(*vectors, strict=True)
    found["smallest_cosine"] = min(sum(a * b for a, b in zip(*p, strict=True)) for p in pairs)
    return found


def serving(report: Report) -> Any:
    output = report.work / "serving.json"
    counts = ["1", "4"] if report.cpu else ["1", "4", "8", "16", "32"]
    argv = ["--clients", *counts, "--rounds", "1" if report.cpu else "3", "--json", str(output)]
    argv += ["--model", str(report.model), "--tokens", "16" if report.cpu else "96"]
    program = shutil.which("llama-server")
    if program:
        argv += ["--llama-server", program, "--servers", "ours", "llama.cpp", "llama-cpp-python"]
    else:
        argv += ["--servers", "ours", "llama-cpp-python"]
    argv += ["--python-args=--n_gpu_layers=-1", "--server-args=--gpu-layers=999"]
    report.script("benchmarks/serving.py", *argv, seconds=240)
    return json.loads(output.read_text())


def conversations(report: Report) -> Any:
    output = report.work / "conversations.json"
    argv = ["--rounds", "1", "--json", str(output), "--model", str(report.model)]
    # A token of this model is a byte.
    argv += ["--words", "30" if report.cpu else "280", "--servers", "ours", "ours, with a seed"]
    report.script("benchmarks/conversations.py", *argv, seconds=120)
    return json.loads(output.read_text())


def tests(report: Report) -> Any:
    """Run tests/gpu."""
    _require_torch(report)
    argv = ["tests/gpu", "-q", "-rfEs", "--tb=line", "-p", "no:cacheprovider", "--timeout=90"]
    return report.script("-m pytest", *argv, seconds=240).strip().splitlines()[-20:]


def hqq(report: Report) -> Any:
    """Load a model of 400 MB on transformers with HQQ4, and complete a text."""
    _require_torch(report)
    layers, width = ("2", "256") if report.cpu else ("14", "1024")
    folder = report.work / "torch"
    folder.mkdir(exist_ok=True)
    argv = [str(folder), "--layers", layers, "--width", width]
    report.script("tests/support/random_model.py", *argv, seconds=120)
    with our_server() as server, server.api() as api:
        model = _load(server, api, "hqq", folder / "model", isq="HQQ4")
        target = Target(server.url, {"Authorization": f"Bearer {server.token}"}, "hqq", server.pid)
        reply = asyncio.run(_complete(target))
        return {
            "device": model["device"],
            "notes": model.get("notes"),
            "gpu_bytes_of_the_model": _gpu_bytes(api),
            "first_token_s": reply.first,
            "tokens_per_second": len(reply.gaps) / sum(reply.gaps),
        }


async def _complete(target: Target) -> Any:
    body = {"prompt": "Tell me something.", "max_tokens": 64, "temperature": 0}
    async with target.client() as api:
        await stream(api, target, {**body, "max_tokens": 4})  # warm up
        return await stream(api, target, body)


# ---------------------------------------------------------------- helpers


def _load(
    server: Server, api: httpx2.Client, name: str, path: Path, **parameters: Any
) -> dict[str, Any]:
    """Register and load a model, and return it as the API describes it."""
    register(server, name, path, **parameters)
    model: dict[str, Any] = api.get(f"v1/models/{name}").json()
    return model


def _gpu_bytes(api: httpx2.Client) -> float | None:
    """Return the GPU memory of the loaded models, as the metrics report it."""
    lines = re.findall(r"^power_gpu_memory_bytes\{.*\} (.*)$", api.get("metrics").text, re.M)
    return sum(map(float, lines)) if lines else None


def _free(report: Report) -> int:
    """Return the free bytes of the first GPU."""
    return 0 if report.cpu else int(_smi("memory.free").split()[0]) * MIB


def _smi(fields: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits", "--id=0"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _last_line(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def _torch() -> dict[str, Any] | None:
    """Return the version of torch and of its CUDA, or None if torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return {"version": torch.__version__, "cuda": torch.version.cuda}


def _require_torch(report: Report) -> None:
    found = _torch()
    if found is None or not (found["cuda"] or report.cpu):
        raise Skipped("torch with CUDA is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--build-seconds", type=float, required=True)
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    report = Report(options.report, options.work, options.deadline, cpu=options.cpu)
    report.results["build"] = {"seconds": options.build_seconds, "cuda": not options.cpu}
    report.phase("machine", 2, machine)
    report.phase("model", 10, make_model)
    report.phase("layers", 30, layers)
    report.phase("memory", 30, memory)
    report.phase("serving", 90, serving)
    report.phase("embeddings", 20, embeddings)
    report.phase("conversations", 30, conversations)
    report.phase("hqq", 60, hqq)
    report.phase("tests", 90, tests)
    if any("failed" in result for result in report.results.values()):
        raise SystemExit("a phase failed")


if __name__ == "__main__":
    main()
