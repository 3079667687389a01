"""The assistant: its prompts."""
