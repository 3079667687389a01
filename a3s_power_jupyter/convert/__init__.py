"""Convert safetensors chat models to quantized GGUF files and store them as blobs."""
