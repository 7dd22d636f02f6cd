"""What a hub answers, before the hub's client makes names of files from it.

The client puts a file under the name that an answer's ETag gives, in a folder that is named after
the commit. A hub or mirror that answers with a path would so reach files of the user's.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from llprobe.errors import FetchError

__all__ = ["guard_session"]

_NAMES: Final = ("ETag", "X-Linked-Etag", "X-Repo-Commit")
_PLAIN: Final = re.compile(r'(?:W/)?"?[0-9A-Za-z][0-9A-Za-z._=+-]{0,127}"?')
_PROXIES: Final = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY"


def guard_session() -> None:
    """Have every answer that the hub's client gets from now on looked at.

    Raises FetchError for a proxy that cannot be used; and for an answer whose headers are paths,
    there where the client waits for it.
    """
    from huggingface_hub import errors, get_session  # noqa: PLC0415  # slow to import

    # httpx in huggingface_hub 1, httpx2 in 2
    http: Any = sys.modules[errors.HfHubHTTPError.__bases__[0].__module__.partition(".")[0]]
    try:
        session = get_session()
    except (ImportError, ValueError, http.InvalidURL) as error:
        raise FetchError(
            f"the proxy that the environment names cannot be used ({error}): correct or unset "
            f"{_PROXIES}; a SOCKS proxy needs `pip install socksio`"
        ) from error
    hooks = session.event_hooks
    if _look not in hooks["response"]:
        session.event_hooks = {**hooks, "response": [*hooks["response"], _look]}


def _look(response: Any) -> None:
    for name in _NAMES:
        value = response.headers.get(name)
        if value is not None and not _PLAIN.fullmatch(value):
            raise FetchError(
                f"{response.request.url.host} answers with {name}: {value[:60]!r}, which names no "
                "file; nothing was written: see which hub or mirror HF_ENDPOINT names"
            )
