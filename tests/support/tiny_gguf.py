"""Create tiny random GGUF models, with position tables, recurrent states or sliding windows."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

from a3s_power_jupyter.convert.converter import convert

from .tiny_models import make, spm_bpe

SIZE, LAYERS, HEADS, FEED_FORWARD = 32, 2, 4, 48
#: Words of BERT's vocabulary.
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581w{i}" for i in range(59))]


class _Adder:
    """Add layers with random weights and biases to a file."""

    def __init__(self, writer: gguf.GGUFWriter) -> None:
        self._writer = writer
        self._random = np.random.default_rng(5)

    def __call__(self, name: str, *shape: int) -> None:
        self.weight(name, *shape)
        self._add(f"{name}.bias", shape[:1])

    def weight(self, name: str, *shape: int) -> None:
        self._add(f"{name}.weight", shape)

    def _add(self, name: str, shape: tuple[int, ...]) -> None:
        self._writer.add_tensor(name, 0.3 * self._random.standard_normal(shape, np.float32))

    def table(self, name: str, rows: int) -> None:
        values = self._random.standard_normal((rows, SIZE), np.float32)
        self._writer.add_tensor(f"{name}.weight", values)


def _write(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_byte_vocabulary(writer: gguf.GGUFWriter, special: tuple[str, ...] = ()) -> int:
    """Add a vocabulary of all bytes, an end token and other special tokens; return its size."""
    tokens = [*sorted(ByteLevel.alphabet()), "ab", "<|endoftext|>", *special]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    types = [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * (len(tokens) - 257)
    writer.add_token_types(types)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(257)
    return len(tokens)


def gpt2(
    path: Path,
    positions: int,
    *,
    temperature: float | None = None,
    adds_special: bool = False,
    templates: dict[str, str] | None = None,
    special: tuple[str, ...] = (),
) -> Path:
    """Write a GPT-2 with the vocabulary of all bytes and an end token.

    Parameters
    ----------
    temperature : float or None
        Sampling default in the header.
    adds_special : bool
        Whether the tokenizer adds the end token before and after each text.
    templates : dict or None
        Chat templates by their names.
    special : tuple of str
        Further special tokens.
    """
    writer = gguf.GGUFWriter(path, "gpt2")
    if templates is not None:
        writer.add_chat_template([{"name": k, "template": v} for k, v in templates.items()])
    if temperature is not None:
        writer.add_float32(gguf.Keys.General.SAMPLING_TEMP, temperature)
    writer.add_context_length(positions)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-5)
    n_tokens = _add_byte_vocabulary(writer, special)
    if adds_special:
        writer.add_bos_token_id(257)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
    add = _Adder(writer)
    add.table("token_embd", n_tokens)
    add.table("position_embd", positions)
    add("output_norm", SIZE)
    for layer in range(LAYERS):
        add(f"blk.{layer}.attn_norm", SIZE)
        add(f"blk.{layer}.attn_qkv", 3 * SIZE, SIZE)
        add(f"blk.{layer}.attn_output", SIZE, SIZE)
        add(f"blk.{layer}.ffn_norm", SIZE)
        add(f"blk.{layer}.ffn_up", FEED_FORWARD, SIZE)
        add(f"blk.{layer}.ffn_down", SIZE, FEED_FORWARD)
    return _write(writer, path)


def mamba(path: Path) -> Path:
    """Write a Mamba with the vocabulary of all bytes and an end token."""
    state, rank, kernel, inner = 8, 4, 4, 2 * SIZE
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(4096)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    n_tokens = _add_byte_vocabulary(writer)
    add = _Adder(writer)
    add.table("token_embd", n_tokens)
    add.weight("output_norm", SIZE)
    for layer in range(LAYERS):
        add.weight(f"blk.{layer}.attn_norm", SIZE)
        add.weight(f"blk.{layer}.ssm_in", 2 * inner, SIZE)
        add(f"blk.{layer}.ssm_conv1d", inner, kernel)
        add.weight(f"blk.{layer}.ssm_x", rank + 2 * state, inner)
        add(f"blk.{layer}.ssm_dt", inner, rank)
        # A hundred tokens later, the state still depends on a token.
        decay = np.tile(-0.01 * np.arange(1, state + 1, dtype=np.float32), (inner, 1))
        writer.add_tensor(f"blk.{layer}.ssm_a", decay)
        writer.add_tensor(f"blk.{layer}.ssm_d", np.ones(inner, np.float32))
        add.weight(f"blk.{layer}.ssm_out", SIZE, inner)
    return _write(writer, path)


def bert(path: Path, positions: int) -> Path:
    """Write a BERT with mean pooling and a WordPiece vocabulary of the words w0 to w58."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(positions)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(WORDS)
    writer.add_token_types([gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * 59)
    writer.add_token_type_count(2)
    for add_id, token in (
        (writer.add_pad_token_id, 0), (writer.add_unk_token_id, 1), (writer.add_bos_token_id, 2),
        (writer.add_eos_token_id, 3), (writer.add_sep_token_id, 3), (writer.add_mask_token_id, 4),
    ):  # fmt: skip
        add_id(token)
    add = _Adder(writer)
    for name, rows in (
        ("token_embd", len(WORDS)),
        ("position_embd", positions),
        ("token_types", 2),
    ):
        add.table(name, rows)
    add("token_embd_norm", SIZE)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}", SIZE, SIZE)
        add(f"blk.{layer}.ffn_up", FEED_FORWARD, SIZE)
        add(f"blk.{layer}.ffn_down", SIZE, FEED_FORWARD)
        add(f"blk.{layer}.attn_output_norm", SIZE)
        add(f"blk.{layer}.layer_output_norm", SIZE)
    return _write(writer, path)


