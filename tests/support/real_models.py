"""Convert SmolLM2 to safetensors: ``python real_models.py FILE.gguf DIRECTORY``.

Tests run this in a child process, because it imports torch and holds two copies of the model.
"""

from __future__ import annotations

import sys
from pathlib import Path


def make_safetensors(gguf: Path, directory: Path) -> None:
    """Dequantize a GGUF model to bfloat16 and save it with transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    model.hf_quantizer = None  # or it would be saved as a quantized model
    del model.config.quantization_config
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(directory)


if __name__ == "__main__":
    make_safetensors(Path(sys.argv[1]), Path(sys.argv[2]))
