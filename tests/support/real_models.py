"""SmolLM2 as a directory of safetensors: ``python real_models.py FILE.gguf DIRECTORY``.

A process of its own, since it imports torch and needs the memory of two copies.
"""

from __future__ import annotations

import sys
from pathlib import Path


def make_safetensors(gguf: Path, directory: Path) -> None:
    """Write the model of a GGUF file, dequantized to bfloat16, as transformers keeps models."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    model.hf_quantizer = None  # else it is saved as a quantized model, which it no longer is
    del model.config.quantization_config
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(directory)


if __name__ == "__main__":
    make_safetensors(Path(sys.argv[1]), Path(sys.argv[2]))
