"""The child process that loads a model: carries out one request and sends events up a pipe.

Run as ``python -m llprobe.worker FD`` by the runner, which keeps the other end of FD. Between two
groups of items it looks for a word to stop; when the parent is gone, it ends at once. Errors are
sent as events, so the parent never sees a traceback; a crash is seen by the parent as a closed
pipe.

This module knows requests and the engine. It does not know the store or who asked.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

# before numpy: a CUDA build may bring C++ symbols of its own, and crash where numpy's came first
import llama_cpp  # noqa: F401
import numpy as np

from llprobe.ablation import parse_ablation
from llprobe.analysis.similarity import cosine_to_last, cosine_to_next, gram
from llprobe.engine import native
from llprobe.engine.calibrate import calibrate
from llprobe.engine.check import examine
from llprobe.engine.grid import look
from llprobe.engine.packed import count_prompts, count_task, pack_prompts, pack_task
from llprobe.engine.probe import Probe
from llprobe.engine.quantize import quantize
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.states import read_states
from llprobe.engine.tokens import chat_around, tokenize_items, tokenize_prompts
from llprobe.engine.write import PromptTokens, Writer, prompt_tokens
from llprobe.errors import LlprobeError, RunError
from llprobe.events import (
    Calibrated,
    Checked,
    CheckRequest,
    Event,
    Failed,
    GroupScored,
    ItemAnswer,
    ItemResult,
    ItemTokens,
    JobCounted,
    JobDone,
    JobStarted,
    LensGrid,
    LensRequest,
    ModelLoaded,
    PlanRequest,
    Quantized,
    QuantizeRequest,
    QuantizeStep,
    Request,
    ScoreRequest,
    StatesBatch,
    StatesRequest,
    StatesStarted,
    Tokens,
    TokensRequest,
)
from llprobe.lastwords import pass_on, servers_of
from llprobe.lifeline import end_with_parent
from llprobe.machine import peak_memory
from llprobe.plan import Cell, Job
from llprobe.task import Questions, Skipped

__all__ = ["carry_out", "main"]


def carry_out(request: Request) -> Iterator[Event]:
    """Do what `request` says, yielding events as they come; raises LlprobeError."""
    match request:
        case ScoreRequest():
            yield from _score(request)
        case PlanRequest():
            yield from _count(request)
        case LensRequest():
            yield from _look(request)
        case QuantizeRequest():
            yield from _quantize(request)
        case CheckRequest():
            yield from _check(request)
        case TokensRequest():
            yield from _tokens(request)
        case StatesRequest():
            yield from _states(request)


def _count(request: PlanRequest) -> Iterator[Event]:
    started = time.perf_counter()
    settings = request.jobs[0].first.settings
    with Probe(request.model, settings) as probe:
        loaded = time.perf_counter() - started
        if request.calibrate:
            yield Calibrated(calibrate(probe, loaded))
        for job in request.jobs:
            yield _counted(probe, job)


def _counted(probe: Probe, job: Job) -> JobCounted:
    questions, cells = job.first.questions, tuple(cell.id for cell in job.cells)
    if questions.answer == "generate":
        prompts, skipped = _prompts(probe, questions)
        packed = pack_prompts(
            prompts.prompts,
            probe.settings,
            probe.max_rows,
            probe.model.n_ctx_train,
            questions.max_tokens,
        )
        counts = count_prompts(prompts.prompts, packed, questions.max_tokens)
        return JobCounted(cells, counts, len(packed.groups), packed.n_ctx, skipped)
    task = tokenize_items(probe, questions.preamble, questions.items, questions.turns)
    whole = pack_task(task, probe.settings, probe.max_rows)
    n_groups, counts = len(whole.packing.groups), count_task(task.items, whole.packing)
    return JobCounted(cells, counts, n_groups, whole.n_ctx, task.skipped)


def _prompts(probe: Probe, questions: Questions) -> tuple[PromptTokens, tuple[Skipped, ...]]:
    items = questions.items
    sequences = tokenize_prompts(probe, questions.preamble, items, questions.turns)
    ids, limit = [item.id for item in items], probe.context_limit
    return prompt_tokens(sequences, range(len(items)), ids, questions.max_tokens, limit)


def _look(request: LensRequest) -> Iterator[Event]:
    with Probe(request.model, request.settings) as probe:
        grid = look(probe, request.text, request.lens, request.layers, request.top_k, request.track)
        notes = (*probe.remarks, *grid.notes)
    yield LensGrid(grid.tokens, request.layers, grid.top, grid.entropy, grid.ranks, notes)


def _quantize(request: QuantizeRequest) -> Iterator[Event]:
    steps = quantize(request.model, request.quant, Path(request.path), request.n_threads)
    for done, total in steps:
        yield QuantizeStep(done, total)
    yield Quantized(request.path)


def _check(request: CheckRequest) -> Iterator[Event]:
    if request.model is None:
        yield Checked(native.build_info())
        return
    found = examine(request.model, request.settings)
    facts = native.build_info() | found.facts
    yield Checked(facts, found.layers, found.differences, found.agreement)


def _tokens(request: TokensRequest) -> Iterator[Event]:
    with Probe(request.model, request.settings) as probe:
        asked = request.questions
        task = tokenize_items(probe, asked.preamble, asked.items, asked.turns)
        text = probe.model.token_text
        items = tuple(
            ItemTokens(tuple(tuple((t, text(t)) for t in s) for s in item.sequences), item.start)
            for item in task.items
        )
        yield Tokens(items, task.skipped)


def _states(request: StatesRequest) -> Iterator[Event]:
    with Probe(request.model, request.settings) as probe:
        prompts, skipped = _prompts(probe, request.questions)
        tokens = dict(zip(prompts.indices, prompts.prompts, strict=True))
        fit = [(n, tuple(i for i in of if i in tokens)) for n, of in enumerate(request.batches)]
        kept = [(n, items) for n, items in fit if items]
        yield StatesStarted(sum(len(items) for _, items in kept), skipped)
        asked = [[tokens[i] for i in items] for _, items in kept]
        read = read_states(probe, asked, request.layers, mean=request.mean)
        for (n, items), states in zip(kept, read, strict=True):
            if not np.isfinite(states).all():
                raise RunError(f"{request.model.name}: states are not numbers: try another quant")
            next_, last = cosine_to_next(states), cosine_to_last(states)
            yield StatesBatch(n, items, gram(states), next_, last)


def _score(request: ScoreRequest) -> Iterator[Event]:
    started = time.perf_counter()
    settings = request.jobs[0].first.settings
    with Probe(request.model, settings) as probe:
        record = native.build_info() | {
            "threads": str(probe.model.n_threads),
            "self_check": f"{probe.check.difference:.3g}",
            "device": native.in_words(probe.split.places),
            "split": str(probe.split),
        }
        if settings.servers:
            record["rpc_servers"] = ", ".join(settings.servers)
        if probe.remarks:
            record["remarks"] = "\n".join(probe.remarks)
        yield ModelLoaded(record, time.perf_counter() - started)
        for job in request.jobs:
            writes = job.first.questions.answer == "generate"
            yield from (_write_job if writes else _score_job)(probe, job, request.done)


def _score_job(probe: Probe, job: Job, done: dict[str, frozenset[int]]) -> Iterator[Event]:
    questions, ids = job.first.questions, tuple(cell.id for cell in job.cells)
    started = time.perf_counter()
    task = tokenize_items(probe, questions.preamble, questions.items, questions.turns)
    chat = chat_around(probe, questions.turns)
    tokenized = time.perf_counter() - started
    ablation = parse_ablation(job.first.ablation).resolve(probe.model.n_layers)
    lenses = [cell.lens for cell in job.cells]
    with Scorer(probe, task, job.first.layers, lenses, ablation) as scorer:
        groups = scorer.packing.groups
        yield JobStarted(ids, len(task.items), len(groups), scorer.n_tokens, task.skipped, chat)
        finished = frozenset.intersection(*(done.get(id_, frozenset()) for id_ in ids))
        for index, scores in scorer.groups(finished):
            for cell in job.cells:
                if index not in done.get(cell.id, frozenset()):
                    yield _scored(scorer, questions, cell, index, scores)
        phases = {"tokenize": tokenized, "lenses": len(job.cells), **scorer.phases.as_dict()}
        yield JobDone(ids, phases | {"peak_memory": float(peak_memory())})


def _write_job(probe: Probe, job: Job, done: dict[str, frozenset[int]]) -> Iterator[Event]:
    questions, cell = job.first.questions, job.first.id
    started = time.perf_counter()
    prompts, skipped = _prompts(probe, questions)
    chat = chat_around(probe, questions.turns)
    tokenized = time.perf_counter() - started
    with Writer(probe, prompts, questions.stop, questions.max_tokens) as writer:
        n_items = len(prompts.prompts)
        yield JobStarted((cell,), n_items, len(writer.groups), writer.n_tokens, skipped, chat)
        for index, answers in writer.written(done.get(cell, frozenset())):
            written = tuple(
                ItemAnswer(a.index, a.n_tokens, a.text, a.finished) for a in answers if not a.fault
            )
            of, faults = [a.index for a in answers], [a.fault for a in answers]
            skipped = _skipped(questions, of, faults)
            yield GroupScored(cell, index, written, writer.phases.tokens, skipped)
        phases = {"tokenize": tokenized, **writer.phases.as_dict()}
        yield JobDone((cell,), phases | {"peak_memory": float(peak_memory())})


def _scored(
    scorer: Scorer, questions: Questions, cell: Cell, group: int, scores: Sequence[ItemScore]
) -> GroupScored:
    """Return a group's scores in a cell, without the items that have none."""
    faults = [scorer.fault(score, cell.lens) for score in scores]
    both = zip(scores, faults, strict=True)
    items = tuple(_result(score, cell.lens) for score, fault in both if not fault)
    skipped = _skipped(questions, [score.index for score in scores], faults)
    return GroupScored(cell.id, group, items, scorer.phases.tokens, skipped)


