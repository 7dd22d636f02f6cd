"""What the hub's client and its HTTP client raise, as one line with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from llprobe.errors import FetchError, UsageError
from llprobe.fetch.hubcache import hub_cache
from llprobe.fetch.place import disk_error

__all__ = ["Wanted", "hub_errors"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched, in the words that the messages need."""

    repo: str
    page: str
    """The repository's page."""
    instead: str
    """What to do where there is no connection: the end of a sentence after `To go without: `."""
    size: int | None = None
    """About how many bytes it has."""


@contextmanager
def hub_errors(wanted: Wanted) -> Iterator[None]:
    """Turn what the body raises into FetchError, or UsageError for a malformed repository."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    repo = wanted.repo
    try:
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"hf:{repo} is gated: accept its licence at {wanted.page} and set "
            "HF_TOKEN to a token of that account"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(
            f"the hub has no {repo}, or it is private; check the name, or set HF_TOKEN"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"hf:{repo} is no repository of the hub: {_first_line(error)}") from error
    except errors.HfHubHTTPError as error:
        raise FetchError(f"the hub refused hf:{repo}: {_first_line(error)}") from error
    except _unreachable() as error:
        raise FetchError(_offline(wanted, error)) from error
    except OSError as error:
        raise disk_error(error, hub_cache(), wanted.size) from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _unreachable() -> tuple[type[Exception], ...]:
    """Return what is raised where there is no connection, or where offline mode forbids one."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    # httpx's in huggingface_hub 1, httpx2's in 2: reached by the one name that both have.
    http: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    return (http, ConnectionError, errors.LocalEntryNotFoundError)


def _offline(wanted: Wanted, error: Exception) -> str:
    return f"the hub cannot be reached ({_first_line(error)}). To go without: {wanted.instead}"
