"""The command line: one module per noun, all over the same core as any other front end.

`main` is the entry point. No module in here loads a model or imports the engine.
"""

from llprobe.cli.app import main

__all__ = ["main"]
