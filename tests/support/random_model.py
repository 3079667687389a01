"""Write a random model, as safetensors and as GGUF: ``python random_model.py DIRECTORY``.

Tests run this in a child process, because it imports torch.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from a3s_power_jupyter.convert.converter import convert
from support.tiny_models import byte_level, make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    directory = make(
        options.directory / "model",
        "LlamaConfig",
        byte_level("gpt-2"),
        hidden_size=options.width,
        intermediate_size=options.width * 3 // 2,
        num_hidden_layers=options.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    convert(directory, options.directory / "model.gguf", lambda _value: None)


if __name__ == "__main__":
    main()
