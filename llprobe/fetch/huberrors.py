"""What the hub's client and its HTTP client raise, as one line with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llprobe.catalog import CatalogFile
from llprobe.errors import FetchError, UsageError
from llprobe.fetch.hubcache import hub_cache
from llprobe.fetch.place import disk_error

__all__ = ["hub_errors"]


@contextmanager
def hub_errors(file: CatalogFile, repo: str) -> Iterator[None]:
    """Turn what the body raises into FetchError, or UsageError for a malformed repository."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    try:
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"hf:{repo} is gated: accept its licence at https://huggingface.co/{repo} and set "
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
        raise FetchError(_offline(file, repo, error)) from error
    except OSError as error:
        raise disk_error(error, hub_cache(), file.size_bytes or file.approx_bytes) from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _unreachable() -> tuple[type[Exception], ...]:
    """Return what is raised where there is no connection, or where offline mode forbids one."""
    from huggingface_hub import errors  # noqa: PLC0415  # slow to import

    # httpx's in huggingface_hub 1, httpx2's in 2: reached by the one name that both have.
    http: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    return (http, ConnectionError, errors.LocalEntryNotFoundError)


def _offline(file: CatalogFile, repo: str, error: Exception) -> str:
    what = ", ".join(file.files) or f"the {file.quant} .gguf file"
    return (
        f"the hub cannot be reached ({_first_line(error)}). To go without: download {what} from "
        f"https://huggingface.co/{repo}/tree/main elsewhere, and name its path as the model; or "
        f"copy that machine's hub cache to {hub_cache()}"
    )
