# make demo   sets everything up and runs the main job on local models, without a key
# make test   sets everything up and passes the tests
# make test-latest   passes them with the newest versions that pyproject.toml admits
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
MODELS := smollm2-135m qwen2.5-coder-0.5b qwen2.5-coder-1.5b
PROMPT := Simmer the lentils with garlic, then fold in the spinach and a spoon of yoghurt.

.DEFAULT_GOAL := help
.PHONY: help demo test test-latest test-slow check format house bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say make PYTHON=/path/to/it"; exit 2; }
ifdef UV
	@uv venv --quiet --seed --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -m venv $(VENV)
endif

VERSIONS := -c constraints.txt
ifdef UV
INSTALL = VIRTUAL_ENV=$(abspath $(VENV)) uv pip install --quiet $(VERSIONS)
NEWEST := --upgrade
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(VERSIONS)
NEWEST := --upgrade --upgrade-strategy eager
endif

$(VENV)/.local: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing routerctl and llama.cpp"
	@$(INSTALL) -e '.[local]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing routerctl, llama.cpp, readers of other formats and the test tools"
	@$(INSTALL) -e '.[local,import,language,log,otel,redis,serve,train,dev]'
	@touch $@ $(VENV)/.local

$(VENV)/.slow: $(VENV)/.dev
	@if command -v java >/dev/null; then $(INSTALL) 'pyspark>=4.0.5,<4.1'; else echo "no Java here: the test of Spark is skipped"; fi
	@touch $@

demo: $(VENV)/.local
	$(BIN)/routerctl models pull $(MODELS)
	$(BIN)/routerctl eval --compare-today
	$(BIN)/routerctl build-table
	$(BIN)/routerctl check
	echo "$(PROMPT)" | $(BIN)/routerctl route

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile

test-latest:
	@rm -f .venv-latest/.dev
	@$(MAKE) --no-print-directory test VENV=.venv-latest VERSIONS='$(NEWEST)'

test-slow: $(VENV)/.slow
	$(BIN)/routerctl models pull $(MODELS)
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_floors.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

house: $(VENV)/.dev
	$(BIN)/python benchmarks/house.py

bench: $(VENV)/.dev
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script --quick || exit 1; done

clean:
	rm -rf $(VENV) .venv-latest .routerctl .pytest_cache .mypy_cache .ruff_cache .hypothesis