def falcon_h1(path: Path) -> Path:
    """Write a Falcon-H1, each layer of which has attention and a recurrent state."""
    writer = gguf.GGUFWriter(path, "falcon-h1")
    writer.add_context_length(1024)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(2 * SIZE)
    writer.add_ssm_state_size(16)
    writer.add_ssm_time_step_rank(HEADS)
    writer.add_ssm_group_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(2)
    writer.add_key_length(16)
    writer.add_value_length(16)
    writer.add_rope_freq_base(10000.0)
    writer.add_feed_forward_length(FEED_FORWARD)
    n_tokens = _add_byte_vocabulary(writer)
    add = _Adder(writer)
    add.table("token_embd", n_tokens)
    add.weight("output_norm", SIZE)
    inner, state = 2 * SIZE, 16
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        add.weight(f"{block}.attn_norm", SIZE)
        writer.add_tensor(f"{block}.ffn_norm", np.ones(SIZE, np.float32))
        add.weight(f"{block}.ssm_in", 2 * inner + 2 * state + HEADS, SIZE)
        add(f"{block}.ssm_conv1d", inner + 2 * state, 4)
        writer.add_tensor(f"{block}.ssm_dt.bias", np.zeros(HEADS, np.float32))
        writer.add_tensor(f"{block}.ssm_a", np.full((HEADS, 1), -0.01, np.float32))
        writer.add_tensor(f"{block}.ssm_d", np.ones((HEADS, 1), np.float32))
        writer.add_tensor(f"{block}.ssm_norm.weight", np.ones((1, inner), np.float32))
        add.weight(f"{block}.ssm_out", SIZE, inner)
        for name, rows in (("q", HEADS * 16), ("k", 2 * 16), ("v", 2 * 16)):
            add.weight(f"{block}.attn_{name}", rows, SIZE)
        add.weight(f"{block}.attn_output", SIZE, HEADS * 16)
        for name in ("ffn_gate", "ffn_up"):
            add.weight(f"{block}.{name}", FEED_FORWARD, SIZE)
        add.weight(f"{block}.ffn_down", SIZE, FEED_FORWARD)
    return _write(writer, path)


def gemma3(path: Path) -> Path:
    """Write a Gemma 3 with sliding windows of 16 tokens, much shorter than the prompts."""
    rope = {
        "full_attention": {"rope_type": "default", "rope_theta": 10000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }
    settings = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}
    directory = make(
        path.parent / "gemma3", "Gemma3TextConfig", spm_bpe(prefix=False), **settings,
        num_hidden_layers=7, rope_parameters=rope, max_position_embeddings=1024,
    )  # fmt: skip
    convert(directory, path, lambda _value: None)
    return path
