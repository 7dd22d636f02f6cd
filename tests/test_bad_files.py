"""Bad model files, databases and outputs, tried: each gets one clear line; what is stored stays."""

import sqlite3
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
import pytest
from badhelp import every_score, model, prepared, questions
from clihelp import Cli, scores_of, unprivileged, write_questions

from llprobe.store import database


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return prepared(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def cli(shared: Cli, tmp_path: Path) -> Cli:
    """Give the shared command line; nothing that a test does may change what is stored."""
    return Cli(shared.folder, TMP_TEST=str(tmp_path))


@pytest.fixture(autouse=True)
def _untouched(shared: Cli) -> Any:
    before = scores_of(shared.db)
    yield
    assert before.items() <= every_score(shared.db).items()


# --- model files --------------------------------------------------------------------------------


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def version_99(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", 99) + data[8:]


def many_tensors(data: bytes) -> bytes:
    return data[:8] + struct.pack("<Q", 1 << 60) + data[16:]


def many_metadata(data: bytes) -> bytes:
    return data[:16] + struct.pack("<Q", 1 << 40) + data[24:]


def long_string(data: bytes) -> bytes:
    """Let the first key claim to be 2^62 bytes long."""
    return data[:24] + struct.pack("<Q", 1 << 62) + data[32:]


def more_layers(data: bytes) -> bytes:
    """Let the number of blocks be 77 where there are 3."""
    key = b"llama.block_count"
    at = data.index(key) + len(key) + 4
    return data[:at] + struct.pack("<I", 77) + data[at + 4 :]


def wider(data: bytes) -> bytes:
    key = b"llama.embedding_length"
    at = data.index(key) + len(key) + 4
    return data[:at] + struct.pack("<I", 4096) + data[at + 4 :]


FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "other": (lambda _: b"PK\x03\x04" * 100, "is not GGUF"),
    "cut": (cut, "is cut short"),
    "nearly all of it": (lambda data: data[:-32], "is cut short"),
    "only the magic": (lambda data: data[:4], "is cut short"),
    "version": (version_99, "is GGUF version 99"),
    "tensors": (many_tensors, "1,152,921,504,606,846,976 tensors do not fit"),
    "metadata": (many_metadata, "metadata do not fit"),
    "string": (long_string, "lies"),
    "layers": (more_layers, "lies: its metadata have 77 blocks, its tensors 3"),
    "width": (wider, "lies: width and tokens are (4096, 384) by its metadata"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_model_file_that_is_none(cli: Cli, tmp_path: Path, what: str) -> None:
    spoil, said = FILES[what]
    path = tmp_path / "bad.gguf"
    path.write_bytes(spoil(model(cli).read_bytes()))
    done = cli.run(path, questions(cli))
    assert (done.code, done.out) == (2, "")
    assert done.line == done.err.strip()
    assert "bad.gguf" in done.line
    assert said in done.line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.gguf", "missing.gguf does not exist"),
        (".", "is a folder; name the .gguf file in it"),
        ("smollm2-135", "no model named 'smollm2-135'; did you mean smollm2-135m"),
        ("smollm2-135m:Q9", "smollm2-135m has no quant Q9; the catalog has Q4_1"),
        ("hf:", "hf:"),
        ("", "error: "),
    ],
)
def test_a_model_that_is_not_there(cli: Cli, name: str, said: str) -> None:
    done = cli.run(Path(name) if name == "." else name, questions(cli))  # type: ignore[arg-type]
    assert done.code == 2
    assert said in done.line


def test_a_model_that_is_no_decoder(cli: Cli, tmp_path: Path) -> None:
    data = model(cli).read_bytes()
    path = tmp_path / "bert.gguf"
    path.write_bytes(data.replace(b"llama", b"mamba"))
    done = cli.run(path, questions(cli))
    assert done.code == 2
    assert "cannot be probed: it is recurrent" in done.line


def test_a_model_that_does_not_fit_memory(cli: Cli, tmp_path: Path) -> None:
    """The file is as large as it claims; it is sparse, so that it takes no room on the disk."""
    path = tmp_path / "huge.gguf"
    memory = psutil.virtual_memory().total + psutil.swap_memory().total
    rows = -(-2 * memory // (4 * 64))
    reader = gguf.GGUFReader(model(cli))
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)
    for tensor in reader.tensors:
        shape = tuple(int(n) for n in reversed(tensor.shape))
        if tensor.name == "blk.0.ffn_up.weight":
            shape = (rows, 64)
        nbytes = 4 * int(np.prod(shape, dtype=np.int64))
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    end = path.stat().st_size + 4 * 64 * rows + (4 << 20)
    writer.close()
    with path.open("rb+") as file:
        file.truncate(end)
    done = cli.run(path, questions(cli))
    assert done.code == 1
    assert "huge needs " in done.line
    assert "choose a smaller quant, -b or --ctx, or --force to try" in done.line


# --- the database and the output -----------------------------------------------------------------


def fresh_run(cli: Cli, db: Path | None = None, *words: object) -> Any:
    """Run something that is not stored yet."""
    return cli.run(model(cli), questions(cli), "--layers", "1-2", *words, "--db", db or cli.db)


def test_a_database_that_is_none(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 200)
    for done in (fresh_run(cli, path), cli("show", "--db", path), cli("ls", "--db", path)):
        assert done.code == 1
        assert "notes.txt is not an llprobe database" in done.line
    assert path.read_text() == "my notes\n" * 200


def test_a_database_of_another_program_or_a_newer_llprobe(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    assert "is another program's database" in fresh_run(cli, path).line
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    done = fresh_run(cli, path)
    assert (done.code, "has schema 99" in done.line) == (1, True)


def test_a_database_that_is_a_folder(cli: Cli, tmp_path: Path) -> None:
    done = cli.run(model(cli), questions(cli), LLPROBE_DB=str(tmp_path))
    assert (done.code, done.line) == (
        1,
        f"error: {tmp_path} is a folder: name the database file in it",
    )


def test_a_database_that_is_not_there_yet(cli: Cli, tmp_path: Path) -> None:
    done = cli("show", "--db", tmp_path / "none.db")
    assert done.code == 1
    assert "`llprobe run` makes one" in done.line
    assert not (tmp_path / "none.db").exists()


def test_a_locked_database(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    other = sqlite3.connect(cli.db, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    done = fresh_run(cli)
    assert (done.code, done.out) == (1, "")
    assert "is locked by another process: wait for it to end, then try again" in done.line
    assert cli("show").code == 0
    other.execute("ROLLBACK")
    other.close()
    assert fresh_run(cli).code == 0


def test_a_read_only_database(cli: Cli, tmp_path: Path) -> None:
    own = Cli(tmp_path)
    path = model(cli)
    assert own.run(path, questions(cli)).code == 0
    before = every_score(own.db)
    for folder in (tmp_path, *tmp_path.parents[:3], cli.folder):
        if folder != Path("/tmp"):  # noqa: S108 - its permissions are the system's
            folder.chmod(folder.stat().st_mode | 0o055)
    own.db.chmod(0o444)
    with unprivileged():
        done = own.run(path, questions(cli), "--layers", "1-2")
    assert (done.code, done.out) == (1, "")
    assert str(own.db) in done.line
    own.db.chmod(0o644)
    assert every_score(own.db) == before
    assert own.run(path, questions(cli), "--layers", "1-2").code == 0


def test_a_disk_that_is_full(tmp_path: Path, cli: Cli) -> None:
    """A limit on the size of files stands for the full disk; then there is room again."""
    own = Cli(tmp_path)
    many = write_questions(tmp_path / "many.jsonl", 60)
    words = ("run", "-m", model(cli), "-t", "prompts", "--data", many, "-b", 16)
    script = 'ulimit -f 600; exec "$@"'  # of 512 bytes each
    command = ["sh", "-c", script, "sh", *own.command(*words)]
    done = subprocess.run(command, env=own.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: the disk that holds ")
    assert "what is stored is intact" in last
    kept = every_score(own.db)
    assert 0 < len(kept) < 60
    again = own(*words)
    assert again.code == 0, again.err
    assert kept.items() <= every_score(own.db).items()
    whole = Cli(tmp_path / "whole")
    whole.folder.mkdir()
    assert whole(*words).code == 0
    assert every_score(own.db) == every_score(whole.db)


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    cli: Cli, tmp_path: Path
) -> None:
    done = fresh_run(cli, tmp_path / "a.db", "-o", tmp_path / "none" / "out.json")
    assert done.code == 2
    none = tmp_path / "none"
    assert done.line == f"error: cannot write {none}/out.json: there is no folder {none}"
    assert not (tmp_path / "a.db").exists()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with unprivileged():
        done = cli("show", "-o", closed / "out.json")
    assert done.code == 2
    assert done.line == f"error: cannot write {closed}/out.json: Permission denied"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_an_output_on_a_full_disk_is_told(cli: Cli) -> None:
    for words in (("show",), ("export", "last", "--items")):
        done = cli(*words, "-o", "/dev/full")
        assert done.code == 2
        assert done.line == "error: cannot write /dev/full: No space left on device"
