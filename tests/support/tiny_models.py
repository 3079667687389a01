"""Create directories of tiny random models in safetensors, with trained tokenizers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXT = [
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.",
    "def f(x):\n    return x ** 2  # squares\n\nprint(f(12), f(345))",
    "It's what you'd expect: numbers 1234567890, tabs\t\tand   runs of spaces.",
    "Größe, naïve, Привет, 你好 and 🙂 are words too; don't forget them!",
] * 8

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEMPLATE = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}<s>assistant\n"


def byte_level(words: str) -> Tokenizer:
    """Train a byte-level BPE tokenizer.

    Parameters
    ----------
    words : str
        Rule for splitting text into words: "gpt-2", "smollm" or a regular expression.
    """
    steps: list[Any] = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    if words == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), *steps]
    elif words != "gpt-2":
        split = pre_tokenizers.Split(Regex(words), "isolated")
        steps = [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def spm_bpe(*, prefix: bool) -> Tokenizer:
    """Train SentencePiece's BPE as transformers stores it: byte fallback, spaces as a character."""
    parts: list[Any] = [normalizers.Replace(" ", "\u2581")]
    if prefix:
        parts.insert(0, normalizers.Prepend("\u2581"))
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(parts)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=520, special_tokens=special, show_progress=False)
    # Split into words for the training only: the tokenizer itself has no pre-tokenizer.
    words = [word for line in TEXT for word in line.replace(" ", " \u2581").split(" ")]
    tokenizer.train_from_iterator(words, trainer)
    state = json.loads(tokenizer.to_str())
    # Byte tokens belong to the vocabulary, not to the added tokens.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def make(
    directory: Path,
    config: str,
    tokenizer: Tokenizer,
    *,
    dtype: torch.dtype = torch.float32,
    shard: str = "5GB",
    **settings: Any,
) -> Path:
    """Write a random model and its tokenizer, and return the directory.

    Norms and biases are random too, because ones and zeros would hide mistakes.

    Parameters
    ----------
    config : str
        Name of a configuration class of transformers.
    **settings
        Arguments of that class.
    """
    values = {**_SMALL, "vocab_size": tokenizer.get_vocab_size() + 8, **settings}
    configuration = getattr(transformers, config)(**values)
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(configuration)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            wide = 0.3 if parameter.dim() > 1 else 0.2
            start = 1.0 if name.endswith("norm.weight") and "Gemma" not in config else 0.0
            parameter.copy_(start + wide * torch.randn_like(parameter))
    model.to(dtype).save_pretrained(directory, max_shard_size=shard)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(directory)
    return directory


def altered(
    directory: Path,
    target: Path,
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] = dict,
    **config: Any,
) -> Path:
    """Copy a model with other tensors and settings of config.json, and return the copy."""
    shutil.copytree(directory, target)
    weights = target / "model.safetensors"
    save_file(change(load_file(weights)), weights, metadata={"format": "pt"})
    path = target / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return target


def logits(directory: Path, tokens: list[int]) -> Any:
    """Compute all logits with transformers in float32; shape (tokens, vocabulary)."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.inference_mode():
        return model(torch.tensor([tokens])).logits[0].numpy()


def llama_logits(model: Path, tokens: list[int]) -> Any:
    """Compute all logits with llama.cpp on the CPU; shape (tokens, vocabulary)."""
    params = lc.llama_model_default_params()
    params.n_gpu_layers = 0
    pointer = lc.llama_model_load_from_file(str(model).encode(), params)
    assert pointer
    options = lc.llama_context_default_params()
    options.n_ctx = options.n_batch = options.n_ubatch = max(256, len(tokens))
    options.type_k = options.type_v = lc.GGML_TYPE_F32
    options.flash_attn_type = lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = lc.llama_init_from_model(pointer, options)
    size = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(pointer))
    batch = lc.llama_batch_init(len(tokens), 0, 1)
    for at, token in enumerate(tokens):
        batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, at, 1
        batch.seq_id[at][0], batch.logits[at] = 0, True
    batch.n_tokens = len(tokens)
    assert lc.llama_decode(context, batch) == 0
    rows = [
        np.ctypeslib.as_array(lc.llama_get_logits_ith(context, at), (size,)).copy()
        for at in range(len(tokens))
    ]
    lc.llama_batch_free(batch)
    lc.llama_free(context)
    lc.llama_model_free(pointer)
    return np.stack(rows)
