"""Grammars of calls for llguidance."""
