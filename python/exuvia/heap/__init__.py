"""Heap files: what is asked of them, and how the answers are shown. Commands are in exuvia.commands.heap."""
