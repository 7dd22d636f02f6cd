"""The bundled tasks: a YAML definition each, with the generator or reader that it names.

A generator module has `generate(seed, settings) -> Iterator[Row]`, a reader module
`read(path) -> Iterator[Row]`. Nothing here knows how a row is rendered or scored.
"""
