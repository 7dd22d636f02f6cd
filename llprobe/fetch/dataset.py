"""One file of a data set's repository on the Hugging Face hub, into the hub's own cache.

This module does not know what the file holds, nor which task wants it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from llprobe.errors import FetchError
from llprobe.fetch.hub import checked
from llprobe.fetch.hubcache import repo_folder
from llprobe.fetch.huberrors import Wanted, hub_errors
from llprobe.fetch.place import check_room
from llprobe.fetch.progress import Progress, bytes_of, watch

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

__all__ = ["fetch_dataset"]

_DATA: Final = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt")
_LISTED: Final = 8


def fetch_dataset(repo: str, file: str, revision: str, keep: str, report: Progress) -> Path:
    """Return the path of a repository's file, downloading it unless it is cached and unchanged.

    `keep` says where a file that was brought by other means is to be put, the end of a sentence.
    Raises UsageError for a malformed repository, FetchError where the download failed or there
    is no such file.
    """
    page = f"https://huggingface.co/datasets/{repo}"
    instead = f"download {page}/resolve/{revision.replace('/', '%2F')}/{file} elsewhere and {keep}"
    with hub_errors(Wanted(repo, page, instead)):
        return _download(_listed(repo, file, revision), repo, revision, report)


def _listed(repo: str, file: str, revision: str) -> RepoSibling:
    from huggingface_hub import HfApi  # noqa: PLC0415  # slow to import

    info = HfApi().dataset_info(repo, revision=revision, files_metadata=True)
    listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    if file not in listed:
        names = [name for name in listed if name.lower().endswith(_DATA)]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise FetchError(
            f"hf:{repo} has no {file} at {revision}; its data files: "
            f"{', '.join(names[:_LISTED]) or 'none'}{more}"
        )
    return listed[file]


def _download(file: RepoSibling, repo: str, revision: str, report: Progress) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415  # slow to import
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415  # slow to import

    disable_progress_bars()  # the caller shows progress, and knows where
    folder, size = repo_folder(repo, "datasets"), file.size or 0
    folder.mkdir(parents=True, exist_ok=True)
    check_room(folder, size)
    with watch(lambda: bytes_of((folder / "blobs").glob("*.incomplete")), size, report):
        got = hf_hub_download(repo, file.rfilename, repo_type="dataset", revision=revision)
    path = checked(Path(got), file, repo)
    report(size, size)
    return path
