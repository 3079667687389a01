"""Create a small GGUF model that fills in the middle with a known text, token by token."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

from a3s_power_jupyter.contract.fill_in import FILL_IN_NAMES

#: What the model writes between two texts, a token each.
WORDS = ("one", " + two", " + three", " + four", " + five", " + six")
TEXT = "".join(WORDS)
#: What it writes after a text alone.
PLAIN = " plain"

POSITIONS = 4096


def write_model(path: Path, *, endless: bool = False, fillers: int = 0) -> Path:
    """Write a GPT-2 in which the next token depends on the current one only.

    Parameters
    ----------
    endless : bool
        Whether the words of the answer begin again after the last one.
    fillers : int
        Further tokens, which are never generated. 20,000 make a token take some milliseconds.
    """
    names = FILL_IN_NAMES[0]
    prefix, suffix, middle = names
    assert middle is not None
    letters = sorted(ByteLevel.alphabet())
    words = [word.replace(" ", "\u0120") for word in (*WORDS, PLAIN)]
    known = [*letters, *words, "<|endoftext|>", prefix, suffix, middle]
    ids = {token: number for number, token in enumerate(known)}
    end = ids["<|endoftext|>"]
    first = ids[words[0]]
    last = first + len(WORDS) - 1
    follows = dict.fromkeys(range(len(known)), ids[words[-1]])
    follows |= {token: token + 1 for token in range(first, last)}
    follows |= {ids[middle]: first, last: first if endless else end, ids[words[-1]]: end}
    _write(path, known, follows, end, fillers)
    return path


def _write(path: Path, known: list[str], follows: dict[int, int], end: int, fillers: int) -> None:
    size = -(-len(known) // 32) * 32
    total = len(known) + fillers
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*known, *(f"<filler {number}>" for number in range(fillers))])
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types(
        [normal] * end + [control] * (len(known) - end) + [gguf.TokenType.UNUSED] * fillers
    )
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(end)
    embedding = np.zeros((total, size), np.float32)
    output = np.zeros((total, size), np.float32)
    for token, following in follows.items():
        embedding[token, token] = 1
        output[following, token] = 1
    tensors = {"token_embd": embedding, "output": output}
    tensors["position_embd"] = np.zeros((POSITIONS, size), np.float32)
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    _add_layers(writer, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_layers(writer: gguf.GGUFWriter, size: int) -> None:
    """Add a layer that adds nothing, so that the token alone decides."""
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(size, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(size, np.float32))
    shapes = {
        "attn_qkv": (3 * size, size), "attn_output": (size, size),
        "ffn_up": (32, size), "ffn_down": (size, 32),
    }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float32))
        writer.add_tensor(f"blk.0.{name}.bias", np.zeros(shape[:1], np.float32))
