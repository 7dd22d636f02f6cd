# Everything a person does here: make demo, make test. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DB     ?= $(VENV)/demo.db
# how many tests run at a time
TEST_PROCESSES ?= 2

# llama.cpp's build flags: remote devices on, the vision library off (4 minutes on 2 cores).
# Flags of your own are honoured: make demo CMAKE_ARGS="-DGGML_CUDA=ON -DGGML_RPC=ON"
# pip's wheel cache does not know flags, so a build with your own flags passes it by.
ifeq ($(origin CMAKE_ARGS),undefined)
  export CMAKE_ARGS := -DGGML_RPC=ON -DLLAVA_BUILD=OFF
  LLAMA_PIP := --prefer-binary
else
  export CMAKE_ARGS
  LLAMA_PIP := --no-cache-dir --force-reinstall --no-binary llama-cpp-python
endif
# A folder or index with prebuilt wheels instead: make demo LLAMA_WHEELS=URL
ifdef LLAMA_WHEELS
  LLAMA_PIP := --prefer-binary --only-binary llama-cpp-python --extra-index-url $(LLAMA_WHEELS)
endif

.PHONY: help demo test check format lint types imports parity bench bench-sweeps bench-analysis bench-tui bench-cluster statistics example torture night fuzz journey clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     install, fetch the default model, probe it on two tasks, print the tables"
	@echo "make test     install what the tests need and run them"
	@echo "make check    format, lint, types, import contracts, tests: what CI asks for"
	@echo "make parity   compare with an independent implementation's numbers (../shared/golden)"
	@echo "make bench    measure speed and memory, and append to docs/performance.md"
	@echo "make bench-sweeps  the store with 5 million scores, the parent with 100,000 items"
	@echo "make bench-analysis  statistics of 5 million scores"
	@echo "make bench-tui  how soon the interface is there, and how soon keys are answered under a sweep"
	@echo "make bench-cluster  two workers on this machine against one process, and the cost per cell"
	@echo "make statistics  simulate what docs/statistics.md promises (5 minutes)"
	@echo "make example  sweep the default model and two quants, write docs/example"
	@echo "make torture  kill, fill, lock and interrupt two sweeps 100 times; nothing may be lost"
	@echo "make night    a sweep of two models, four quants, all tasks; killed once, continued"
	@echo "make fuzz     give 5,000 damaged model files to llprobe"
	@echo "make journey  go through the interface in tmux and in Chromium, and write docs/tui.md"
	@echo "make clean    remove .venv and caches; stored runs and models stay"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "llprobe needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "no venv module: install it (Debian: apt install python3-venv)"; exit 1; }

# llama-cpp-python is compiled once; one that the venv has is kept.
$(VENV)/.llama: $(BIN)/python
	@$(BIN)/python -c 'import llama_cpp' 2>/dev/null || { \
	  echo "building llama-cpp-python ($(CMAKE_ARGS)): about 4 minutes on 2 cores, once"; \
	  $(BIN)/python -m pip install --quiet $(LLAMA_PIP) 'llama-cpp-python==0.3.36'; }
	@touch $@

$(VENV)/.core: $(VENV)/.llama pyproject.toml
	@echo "installing llprobe"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "installing what tests and checks need"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.core
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

demo: $(VENV)/.core
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/llprobe run -m smollm2-135m -t facts,calculation -L 36
	@echo
	@echo "what each layer would say next, after each token:"
	@$(BIN)/llprobe lens "The capital of France is" -m smollm2-135m --layers 18-30

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not alone"
	@$(BIN)/python -m pytest -m alone

check: $(VENV)/.dev format lint types imports test

format: $(VENV)/.dev
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	@$(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy llprobe tui

imports: $(VENV)/.dev
	@$(BIN)/lint-imports

parity: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/llprobe models quantize smollm2-135m --to F32
	@$(BIN)/python tests/parity.py

bench: $(VENV)/.bench
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/bench/main.py

bench-sweeps: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/bench/sweeps.py --append docs/performance.md

bench-analysis: $(VENV)/.dev
	@$(BIN)/python tests/bench/analysis.py --append docs/performance.md

bench-tui: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/bench/tui.py --append docs/performance.md

bench-cluster: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/bench/cluster.py --append docs/scaling.md

statistics: $(VENV)/.dev
	@OMP_NUM_THREADS=1 $(BIN)/python tests/simulate_statistics.py --write docs/statistics.md

example: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/example.py

torture: $(VENV)/.dev
	@$(BIN)/python tests/torture.py

night: $(VENV)/.dev
	@$(BIN)/llprobe models pull smollm2-135m
	@$(BIN)/python tests/night.py

fuzz: $(VENV)/.dev
	@$(BIN)/python tests/fuzz.py --count 5000 --seed 1

journey: $(VENV)/.dev
	@$(BIN)/python tests/journey.py --write docs/tui.md
	@$(BIN)/python tests/journey.py --web --pictures docs/images

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
