"""The catalog of known models (`catalog.yaml`); the code that reads it is `llprobe.catalog`."""
