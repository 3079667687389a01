"""Convert a tiny LLaVA to a GGUF model and an mmproj.

Its vision encoder has no class token. llama.cpp puts the class token after the patches and then
selects the wrong rows (`tools/mtmd/models/llava.cpp`), so its results differ from transformers'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import transformers

from a3s_power_jupyter.convert.converter import convert
from support import tiny_vision

TEMPLATE = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}<s>assistant"


def make(directory: Path) -> tuple[Path, Path, Path]:
    """Write the model in float32; return its directory, the GGUF file and the mmproj."""
    original = tiny_vision.make(directory / "llava", "llava-siglip")
    model = transformers.AutoModelForImageTextToText.from_pretrained(original)
    _write_text_model(directory / "text", original, model)
    convert(directory / "text", directory / "model.gguf", lambda _value: None)
    write_mmproj(directory / "mmproj-model.gguf", original, model)
    return original, directory / "model.gguf", directory / "mmproj-model.gguf"


def _write_text_model(directory: Path, original: Path, model: Any) -> None:
    text = transformers.LlamaForCausalLM(model.config.text_config)
    text.model.load_state_dict(model.model.language_model.state_dict())
    text.lm_head.load_state_dict(model.lm_head.state_dict())
    text.save_pretrained(directory)
    tokenizer = transformers.AutoTokenizer.from_pretrained(original)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(directory)


def write_mmproj(path: Path, original: Path, model: Any) -> None:
    """Write the vision encoder with the keys and tensor names of llama.cpp's `clip.cpp`."""
    vision = model.config.vision_config
    processor = json.loads((original / "processor_config.json").read_text())["image_processor"]
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for key, value in (
        ("image_size", vision.image_size),
        ("patch_size", vision.patch_size),
        ("embedding_length", vision.hidden_size),
        ("feed_forward_length", vision.intermediate_size),
        ("projection_dim", model.config.text_config.hidden_size),
        ("block_count", vision.num_hidden_layers),
        ("attention.head_count", vision.num_attention_heads),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", vision.layer_norm_eps)
    writer.add_array("clip.vision.image_mean", processor["image_mean"])
    writer.add_array("clip.vision.image_std", processor["image_std"])
    for name, tensor in model.state_dict().items():
        renamed = _name(name)
        if renamed is not None:
            data = np.ascontiguousarray(tensor.float().numpy())
            writer.add_tensor(renamed, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_PARTS = {
    "embeddings.patch_embedding": "v.patch_embd",
    "embeddings.position_embedding": "v.position_embd",
    "linear_1": "mm.0",
    "linear_2": "mm.2",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}


def _name(name: str) -> str | None:
    """Return llama.cpp's name for a tensor of the vision encoder, or None for other tensors."""
    name = name.removeprefix("model.")
    if not name.startswith(("vision_tower.", "multi_modal_projector.")):
        return None
    _, _, name = name.partition(".")
    name = name.removeprefix("vision_model.")
    prefix = ""
    if name.startswith("encoder.layers."):
        number, _, name = name.removeprefix("encoder.layers.").partition(".")
        prefix = f"v.blk.{number}."
    part, _, kind = name.rpartition(".")
    return f"{prefix}{_PARTS[part]}.{kind}" if part in _PARTS else None
