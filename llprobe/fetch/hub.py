"""A model's files from the Hugging Face hub, by `huggingface_hub`, into the hub's own cache.

This module does not know the cache's layout (`hubcache`), nor what the files hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llprobe.catalog import CatalogFile, pick_files
from llprobe.errors import FetchError
from llprobe.fetch.hubcache import hub_cache, local, repo_folder
from llprobe.fetch.huberrors import Wanted, hub_errors
from llprobe.fetch.place import check_room, sha256
from llprobe.fetch.progress import Progress, bytes_of, watch

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

__all__ = ["checked", "fetch"]


def fetch(file: CatalogFile, repo: str, report: Progress) -> tuple[Path, ...]:
    """Return the paths of the files of `file`, a model of `repo`, downloading what is not here.

    Raises UsageError where it names no one model, FetchError where the download failed.
    """
    here = local(file)
    if here:
        return here
    from huggingface_hub import HfApi  # noqa: PLC0415  # slow to import

    with hub_errors(_wanted(file, repo)):
        siblings = HfApi().model_info(repo, files_metadata=True).siblings or ()
        listed = {sibling.rfilename: sibling for sibling in siblings}
        names = file.files or pick_files(listed, file.quant, f"hf:{repo}")
        missing = [name for name in names if name not in listed]
        if missing:
            models = ", ".join(name for name in listed if name.endswith(".gguf")) or "none"
            raise FetchError(f"hf:{repo} has no {missing[0]}; its GGUF files: {models}")
        return _download([listed[name] for name in names], repo, report)


def _wanted(file: CatalogFile, repo: str) -> Wanted:
    page = f"https://huggingface.co/{repo}"
    what = ", ".join(file.files) or f"the {file.quant} .gguf file"
    instead = (
        f"download {what} from {page}/tree/main elsewhere, and name its path as the model; or "
        f"copy that machine's hub cache to {hub_cache()}"
    )
    return Wanted(repo, page, instead, file.size_bytes or file.approx_bytes)


def _download(files: list[RepoSibling], repo: str, report: Progress) -> tuple[Path, ...]:
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415  # slow to import

    disable_progress_bars()  # the caller shows progress, and knows where
    folder = repo_folder(repo)
    sizes, paths = [file.size or 0 for file in files], list[Path]()
    folder.mkdir(parents=True, exist_ok=True)
    check_room(folder, sum(sizes))

    def count() -> int:
        return sum(sizes[: len(paths)]) + bytes_of((folder / "blobs").glob("*.incomplete"))

    with watch(count, sum(sizes), report):
        paths.extend(_download_one(file, repo) for file in files)
    report(sum(sizes), sum(sizes))
    return tuple(paths)


def _download_one(file: RepoSibling, repo: str) -> Path:
    """Download one file and hold it against the checksum that the hub gives for it."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415  # slow to import

    return checked(Path(hf_hub_download(repo, file.rfilename)), file, repo)


def checked(path: Path, file: RepoSibling, repo: str) -> Path:
    """Return the path of a downloaded file; FetchError, and no file, where its sum is wrong."""
    if file.lfs is not None and sha256(path) != file.lfs.sha256:
        blob = path.resolve()
        if blob.is_relative_to(hub_cache().resolve()):
            blob.unlink()
        path.unlink(missing_ok=True)
        raise FetchError(
            f"{file.rfilename} of hf:{repo} came damaged (its sha256 differs from the hub's); "
            "nothing was kept, try again"
        )
    return path
