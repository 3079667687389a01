"""Read model files: GGUF, safetensors and model directories."""
