"""Write a random Llama as GGUF, without torch: ``python model.py FILE``.

With the defaults it has 1.1 GB in Q8_0, like a model of 1 billion parameters. Its text is nonsense,
but it is as fast and as large as a trained one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from tokenizers.pre_tokenizers import ByteLevel

VOCABULARY = 32_000
HEAD = 64
#: Numbers of a block of Q8_0, which share a scale.
BLOCK = 32
Q8_0 = gguf.GGMLQuantizationType.Q8_0


def write(path: Path, layers: int, width: int) -> None:
    """Write the model; all layers have the same random weights."""
    heads = width // HEAD
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(32_768)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(4 * width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(max(1, heads // 4))
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    writer.add_vocab_size(VOCABULARY)
    _add_vocabulary(writer)
    rng = np.random.default_rng(1)
    norm = np.ones(width, np.float32)
    writer.add_tensor("token_embd.weight", _matrix(rng, VOCABULARY, width), raw_dtype=Q8_0)
    writer.add_tensor("output.weight", _matrix(rng, VOCABULARY, width), raw_dtype=Q8_0)
    writer.add_tensor("output_norm.weight", norm)
    shapes = {
        "attn_q": (width, width),
        "attn_k": (max(1, heads // 4) * HEAD, width),
        "attn_v": (max(1, heads // 4) * HEAD, width),
        "attn_output": (width, width),
        "ffn_gate": (4 * width, width),
        "ffn_up": (4 * width, width),
        "ffn_down": (width, 4 * width),
    }
    matrices = {name: _matrix(rng, *shape) for name, shape in shapes.items()}
    for layer in range(layers):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", norm)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", norm)
        for name, matrix in matrices.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix, raw_dtype=Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    """Add an end token, a token for each byte, and words that no text has."""
    bytes_ = sorted(ByteLevel.alphabet())
    words = [f"word{number}" for number in range(VOCABULARY - len(bytes_) - 2)]
    tokens = ["<|endoftext|>", *bytes_, "ab", *words]
    types = [gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (VOCABULARY - 1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")


def _matrix(rng: np.random.Generator, rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Return random numbers of the size of a trained model's as blocks of Q8_0."""
    blocks = rows * columns // BLOCK
    data = np.empty((blocks, 2 + BLOCK), np.uint8)
    data[:, :2] = np.frombuffer(np.float16(1 / 127 / columns**0.5).tobytes(), np.uint8)
    data[:, 2:] = np.frombuffer(rng.bytes(blocks * BLOCK), np.uint8).reshape(blocks, BLOCK)
    return data.reshape(rows, -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--width", type=int, default=2048)
    options = parser.parse_args()
    write(options.file, options.layers, options.width)


if __name__ == "__main__":
    main()
