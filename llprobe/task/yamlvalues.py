"""YAML's single values as they stand in the file: what is scored is what was written.

YAML 1.1 takes 12:30 for 750, 007 for 7 and 1.10 for 1.1. Only a number that reads back as it is
written is one here; every other one is the text that stands there, and so is a date.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

__all__ = ["AsWritten"]

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,30}")
_DIGITS: Final = re.compile(r"[-+]?[0-9][0-9A-Fa-fxob:_]*")
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_TIME: Final = "tag:yaml.org,2002:timestamp"


class AsWritten(yaml.SafeLoader):
    """YAML's safe loader, in which numbers of unusual writing and dates are texts."""

    def whole(self, node: yaml.ScalarNode) -> int | str:
        """Return a whole number, or the text that it is written as.

        Raises ValueError for what has that tag and is none.
        """
        if _WHOLE.fullmatch(node.value):
            return int(node.value)
        if not _DIGITS.fullmatch(node.value):
            raise ValueError(f"{node.value[:40]!r} is no number")
        return str(node.value)

    def broken(self, node: yaml.ScalarNode) -> float | str:
        """Return a number with a point, or the text that it is written as.

        Raises ValueError for what has that tag and is none.
        """
        value: Any = self.construct_yaml_float(node)
        return float(value) if repr(value) == node.value else str(node.value)

    def date(self, node: yaml.ScalarNode) -> str:
        """Return the text of a date; ValueError for what has that tag and is none."""
        if not self.timestamp_regexp.match(node.value):
            raise ValueError(f"{node.value[:40]!r} is no date")
        return str(node.value)


AsWritten.add_constructor(_INT, AsWritten.whole)
AsWritten.add_constructor(_FLOAT, AsWritten.broken)
AsWritten.add_constructor(_TIME, AsWritten.date)
