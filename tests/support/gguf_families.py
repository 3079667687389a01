"""Write GGUF models of all kinds of caches, with zeros as weights, which take no space on disk.

One long module, because it is a list: the keys and tensors of each family.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

Shapes = dict[str, tuple[int, ...]]
Keys = dict[str, Any]

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, FORWARD = 512, 8, 8, 4, 64, 1024
INNER, KERNEL, STATE, GROUPS, RANK = 1024, 4, 64, 1, 32
EXPERTS, USED = 8, 2
CONTEXT = 65536

_ATTENTION: Keys = {
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "attention.key_length": HEAD,
    "attention.value_length": HEAD,
}
_FORWARD: Keys = {"feed_forward_length": FORWARD}
_SSM: Keys = {
    "ssm.conv_kernel": KERNEL,
    "ssm.inner_size": INNER,
    "ssm.state_size": STATE,
    "ssm.time_step_rank": RANK,
}
_SSM2: Keys = _SSM | {"ssm.group_count": GROUPS}


def write(path: Path, family: str, *, tokens: int = 258) -> Path:
    """Write a model of a family of `FAMILIES`, and return its path.

    Parameters
    ----------
    tokens : int
        Size of the vocabulary.
    """
    keys, shapes = FAMILIES[family]()
    if "output.weight" in shapes:
        shapes["output.weight"] = (WIDTH, tokens)
    if "vocab_size" in keys:
        keys["vocab_size"] = tokens
    writer = gguf.GGUFWriter(path, family)
    for key, value in {"context_length": CONTEXT, "embedding_length": WIDTH, **keys}.items():
        _add(writer, key if key.startswith("tokenizer") else f"{family}.{key}", value)
    _add_vocabulary(writer, tokens)
    if family == "bert":
        writer.add_token_type_count(2)
    size = 0
    for name, shape in {"token_embd.weight": (WIDTH, tokens), **shapes}.items():
        kind = np.float16 if _is_matrix(name, shape) else np.float32
        count = int(np.prod(shape))
        writer.add_tensor_info(name, shape[::-1], np.dtype(kind), count * kind(0).nbytes)
        size += -(-count * kind(0).nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, -(-path.stat().st_size // 32) * 32 + size)
    return path


def _is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    small = (
        "norm",
        "bias",
        "conv",
        "ssm_a",
        "ssm_d",
        "lerp",
        "first",
        "decay",
        "sinks",
        "inp",
        "types",
    )
    return len(shape) > 1 and not any(part in name for part in small)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_array(key, value)


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    first = [*sorted(ByteLevel.alphabet()), "ab"]
    tokens = [*first, *(f"token{index}" for index in range(size - 258)), "<|endoftext|>"]
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (size - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(size - 1)


def _layers(*parts: Callable[[int], Shapes], count: int = LAYERS) -> Shapes:
    shapes: Shapes = {"output_norm.weight": (WIDTH,)}
    for index in range(count):
        for part in parts:
            for name, shape in part(index).items():
                plain = "." in name or name in ("ssm_a", "ssm_d")
                shapes[f"blk.{index}.{name}" + ("" if plain else ".weight")] = shape
    return shapes


def _attention(index: int, kv_heads: int = KV_HEADS) -> Shapes:
    return {
        "attn_norm": (WIDTH,),
        "attn_q": (WIDTH, HEADS * HEAD),
        "attn_k": (WIDTH, kv_heads * HEAD),
        "attn_v": (WIDTH, kv_heads * HEAD),
        "attn_output": (HEADS * HEAD, WIDTH),
    }


def _forward(index: int) -> Shapes:
    return {
        "ffn_norm": (WIDTH,),
        "ffn_gate": (WIDTH, FORWARD),
        "ffn_up": (WIDTH, FORWARD),
        "ffn_down": (FORWARD, WIDTH),
    }


def _mamba(index: int) -> Shapes:
    return {
        "attn_norm": (WIDTH,),
        "ssm_in": (WIDTH, 2 * INNER),
        "ssm_conv1d": (KERNEL, INNER),
        "ssm_conv1d.bias": (INNER,),
        "ssm_x": (INNER, RANK + 2 * STATE),
        "ssm_dt": (RANK, INNER),
        "ssm_dt.bias": (INNER,),
        "ssm_a": (STATE, INNER),
        "ssm_d": (INNER,),
        "ssm_out": (INNER, WIDTH),
    }


def _mamba2(index: int) -> Shapes:
    wide = INNER + 2 * GROUPS * STATE
    return {
        "attn_norm": (WIDTH,),
        "ssm_in": (WIDTH, INNER + wide + RANK),
        "ssm_conv1d": (KERNEL, wide),
        "ssm_conv1d.bias": (wide,),
        "ssm_dt.bias": (RANK,),
        "ssm_a": (1, RANK),
        "ssm_d": (1, RANK),
        "ssm_norm": (INNER // GROUPS, GROUPS),
        "ssm_out": (INNER, WIDTH),
    }


def _keys(*parts: Keys, layers: int = LAYERS, **others: Any) -> Keys:
    keys: Keys = {"block_count": layers, "attention.layer_norm_rms_epsilon": 1e-6}
    for part in parts:
        keys |= part
    return keys | {name.replace("__", "."): value for name, value in others.items()}


def _llama() -> tuple[Keys, Shapes]:
    keys = _keys(_ATTENTION, _FORWARD, rope__dimension_count=HEAD)
    return keys, _layers(_attention, _forward)


def _gemma3() -> tuple[Keys, Shapes]:
    def norms(index: int) -> Shapes:
        return {
            "post_attention_norm": (WIDTH,),
            "post_ffw_norm": (WIDTH,),
            "attn_q_norm": (HEAD,),
            "attn_k_norm": (HEAD,),
        }

    keys = _keys(_ATTENTION, _FORWARD, attention__sliding_window=512)
    return keys, _layers(_attention, _forward, norms)


def _gpt_oss() -> tuple[Keys, Shapes]:
    def experts(index: int) -> Shapes:
        return {
            "post_attention_norm": (WIDTH,),
            "attn_sinks": (HEADS,),
            "attn_output.bias": (WIDTH,),
            "ffn_gate_inp": (WIDTH, EXPERTS),
            "ffn_gate_inp.bias": (EXPERTS,),
            "ffn_gate_exps": (WIDTH, FORWARD, EXPERTS),
            "ffn_gate_exps.bias": (FORWARD, EXPERTS),
            "ffn_up_exps": (WIDTH, FORWARD, EXPERTS),
            "ffn_up_exps.bias": (FORWARD, EXPERTS),
            "ffn_down_exps": (FORWARD, WIDTH, EXPERTS),
            "ffn_down_exps.bias": (WIDTH, EXPERTS),
        }

    keys = _keys(
        _ATTENTION,
        _FORWARD,
        expert_count=EXPERTS,
        expert_used_count=USED,
        expert_feed_forward_length=FORWARD,
        attention__sliding_window=128,
    )
    shapes = _layers(_attention, experts)
    return keys, shapes | {"output.weight": (WIDTH, 258)}


def _deepseek2() -> tuple[Keys, Shapes]:
    """Multi-head latent attention, as in DeepSeek-V2-Lite."""
    lora, rope, key, value = 256, 32, 96, 64

    def attention(index: int) -> Shapes:
        return {
            "attn_norm": (WIDTH,),
            "attn_q": (WIDTH, HEADS * key),
            "attn_kv_a_norm": (lora,),
            "attn_kv_a_mqa": (WIDTH, lora + rope),
            "attn_k_b": (key - rope, lora, HEADS),
            "attn_v_b": (lora, value, HEADS),
            "attn_output": (HEADS * value, WIDTH),
        }

    def experts(index: int) -> Shapes:
        if index == 0:
            return _forward(index)
        return {
            "ffn_norm": (WIDTH,),
            "ffn_gate_inp": (WIDTH, EXPERTS),
            "ffn_gate_exps": (WIDTH, FORWARD, EXPERTS),
            "ffn_up_exps": (WIDTH, FORWARD, EXPERTS),
            "ffn_down_exps": (FORWARD, WIDTH, EXPERTS),
            "ffn_gate_shexp": (WIDTH, FORWARD),
            "ffn_up_shexp": (WIDTH, FORWARD),
            "ffn_down_shexp": (FORWARD, WIDTH),
        }

    keys = _keys(
        _FORWARD,
        {"attention.head_count": HEADS, "attention.head_count_kv": 1},
        layers=27,  # others need a compressed query
        attention__kv_lora_rank=lora,
        attention__key_length=lora + rope,
        attention__value_length=lora,
        attention__key_length_mla=key,
        attention__value_length_mla=value,
        rope__dimension_count=rope,
        leading_dense_block_count=1,
        expert_count=EXPERTS,
        expert_used_count=USED,
        expert_shared_count=1,
        expert_feed_forward_length=FORWARD,
        expert_gating_func=1,
        vocab_size=258,
    )
    return keys, _layers(attention, experts, count=27)


def _mamba_only() -> tuple[Keys, Shapes]:
    return _keys(_SSM, {"attention.head_count": 0}), _layers(_mamba)


def _mamba2_only() -> tuple[Keys, Shapes]:
    return _keys(_SSM2, {"attention.head_count": 0}), _layers(_mamba2)


def _rwkv6() -> tuple[Keys, Shapes]:
    def mix(index: int) -> Shapes:
        return {
            **dict.fromkeys(
                ("attn_norm", "attn_norm.bias", "attn_norm_2", "attn_norm_2.bias"), (WIDTH,)
            ),
            "time_mix_w1": (WIDTH, 160),
            "time_mix_w2": (32, WIDTH, 5),
            "time_mix_lerp_x": (WIDTH, 1, 1),
            "time_mix_lerp_fused": (WIDTH, 1, 1, 5),
            "time_mix_first": (HEAD, WIDTH // HEAD),
            "time_mix_decay": (WIDTH,),
            "time_mix_decay_w1": (WIDTH, 64),
            "time_mix_decay_w2": (64, WIDTH),
            **dict.fromkeys(
                [f"time_mix_{part}" for part in ("key", "value", "receptance", "gate", "output")],
                (WIDTH, WIDTH),
            ),
            "time_mix_ln": (WIDTH,),
            "time_mix_ln.bias": (WIDTH,),
            "channel_mix_lerp_k": (WIDTH, 1, 1),
            "channel_mix_lerp_r": (WIDTH, 1, 1),
            "channel_mix_key": (WIDTH, FORWARD),
            "channel_mix_value": (FORWARD, WIDTH),
            "channel_mix_receptance": (WIDTH, WIDTH),
        }

    keys = _keys(
        _FORWARD,
        {"attention.head_count": 0},
        attention__layer_norm_epsilon=1e-5,
        wkv__head_size=HEAD,
        time_mix_extra_dim=32,
        time_decay_extra_dim=64,
    )
    shapes = _layers(mix)
    norms = {
        f"{name}.{kind}": (WIDTH,)
        for name in ("token_embd_norm", "output_norm")
        for kind in ("weight", "bias")
    }
    return keys, shapes | norms | {"output.weight": (WIDTH, 258)}


def _every_fourth(*values: int) -> list[int]:
    """The second value for one of four layers, the first for the others."""
    return [values[index % 4 == 1] for index in range(LAYERS)]


def _hybrid(mixer: Callable[[int], Shapes]) -> Callable[[int], Shapes]:
    return lambda index: _attention(index) if index % 4 == 1 else mixer(index)


def _jamba() -> tuple[Keys, Shapes]:
    def norms(index: int) -> Shapes:
        if index % 4 == 1:
            return {}
        return {"ssm_dt_norm": (RANK,), "ssm_b_norm": (STATE,), "ssm_c_norm": (STATE,)}

    keys = _keys(_ATTENTION, _FORWARD, _SSM)
    keys["attention.head_count_kv"] = _every_fourth(0, KV_HEADS)
    return keys, _layers(_hybrid(_mamba), norms, _forward)


def _granite_hybrid() -> tuple[Keys, Shapes]:
    keys = _keys(_ATTENTION, _FORWARD, _SSM2)
    keys["attention.head_count_kv"] = _every_fourth(0, KV_HEADS)
    return keys, _layers(_hybrid(_mamba2), _forward)


def _falcon_h1() -> tuple[Keys, Shapes]:
    shapes = _layers(_mamba2, _attention, _forward)
    for index in range(LAYERS):
        shapes[f"blk.{index}.ffn_norm"] = shapes.pop(f"blk.{index}.ffn_norm.weight")
    return _keys(_ATTENTION, _FORWARD, _SSM2), shapes


def _nemotron_h() -> tuple[Keys, Shapes]:
    """Layers with a state, attention or a feed-forward network, but only one of them."""
    kinds = [index % 4 for index in range(LAYERS)]

    def layer(index: int) -> Shapes:
        if kinds[index] == 1:
            return _attention(index)
        if kinds[index] == 3:
            return {"attn_norm": (WIDTH,), "ffn_up": (WIDTH, FORWARD), "ffn_down": (FORWARD, WIDTH)}
        return _mamba2(index)

    keys = _keys(_ATTENTION, _SSM2, attention__layer_norm_epsilon=1e-5)
    keys["attention.head_count_kv"] = [KV_HEADS if kind == 1 else 0 for kind in kinds]
    keys["feed_forward_length"] = [FORWARD if kind == 3 else 0 for kind in kinds]
    return keys, _layers(layer)


def _lfm2() -> tuple[Keys, Shapes]:
    def convolution(index: int) -> Shapes:
        return {
            "attn_norm": (WIDTH,),
            "shortconv.conv.weight": (3, WIDTH),
            "shortconv.in_proj.weight": (WIDTH, 3 * WIDTH),
            "shortconv.out_proj.weight": (WIDTH, WIDTH),
        }

    def norms(index: int) -> Shapes:
        return {"attn_q_norm": (HEAD,), "attn_k_norm": (HEAD,)} if index % 4 == 1 else {}

    keys = _keys(_ATTENTION, _FORWARD, shortconv__l_cache=3)
    keys["attention.head_count_kv"] = _every_fourth(0, KV_HEADS)
    shapes = _layers(_hybrid(convolution), norms, _forward)
    shapes["token_embd_norm.weight"] = shapes.pop("output_norm.weight")
    return keys, shapes


def _bert() -> tuple[Keys, Shapes]:
    """An encoder with mean pooling and no cache."""

    def layer(index: int) -> Shapes:
        shapes: Shapes = {}
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes |= {name: (WIDTH, WIDTH), f"{name}.bias": (WIDTH,)}
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes |= {name: (WIDTH,), f"{name}.bias": (WIDTH,)}
        return shapes | {
            "ffn_up": (WIDTH, FORWARD),
            "ffn_up.bias": (FORWARD,),
            "ffn_down": (FORWARD, WIDTH),
            "ffn_down.bias": (WIDTH,),
        }

    keys = _keys(
        _FORWARD,
        {"attention.head_count": HEADS, "attention.causal": False, "pooling_type": 1},
        attention__layer_norm_epsilon=1e-12,
    )
    shapes = _layers(layer)
    del shapes["output_norm.weight"]
    return keys, shapes | {
        "position_embd.weight": (WIDTH, CONTEXT),
        "token_types.weight": (WIDTH, 2),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }


#: The families, by the name of their architecture.
FAMILIES: dict[str, Callable[[], tuple[Keys, Shapes]]] = {
    "llama": _llama,
    "gemma3": _gemma3,
    "gpt-oss": _gpt_oss,
    "deepseek2": _deepseek2,
    "mamba": _mamba_only,
    "mamba2": _mamba2_only,
    "rwkv6": _rwkv6,
    "jamba": _jamba,
    "granitehybrid": _granite_hybrid,
    "falcon-h1": _falcon_h1,
    "nemotron_h": _nemotron_h,
    "lfm2": _lfm2,
    "bert": _bert,
}