def _skipped(
    questions: Questions, indices: Sequence[int], faults: Sequence[str]
) -> tuple[Skipped, ...]:
    """Name the items that have a fault."""
    both = zip(indices, faults, strict=True)
    return tuple(Skipped(questions.items[index].id, fault) for index, fault in both if fault)


def _result(score: ItemScore, lens: str) -> ItemResult:
    return ItemResult(score.index, score.n_tokens, score.logprob[lens])


def _stop_asked(pipe: Connection) -> bool:
    """Whether the parent asked to stop, or is gone."""
    if not pipe.poll():
        return False
    with suppress(EOFError):
        pipe.recv()
    return True


def _failure(error: BaseException) -> Failed:
    log = tuple(native.log_lines())
    if isinstance(error, LlprobeError):
        return Failed(type(error).__name__, str(error), error.exit_code, log)
    if isinstance(error, MemoryError):
        return Failed("MemoryError", "out of memory: try a smaller -b or --buffer-mb", 1, log)
    return Failed(type(error).__name__, f"{type(error).__name__}: {error}", 1, log)


def main(fd: int) -> None:
    """Serve one request from the pipe `fd`."""
    with Connection(fd) as pipe:
        request: Request = pipe.recv()
        speaking = threading.Lock()

        def send(event: Event) -> None:
            with speaking:  # ggml's last words come from a thread of its own
                pipe.send(event)

        servers = servers_of(request)
        native.on_abort(lambda said: pass_on(said, servers, send))
        # the parent may be killed at any moment: then there is nobody left to tell
        with suppress(BrokenPipeError, ConnectionResetError):
            try:
                for event in carry_out(request):
                    send(event)
                    if _stop_asked(pipe):
                        return
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
                send(_failure(error))


if __name__ == "__main__":
    end_with_parent()
    main(int(sys.argv[1]))
