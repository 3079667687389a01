"""Render chat templates in a process of their own, with limits on time, memory and output.

A chat template is Jinja code from the author of a model. It can compute anything: a loop without
end, a string that fills the memory, or a power that holds Python's interpreter lock for hours.
"""
