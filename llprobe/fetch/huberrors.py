"""What the hub's client and its HTTP client raise, as one line with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from llprobe.errors import FetchError, UsageError
from llprobe.fetch.hubborder import guard_session
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
    from huggingface_hub import constants, errors  # noqa: PLC0415  # slow to import

    repo = wanted.repo
    try:
        guard_session()
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"hf:{repo} is gated: accept its licence at {wanted.page} and set "
            "HF_TOKEN to a token of that account"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(f"the hub has no {repo}, or it is private; {_token_hint()}") from error
    except errors.HFValidationError as error:
        raise UsageError(f"hf:{repo} is no repository of the hub: {_first_line(error)}") from error
    except errors.HfHubHTTPError as error:
        hint = f"; {_token_hint()}" if error.response.status_code == HTTPStatus.UNAUTHORIZED else ""
        raise FetchError(f"the hub refused hf:{repo}: {_first_line(error)}{hint}") from error
    except _unreachable() as error:
        raise FetchError(_offline(wanted, error)) from error
    except OSError as error:
        raise disk_error(error, hub_cache(), wanted.size) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # the client takes the answer for what the hub's are
        raise FetchError(
            f"{constants.ENDPOINT} does not answer as the hub does ({_first_line(error)[:80]}): "
            "perhaps this network wants you to sign in, or HF_ENDPOINT names no hub. To go "
            f"without: {wanted.instead}"
        ) from error


def _token_hint() -> str:
    from huggingface_hub import get_token  # noqa: PLC0415  # slow to import

    if get_token():
        return "check the name, and whether the token in HF_TOKEN (or of `hf auth login`) is right"
    return "check the name, or set HF_TOKEN"


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
