"""Create tiny random vision-language models of several families, with their processors."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from a3s_power_jupyter.engine.transformers.vision import images_only
from support.tiny_models import byte_level

TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{% for p in m.content %}"
    "{% if p.type == 'text' %}{{ p.text }}{% else %}IMAGE{% endif %}{% endfor %}</s>{% endfor %}"
    "<s>assistant\n"
)
_TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 448,
    "max_position_embeddings": 2048,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 28,
    "patch_size": 14,
}
_QWEN_TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
_QWEN_VISION = {"depth": 2, "num_heads": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

#: Configuration, processor, and the text that stands for an image in a prompt.
Parts = tuple[Any, Any, str]


def make(directory: Path, family: str) -> Path:
    """Write a random model of a family in float32, and return the directory."""
    config, processor, image_text = FAMILIES[family]()
    processor.chat_template = TEMPLATE.replace("IMAGE", image_text)
    torch.manual_seed(7)
    model = transformers.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def random_image(seed: int, width: int = 50, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _tokenizer(*special: str, **named: str) -> Any:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level("gpt-2"),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<unk>",
        extra_special_tokens=named or list(special),
    )


def _llava() -> Parts:
    tokenizer = _tokenizer("<image>")
    config = transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(**_TEXT),
        vision_config=transformers.CLIPVisionConfig(**_VISION, projection_dim=32),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return config, processor, "<image>"


def _llava_siglip() -> Parts:
    """LLaVA with a vision encoder that has no class token."""
    config, processor, image_text = _llava()
    vision = transformers.SiglipVisionConfig(**_VISION)
    config = transformers.LlavaConfig(
        text_config=config.text_config,
        vision_config=vision,
        image_token_index=config.image_token_index,
        vision_feature_select_strategy="full",
    )
    processor.vision_feature_select_strategy = "full"
    processor.num_additional_image_tokens = 0
    return config, processor, image_text


def _qwen(kind: str, patch: int, **vision: Any) -> Callable[[], Parts]:
    def parts() -> Parts:
        tokenizer = _tokenizer(*_QWEN_TOKENS.values())
        rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
        config = getattr(transformers, f"{kind}Config")(
            text_config={**_TEXT, "rope_parameters": rope},
            vision_config={**_QWEN_VISION, "patch_size": patch, **vision},
            **{k: tokenizer.convert_tokens_to_ids(token) for k, token in _QWEN_TOKENS.items()},
        )
        processor = images_only(PROCESSOR_MAPPING[type(config)])(
            image_processor=transformers.Qwen2VLImageProcessorPil(
                min_pixels=(2 * patch) ** 2, max_pixels=(2 * patch) ** 2 * 16, patch_size=patch
            ),
            tokenizer=tokenizer,
        )
        return config, processor, _QWEN_IMAGE

    return parts


def _idefics3() -> Parts:
    """Idefics3 and SmolVLM, which cut an image into a grid of tiles."""
    grid = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    tokenizer = _tokenizer(
        "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *grid
    )
    config = transformers.Idefics3Config(
        text_config=transformers.LlamaConfig(**_TEXT),
        vision_config=dict(_VISION),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    processor = transformers.Idefics3Processor(
        image_processor=transformers.Idefics3ImageProcessorPil(
            size={"longest_edge": 56}, max_image_size={"longest_edge": 28}
        ),
        tokenizer=tokenizer,
        image_seq_len=1,
    )
    return config, processor, "<image>"


def _idefics2() -> Parts:
    tokenizer = _tokenizer("<image>", "<fake_token_around_image>", "<end_of_utterance>")
    config = transformers.Idefics2Config(
        text_config=transformers.MistralConfig(**_TEXT),
        vision_config=dict(_VISION),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 3,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "num_key_value_heads": 1,
            "resampler_head_dim": 8,
        },
    )
    processor = transformers.Idefics2Processor(
        image_processor=transformers.Idefics2ImageProcessorPil(
            size={"shortest_edge": 28, "longest_edge": 28}, do_image_splitting=False
        ),
        tokenizer=tokenizer,
        image_seq_len=3,
    )
    return config, processor, "<image>"


def _gemma3() -> Parts:
    names = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = _tokenizer(**names)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    config = transformers.Gemma3Config(
        text_config={**_TEXT, "head_dim": 8, "sliding_window": 16, "query_pre_attn_scalar": 8},
        vision_config=dict(_VISION),
        mm_tokens_per_image=4,
        image_token_index=ids["image_token"],
        boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
    )
    processor = transformers.Gemma3Processor(
        image_processor=transformers.Gemma3ImageProcessorPil(size={"height": 28, "width": 28}),
        tokenizer=tokenizer,
        image_seq_length=4,
    )
    return config, processor, "<start_of_image>"


FAMILIES: dict[str, Callable[[], Parts]] = {
    "llava": _llava,
    "llava-siglip": _llava_siglip,
    "qwen2-vl": _qwen("Qwen2VL", 14, embed_dim=32, hidden_size=32, mlp_ratio=2),
    "qwen2.5-vl": _qwen(
        "Qwen2_5_VL",
        14,
        hidden_size=32,
        out_hidden_size=32,
        intermediate_size=48,
        fullatt_block_indexes=[1],
        window_size=56,
    ),
    "qwen3-vl": _qwen(
        "Qwen3VL",
        16,
        hidden_size=32,
        out_hidden_size=32,
        intermediate_size=48,
        deepstack_visual_indexes=[0],
        num_position_embeddings=16,
    ),
    "idefics3": _idefics3,
    "idefics2": _idefics2,
    "gemma3": _gemma3,
}
