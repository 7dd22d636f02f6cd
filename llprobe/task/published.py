"""Where a task's published data set lies on the Hugging Face hub: `llprobe.hub` of its YAML file.

::

    llprobe:
      hub:
        repo: OWNER/NAME     # a data set's repository
        file: PATH           # the file of it that the task's reader reads
        revision: BRANCH     # main where left out

The key is taken off here, before the definition is parsed: what a task asks does not depend on
where its file came from. Knows nothing of downloads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from llprobe.task.yamlfile import Section

__all__ = ["Published", "published", "without_hub"]

_KEYS = ("repo", "file", "revision")


@dataclass(frozen=True, slots=True)
class Published:
    """One file of a data set's repository."""

    repo: str
    file: str
    revision: str = "main"


def published(top: Section) -> Published | None:
    """Return what a parsed task file says of the hub, None where it says nothing.

    TaskError names file, line and key of a mistake.
    """
    own = top.section("llprobe")
    if "hub" not in own.values:
        return None
    hub = own.values["hub"]
    if not isinstance(hub, dict) or not {"repo", "file"} <= set(hub) <= set(_KEYS):
        raise own.error("hub", "must have the keys repo and file, and perhaps revision")
    if not all(isinstance(value, str) and value.strip() for value in hub.values()):
        raise own.error("hub", "each value must be a text")
    return Published(**hub)


def without_hub(top: Section) -> Section:
    """Return a parsed task file without `llprobe.hub`, which is checked."""
    if published(top) is None:
        return top
    own = top.section("llprobe")
    return replace(top, sections={**top.sections, "llprobe": own.without("hub")})
