"""Downloads from a hub: a made-up one through the real client."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubserver import COMMIT, Client, Hub, Repo
from smallgguf import write_gguf

BIG = bytes(range(251)) * 20_000
FETCH = "out['paths'] = fetch({!r}, note)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the hub's cache, which all clients share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub({}) as hub:
        yield hub


@pytest.fixture(scope="module")
def client(home: Path, hub: Hub) -> Iterator[Client]:
    with Client(home, hub.url) as client:
        yield client


@pytest.fixture(scope="module")
def offline(home: Path) -> Iterator[Client]:
    """A client that is forbidden to connect."""
    with Client(home, "http://127.0.0.1:9", HF_HUB_OFFLINE="1") as client:
        yield client


@pytest.fixture(scope="module")
def lost(home: Path) -> Iterator[Client]:
    """A client that reaches nobody."""
    with Client(home, "http://127.0.0.1:9") as client:
        yield client


@pytest.fixture
def repo(tmp_path: Path, hub: Hub) -> str:
    """A repository of the test's own."""
    tiny = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    parts = {f"Q6_K/m-Q6_K-0000{i}-of-00002.gguf": BIG[i:] for i in (1, 2)}
    files = {"README.md": b"# m", "m-Q8_0.gguf": tiny, "m-Q4_K_M.gguf": BIG, **parts}
    name = f"o/r{len(hub.repos)}"
    hub.repos[name] = Repo(files)
    return name


def cached(home: Path, repo: str) -> Path:
    return home / "hf" / "hub" / f"models--{repo.replace('/', '--')}"


def test_a_quant_is_fetched_from_a_hub_and_found_offline_after(
    home: Path, hub: Hub, repo: str, client: Client, offline: Client
) -> None:
    first = client.run(FETCH.format(f"hf:{repo}:q4_k_m"))
    (path,) = map(Path, first["paths"])
    assert path.read_bytes() == BIG
    assert path.is_relative_to(cached(home, repo))
    assert path.parent.name == COMMIT
    assert first["seen"][-1] == [len(BIG), len(BIG)]
    assert first["stderr"] == ""
    calls = len(hub.log)
    for again in (client, offline):
        assert again.run(FETCH.format(f"hf:{repo}:Q4_K_M"))["paths"] == first["paths"]
    assert len(hub.log) == calls


def test_all_parts_of_a_split_model_come(repo: str, client: Client) -> None:
    result = client.run(FETCH.format(f"hf:{repo}:Q6_K"))
    assert [Path(p).read_bytes() for p in result["paths"]] == [BIG[1:], BIG[2:]]
    assert result["seen"][-1] == [2 * len(BIG) - 3] * 2


def test_resolve_fetches_reads_and_remove_deletes(
    home: Path, hub: Hub, repo: str, client: Client
) -> None:
    code = f"""
    info = resolve("hf:{repo}:Q8_0", fetch=True, progress=note)
    fetch("hf:{repo}:Q4_K_M")
    gone = remove("hf:{repo}:Q8_0")
    out = {{"name": info.name, "layers": info.n_layers, "gone": gone.paths, "n": gone.freed_bytes}}
    out["other"] = fetch("hf:{repo}:Q4_K_M")
    """
    result = client.run(textwrap.dedent(code))
    assert (result["name"], result["layers"]) == (f"hf:{repo}:Q8_0", 2)
    assert result["n"] == len(hub.repos[repo].files["m-Q8_0.gguf"])
    assert not Path(result["gone"][0]).exists()
    assert Path(result["other"][0]).read_bytes() == BIG
    blobs = cached(home, repo) / "blobs"
    assert [path.stat().st_size for path in blobs.iterdir()] == [len(BIG)]


def test_a_connection_that_breaks_is_taken_up_again(hub: Hub, repo: str, client: Client) -> None:
    large = BIG * 5  # the client takes files in pieces of 10 MiB, and keeps whole pieces
    hub.repos[repo] = Repo({"m-Q8_0.gguf": large})
    hub.cut_after = 22_000_000
    calls = len(hub.log)
    result = client.run(FETCH.format(f"hf:{repo}:Q8_0"))
    gets = [wanted for kind, path, wanted in hub.log[calls:] if kind == "GET" and "/cdn/" in path]
    assert Path(result["paths"][0]).read_bytes() == large
    assert gets == [None, "bytes=20971520-"]
    assert result["seen"][-1] == [len(large), len(large)]
    assert all(done <= len(large) for done, _ in result["seen"])
    assert result["seen"] == sorted(result["seen"])
    assert any(0 < done < len(large) for done, _ in result["seen"])


def test_a_damaged_download_is_not_kept(home: Path, hub: Hub, repo: str, client: Client) -> None:
    hub.repos[repo].served["m-Q4_K_M.gguf"] = BIG[:-1] + b"?"
    result = client.run(FETCH.format(f"hf:{repo}:Q4_K_M"))
    assert "came damaged (its sha256 differs" in result["error"]
    assert cached(home, repo).is_dir()
    assert not [p for p in cached(home, repo).rglob("*") if p.is_file() and p.stat().st_size > 999]
    hub.repos[repo].served.clear()
    result = client.run(FETCH.format(f"hf:{repo}:Q4_K_M"))
    assert Path(result["paths"][0]).read_bytes() == BIG


