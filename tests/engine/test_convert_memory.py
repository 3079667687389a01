"""Compare the memory of a conversion process with the size of the model."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.convert.conversion_manager import CONVERT_COMMAND
from a3s_power_jupyter.convert.protocol import EVENT_DECODER, Convert, Done
from a3s_power_jupyter.ipc.environment import offline_environment
from a3s_power_jupyter.ipc.framing import encode, read_messages
from a3s_power_jupyter.store.model_store import ModelStore
from support import tiny_models

WIDTH, INNER, LAYERS, SHARDS = 2048, 5632, 6, 3

#: Matrices of a Llama layer -> (rows, columns).
MATRICES = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH, WIDTH),
    "self_attn.v_proj": (WIDTH, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharded Llama model of 617 MB in bfloat16, with the tokenizer of a tiny model."""
    directory = tmp_path_factory.mktemp("wide") / "model"
    tiny_models.make(
        directory, "LlamaConfig", tiny_models.byte_level("gpt-2"), tie_word_embeddings=True
    )
    (directory / "model.safetensors").unlink()
    path = directory / "config.json"
    config = json.loads(path.read_text()) | {
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": WIDTH // 16,
        "dtype": "bfloat16",
    }  # fmt: skip
    path.write_text(json.dumps(config))
    write_shards(directory, shapes(config["vocab_size"]))
    return directory


def shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    tensors: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, WIDTH)}
    for layer in range(LAYERS):
        start = f"model.layers.{layer}"
        tensors |= {f"{start}.{name}.weight": shape for name, shape in MATRICES.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{start}.{norm}.weight"] = (WIDTH,)
    return tensors | {"model.norm.weight": (WIDTH,)}


def write_shards(directory: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    """Write the shards. All tensors start with the same random values, to save time."""
    torch.manual_seed(7)
    numbers = (torch.randn(WIDTH * INNER) / 50).bfloat16().view(torch.int16).numpy()
    names = [*tensors]
    index = {}
    for shard in range(SHARDS):
        file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        own = names[shard * len(names) // SHARDS : (shard + 1) * len(names) // SHARDS]
        index |= dict.fromkeys(own, file)
        header: dict[str, Any] = {}
        end = 0
        for name in own:
            begin, end = end, end + 2 * int(np.prod(tensors[name]))
            entry = {"dtype": "BF16", "shape": tensors[name], "data_offsets": [begin, end]}
            header[name] = entry
        text = json.dumps(header).encode()
        with (directory / file).open("wb") as output:
            output.write(struct.pack("<Q", len(text)) + text)
            for name in own:
                output.write(numbers[: int(np.prod(tensors[name]))])
    whole = {"metadata": {}, "weight_map": index}
    (directory / "model.safetensors.index.json").write_text(json.dumps(whole))


def peak_of(request: Convert) -> int:
    """Run a conversion process and return its peak of anonymous memory, in bytes.

    Pages of memory-mapped files do not count, because the system can drop them.
    """
    process = subprocess.Popen(
        CONVERT_COMMAND,
        env=offline_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(encode(request))
    process.stdin.flush()
    peak = 0
    while process.poll() is None:
        with suppress(OSError):  # the process has ended
            status = Path(f"/proc/{process.pid}/status").read_text()
            match = re.search(r"RssAnon:\s+(\d+) kB", status)
            peak = max(peak, int(match[1]) * 1024 if match else 0)
        time.sleep(0.01)
    output, _ = process.communicate()
    assert [*read_messages(io.BytesIO(output), EVENT_DECODER)][-1] == Done()
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_conversion_takes_much_less_memory_than_the_model(wide: Path, tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    request = RegisterRequest("wide", str(wide), format="safetensors")
    manifest, _changed = store.register(request, DefaultParameters())
    paths = tuple(map(str, store.resolve(manifest)))
    peak = peak_of(Convert(str(tmp_path), manifest, paths, "Q4_0"))
    assert manifest.size_bytes > 600e6
    assert peak < manifest.size_bytes / 2, f"{peak / 1e6:.0f} MB"
