"""Write a random GGUF model for the tests on a GPU: ``python gpu_model.py DIRECTORY LAYERS``.

Tests run this in a child process, because it imports torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from a3s_power_jupyter.convert.converter import convert
from support.tiny_models import byte_level, make


def main(folder: Path, layers: int) -> None:
    directory = make(
        folder / "model",
        "LlamaConfig",
        byte_level("gpt-2"),
        hidden_size=512,
        intermediate_size=768,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    convert(directory, folder / "model.gguf", lambda _value: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
