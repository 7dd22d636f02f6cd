"""`python -m llprobe` is `llprobe`."""

from llprobe.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
