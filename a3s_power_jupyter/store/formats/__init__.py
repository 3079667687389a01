"""Readers of model files: GGUF, safetensors, model directories."""
