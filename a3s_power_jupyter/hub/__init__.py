"""Pull models from the Hugging Face Hub; this level runs in the notebook server."""
