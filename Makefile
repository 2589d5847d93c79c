# Everything starts from a bare clone: `make reproduce` and `make test` set up what they need.
#
#   make reproduce   environment, extension, then every table, figure and claim, embedded data
#   make test        environment, extension, then the test suite
#   make end-to-end  the real command: networks trained, everything run, killed, resumed (10 minutes)
#   make emulate     the CUDA kernels on the CPU: tests/ptx, which needs nvcc
#   make tensorflow  preprocessing and converted weights against TensorFlow, in .venv-tensorflow
#   make build       compile the extension in place; recompiles what changed
#   make lint        formatters, linters, type checker
#   make bench       the standard benchmark grid (half an hour); peers come from .[bench]
#   make benchmarks  write BENCHMARKS.md and its plots from the records under results/
#   make mutations   plant bugs one by one; each must make a test fail (hours)
#   make gpu         on a machine with a GPU: build, test and time the CUDA operators with $PYTHON,
#                    in GPU_BUDGET seconds; records go to GPU_OUT
#   make clean       remove what was built; .venv stays

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install
GPU_OUT ?= results/gpu
GPU_BUDGET ?= 480
WORKERS ?= 2

SOURCES := setup.py $(shell find csrc -type f)
CXX_FILES := $(filter %.cpp %.h %.cu %.cuh,$(SOURCES) $(shell find tests/ptx -type f))

# A module that was deleted by hand is built again.
$(if $(wildcard simclr_bench/_C*.so),,$(shell rm -f build/.done))

.PHONY: reproduce test end-to-end emulate tensorflow build lint format bench benchmarks mutations gpu clean

reproduce: build
	$(BIN)/simclr-bench reproduce --all

test: build
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --ignore tests/ptx --ignore tests/tensorflow --ignore tests/end_to_end

# The longest file is among the first, though it has not the most tests.
end-to-end: build
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder tests/end_to_end

emulate: build
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile tests/ptx

tensorflow: build .venv-tensorflow/.done
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile tests/tensorflow

build: build/.done

lint: $(VENV)/.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)
	$(BIN)/mypy

format: $(VENV)/.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)

benchmarks: $(VENV)/.done
	$(BIN)/python -m benchmarks.page

bench: build
	$(BIN)/python -m pytest --benchmark-only

mutations: build
	$(BIN)/python -m tests.mutations

gpu:
	@$(PYTHON) -m benchmarks.gpu --out $(GPU_OUT) --budget $(GPU_BUDGET)

clean:
	rm -rf build dist simclr_bench/_C*.so *.egg-info

# The environment: pinned packages, and this checkout as an editable package.
$(VENV)/.done: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "simclr-bench needs Python 3.11 or newer; name one with make PYTHON=..."; exit 3; }
	@echo "== environment: $(VENV), with pinned packages (torch is large: 5 GB, minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "no venv module: on Debian or Ubuntu, apt install python3-venv"; exit 3; }
	$(PIP) --quiet --requirement requirements.lock
	@touch $@

# TensorFlow wants other versions of what torch wants too: an environment of its own.
.venv-tensorflow/.done: tests/tensorflow/requirements.lock
	@echo "== environment: .venv-tensorflow, for tests only"
	@test -x .venv-tensorflow/bin/python || $(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

# The extension in place, then (once) the link to this checkout.
build/.done: $(VENV)/.done $(SOURCES)
	@mkdir -p build
	@echo "== extension: compiling what changed (a minute from scratch; build/log has the details)"
	@$(BIN)/python setup.py build_ext --inplace >build/log 2>&1 || { cat build/log; exit 1; }
	@grep '^simclr-bench: ' build/log || true
	@test -x $(BIN)/simclr-bench || $(PIP) --quiet --no-build-isolation --no-deps --editable .
	@touch $@
