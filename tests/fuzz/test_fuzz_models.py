"""Register, load and use model files with mutated bytes, headers and settings."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fuzzing import Attack
from support.paths import SUPPORT

#: Values that break sizes, counts and offsets.
NUMBERS = [0, 1, -1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 10**30, 0.5, float("1e308")]
VALUES: list[Any] = [*NUMBERS, None, True, "", "x" * 10_000, "\0", [], {}, [[]] * 100, {"a": {}}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model as ``model.gguf``, and as safetensors in ``model``."""
    folder = tmp_path_factory.mktemp("tiny")
    script = SUPPORT / "random_model.py"
    subprocess.run([sys.executable, script, folder, "--layers=2", "--width=64"], check=True)
    return folder


def test_mutated_gguf_files(attack: Attack, tiny: Path, tmp_path: Path) -> None:
    original = (tiny / "model.gguf").read_bytes()
    while attack.running:
        path = tmp_path / "mutated.gguf"
        mutation = attack.random.choice(GGUF_MUTATIONS)
        path.write_bytes(mutation(original, attack.random))
        _use(attack, path, "gguf", f"{mutation.__name__}", {})


def test_mutated_safetensors(attack: Attack, tiny: Path, tmp_path: Path) -> None:
    while attack.running:
        directory = tmp_path / "mutated"
        shutil.copytree(tiny / "model", directory)
        mutation = attack.random.choice(DIRECTORY_MUTATIONS)
        what = mutation(directory, attack.random)
        isq = attack.random.choice(["none", "Q8_0"])
        _use(attack, directory, "safetensors", f"{what}, isq {isq}", {"isq": isq})
        shutil.rmtree(directory)


def _use(attack: Attack, path: Path, format_: str, what: str, parameters: dict[str, Any]) -> None:
    parameters = {"num_ctx": 64, **parameters}
    body = {"name": "bad", "path": str(path), "format": format_, "overwrite": True}
    reply = attack.send(
        "POST", "v1/models", f"register: {what}", json=body | {"default_parameters": parameters}
    )
    if reply.status_code == 201:
        ask = {"model": "bad", "prompt": "a b c", "max_tokens": 4, "logprobs": 2}
        attack.send("POST", "v1/completions", f"complete: {what}", json=ask)
        ask = {"model": "bad", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}
        attack.send("POST", "v1/chat/completions", f"chat: {what}", json=ask)
        ask = {"model": "bad", "input": ["x", "a b c"]}
        attack.send("POST", "v1/embeddings", f"embed: {what}", json=ask)
        attack.send("DELETE", "v1/models/bad?force=true", f"delete: {what}")


# ------------------------------------------------------------ GGUF


def flip_header_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change bytes of the metadata and the tensor descriptions."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 8, 64])):
        changed[rng.randrange(min(len(data), rng.choice([64, 1024, 20_000])))] = rng.randrange(256)
    return bytes(changed)


def flip_data_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change weights, also to NaN and infinity."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 100, 10_000])):
        at = rng.randrange(len(data) // 2, len(data) - 8) & ~3
        value = struct.pack("<f", rng.choice([float("nan"), float("inf"), -3e38, 0.0]))
        changed[at : at + 4] = value
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Truncate the file."""
    return data[: rng.choice([0, 4, 23, 24, 25, rng.randrange(len(data)), len(data) - 1])]


def overwrite_numbers(data: bytes, rng: random.Random) -> bytes:
    """Write extreme 64-bit numbers into the header: counts, lengths, offsets and dimensions."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3])):
        at = rng.choice([8, 16, 24, rng.randrange(24, min(len(data), 20_000))])
        number = rng.choice([number for number in NUMBERS if isinstance(number, int)])
        changed[at : at + 8] = (number % 2**64).to_bytes(8, "little")
    return bytes(changed)


def swap_parts(data: bytes, rng: random.Random) -> bytes:
    """Copy one part of the header over another."""
    changed = bytearray(data)
    size = rng.choice([8, 64, 512])
    limit = min(len(data) - size, 20_000)
    source, target = rng.randrange(limit), rng.randrange(limit)
    changed[target : target + size] = data[source : source + size]
    return bytes(changed)


GGUF_MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    flip_header_bytes,
    flip_data_bytes,
    cut,
    overwrite_numbers,
    swap_parts,
]

# ------------------------------------------------------------ model directories


def change_json(directory: Path, rng: random.Random) -> str:
    """Change values of a JSON file, at any depth."""
    names = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
    path = directory / rng.choice([name for name in names if (directory / name).exists()])
    document = json.loads(path.read_bytes())
    changes = [_change(document, rng) for _ in range(rng.choice([1, 1, 3]))]
    path.write_text(json.dumps(document))
    return f"{path.name}: {'; '.join(changes)}"


def _change(document: Any, rng: random.Random) -> str:
    keys = []
    while True:
        key = rng.choice(list(document) if isinstance(document, dict) else range(len(document)))
        keys.append(str(key))
        child = document[key]
        if not isinstance(child, (dict, list)) or not child or rng.random() < 0.2:
            if rng.random() < 0.2:
                del document[key]
                return f"without {'.'.join(keys)}"
            document[key] = rng.choice(VALUES)
            return f"{'.'.join(keys)} = {str(document[key])[:40]}"
        document = child


def change_tensors(directory: Path, rng: random.Random) -> str:
    """Change the header of the weights."""
    path = directory / "model.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    name = rng.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    match rng.choice(["dtype", "shape", "data_offsets", "name", "missing", "bytes", "cut"]):
        case "dtype":
            entry["dtype"] = rng.choice(["F16", "I64", "BOOL", "F8_E4M3", "X", None])
        case "shape":
            entry["shape"] = rng.choice([[], [0], [-1], [2**62, 4], entry["shape"][::-1], None])
        case "data_offsets":
            entry["data_offsets"] = rng.choice([[0, 0], [-1, 8], [0, 2**63], [8, 0], None])
        case "name":
            header[f"_orig_mod.{name}"] = header.pop(name)
        case "missing":
            del header[name]
        case "bytes":
            changed = bytearray(data)
            changed[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(changed)
            return "a byte of the weights"
        case "cut":
            path.write_bytes(data[: rng.randrange(len(data))])
            return "cut weights"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    return f"tensor {name}: {str(entry)[:80]}"


def remove_file(directory: Path, rng: random.Random) -> str:
    """Remove a file, or replace it with another one."""
    files = sorted(directory.iterdir())
    path = rng.choice(files)
    if rng.random() < 0.5:
        path.unlink()
        return f"without {path.name}"
    path.write_bytes(rng.choice(files).read_bytes()[: rng.choice([0, 10, 10_000])])
    return f"replaced {path.name}"


DIRECTORY_MUTATIONS = [change_json, change_json, change_tensors, remove_file]