def test_a_gated_repository(hub: Hub, repo: str, client: Client) -> None:
    hub.repos[repo].gated = True
    fetch_it = FETCH.format(f"hf:{repo}:Q4_K_M")
    for token in ({}, {"HF_TOKEN": "hf_wrong"}):
        refused = client.run(fetch_it, **token)
        assert refused["error"].startswith(f"FetchError: hf:{repo} is gated: accept its licence")
        assert "HF_TOKEN" in refused["error"]
    right = client.run(fetch_it, HF_TOKEN="hf_right")  # noqa: S106  # made up
    assert Path(right["paths"][0]).read_bytes() == BIG


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("hf:o/none:Q8_0", "FetchError: the hub has no o/none, or it is private"),
        ("hf:{}:Q4_K", "UsageError: hf:{} has no model in Q4_K; its models: Q6_K/m-Q6_K-00001"),
        ("hf:{}", "UsageError: hf:{} has several models, name a quant or a file of it: "),
        ("hf:{}/x.gguf", "FetchError: hf:{} has no x.gguf; its GGUF files: m-Q8_0.gguf, m-Q4_K"),
        ("hf:-o/r:Q8_0", "UsageError: hf:-o/r is no repository of the hub: "),
    ],
)
def test_what_a_hub_does_not_have(repo: str, client: Client, ref: str, message: str) -> None:
    result = client.run(FETCH.format(ref.format(repo)))
    assert result["error"].startswith(message.format(repo))


@pytest.mark.parametrize("kind", ["lost", "offline"])
def test_without_a_hub_the_way_round_it_is_named(request: pytest.FixtureRequest, kind: str) -> None:
    client: Client = request.getfixturevalue(kind)
    started = time.monotonic()
    result = client.run(FETCH.format("llama2-7b:Q8_0"))
    assert time.monotonic() - started < 30
    assert result["error"].startswith("FetchError: the hub cannot be reached (")
    for part in ("llama-2-7b.Q8_0.gguf", "huggingface.co/TheBloke/Llama-2-7B-GGUF", "hf/hub"):
        assert part in result["error"]


def test_a_hub_that_fails(
    hub: Hub, repo: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "fail_with", 500)
    result = client.run(FETCH.format(f"hf:{repo}:Q8_0"))
    assert result["error"].startswith(f"FetchError: the hub refused hf:{repo}: ")
    assert "500" in result["error"]


# --- hubs, mirrors and networks that mean no good -----------------------------------------------


@pytest.fixture
def victim(home: Path, repo: str) -> Path:
    """A file of the user's, where a blob that is named ../../../victim would lie."""
    (cached(home, repo) / "blobs").mkdir(parents=True)
    path = home / "hf" / "victim"
    path.write_bytes(b"of the user")
    return path


@pytest.mark.parametrize("name", ["ETag", "X-Linked-Etag", "X-Repo-Commit"])
@pytest.mark.parametrize("value", ["../../../victim", "/etc/passwd", "..", "a/b", "a\\b", "."])
def test_no_answer_leads_out_of_the_cache(
    name: str, value: str, victim: Path, hub: Hub, repo: str, client: Client
) -> None:
    hub.headers = {"X-Linked-Etag": "", "ETag": "abc"} | {name: f'"{value}"'}
    if not hub.headers["X-Linked-Etag"]:
        del hub.headers["X-Linked-Etag"]
    try:
        done = client.run(FETCH.format(f"hf:{repo}:Q8_0"))
    finally:
        hub.headers = {}
    assert "FetchError: 127.0.0.1 answers with" in done["error"]
    assert "nothing was written" in done["error"]
    assert done["stderr"] == ""
    assert victim.read_bytes() == b"of the user"
    assert {path.name for path in victim.parent.iterdir()} <= {"hub", "victim", "xet", "token"}


PAGES = {
    "html": b"<html><body>Sign in to this network</body></html>",
    "list": b"[1, 2]",
    "text": b'"sign in"',
    "number": b"7",
    "null": b"null",
    "nothing": b"",
    "deep": b"[" * 200_000,
    "other keys": b'{"siblings": [{"name": 3}]}',
    "other kinds": b'{"id": "a/b", "siblings": 3}',
}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_no_hub_is_said(page: str, hub: Hub, repo: str, client: Client) -> None:
    hub.page = PAGES[page]
    try:
        done = client.run(FETCH.format(f"hf:{repo}:Q8_0"))
    finally:
        hub.page = None
    error = done["error"]
    assert f"{hub.url} does not answer as the hub does" in error
    assert "perhaps this network wants you to sign in" in error
    assert "To go without: download the Q8_0 .gguf file from" in error
    assert len(error) < 500
    assert done["stderr"] == ""


@pytest.mark.parametrize(
    "proxy",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"ALL_PROXY": "nonsense://"},
        {"HTTP_PROXY": "http://127.0.0.1:none"},
    ],
)
def test_a_proxy_that_cannot_be_used_is_said(
    proxy: dict[str, str], hub: Hub, repo: str, home: Path
) -> None:
    with Client(home, hub.url, NO_PROXY="", no_proxy="", **proxy) as client:
        done = client.run(FETCH.format(f"hf:{repo}:Q8_0"))
    assert "FetchError: the proxy that the environment names cannot be used" in done["error"]
    assert "correct or unset" in done["error"]


def test_a_wrong_token_is_said(hub: Hub, client: Client) -> None:
    done = client.run(FETCH.format("hf:no/such:Q8_0"), HF_TOKEN="hf_wrong")  # noqa: S106 - made up
    assert "whether the token in HF_TOKEN" in done["error"]
    done = client.run(FETCH.format("hf:no/such:Q8_0"))
    assert "or set HF_TOKEN" in done["error"]
    hub.fail_with = 401
    try:
        done = client.run(FETCH.format("hf:no/such:Q8_0"), HF_TOKEN="hf_wrong")  # noqa: S106
    finally:
        hub.fail_with = None
    assert "whether the token in HF_TOKEN" in done["error"]
