# Everything here stays inside the checkout: .venv*, .cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/bytecode
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-all chaos devaria gen gen-check compat lock clean

help: ## say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 14

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "farhand needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: requirements/run.txt pyproject.toml $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.run
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

$(VENV)/.bench-all: requirements/bench-all.txt $(VENV)/.run
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench-all.txt
	@touch $@

.venv-gen/.done: requirements/gen.txt $(BIN)/uv
	$(BIN)/uv venv --quiet --python $(BIN)/python --clear .venv-gen
	$(BIN)/uv pip install --quiet --python .venv-gen/bin/python --require-hashes -r requirements/gen.txt
	@touch $@

.venv-compat/.done: requirements/compat.txt pyproject.toml $(BIN)/uv
	$(BIN)/uv venv --quiet --python $(BIN)/python --clear .venv-compat
	$(BIN)/uv pip install --quiet --python .venv-compat/bin/python --require-hashes -r requirements/compat.txt
	$(BIN)/uv pip install --quiet --python .venv-compat/bin/python --no-deps -e .
	@touch $@

.venv-devaria/.done: requirements/devaria.txt $(BIN)/uv
	$(BIN)/uv venv --quiet --python $(BIN)/python --clear .venv-devaria
	$(BIN)/uv pip install --quiet --python .venv-devaria/bin/python --require-hashes -r requirements/devaria.txt
	@touch $@

demo: $(VENV)/.run ## set everything up and show what farhand does
	$(BIN)/farhand demo

devaria: .venv-devaria/.done ## install the runners of others, which the tests let pull

test: $(VENV)/.dev devaria ## run all tests
	$(BIN)/coverage run --data-file=.cache/coverage --source=farhand.core,farhand.model -m pytest -q tests/core tests/model
	$(BIN)/coverage report --data-file=.cache/coverage --fail-under=100 --skip-covered --show-missing
	$(BIN)/python -m pytest -q -n 2 --ignore=tests/core --ignore=tests/model

check: $(VENV)/.dev gen-check compat ## lint, types, import contracts, generated code, oldest protobuf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench ## measure against others; ARGS="--quick" for a short run
	$(BIN)/python -m bench $(ARGS)

bench-all: $(VENV)/.bench-all ## the same, with Ray and the task queues on Redis and PostgreSQL too
	$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/.dev ## the reliability tests at full size, for hours; SHARE=0.01 for a hundredth, ARGS="-m R2" for one
	FARHAND_CHAOS=$(or $(SHARE),1) $(BIN)/python -m pytest -q -m chaos $(ARGS)

gen: .venv-gen/.done ## generate the wire code from proto/
	.venv-gen/bin/python scripts/gen.py

gen-check: .venv-gen/.done ## is the generated code current?
	.venv-gen/bin/python scripts/gen.py --check

compat: .venv-compat/.done ## does everything load and work with the oldest protobuf?
	.venv-compat/bin/python -m pytest -q tests/compat

lock: $(BIN)/uv ## pin the newest versions
	echo uv | $(COMPILE) - --python-version 3.11 -o requirements/uv.txt
	$(COMPILE) pyproject.toml --python-version 3.11 -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra dev -c requirements/run.txt --python-version 3.11 -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra bench -c requirements/run.txt --python-version 3.11 -o requirements/bench.txt
	$(COMPILE) pyproject.toml --extra bench-all -c requirements/run.txt --python-version 3.11 -o requirements/bench-all.txt
	echo 'grpcio-tools==1.73.1' | $(COMPILE) - --python-version 3.11 -o requirements/gen.txt
	printf 'protobuf==6.31.1\npytest\npytest-asyncio\npytest-timeout\n' | $(COMPILE) pyproject.toml - --python-version 3.11 -o requirements/compat.txt
	printf 'devaria==0.1.0\nrunpack==0.1.0\nh5py\n' | $(COMPILE) - --python-version 3.11 -o requirements/devaria.txt

clean: ## remove all that was made
	rm -rf .venv .venv-gen .venv-compat .venv-devaria .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
