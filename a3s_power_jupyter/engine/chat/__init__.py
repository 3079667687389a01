"""How a model writes tool calls and thoughts, learnt from its chat template."""
