"""Readers and collectors that all dialects share for chats."""
