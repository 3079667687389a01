"""Divide the text of an answer into thoughts, content and calls while it is generated."""
