"""What the assistant keeps: chats, presets and prompts."""
