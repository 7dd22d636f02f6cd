"""The engine: the only package that imports llama_cpp or ctypes.

``probe.Probe`` opens a model, ``score.Scorer`` scores questions on it, ``grid.look`` reads a text.
Only the worker and the Python API import it; see `worker` for how it is kept in a child process.
"""
