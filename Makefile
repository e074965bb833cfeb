# Everything a reader or a contributor runs. `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
# Empty, it installs the newest of everything that pyproject.toml allows.
CONSTRAINTS ?= -c constraints.txt
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Two threads everywhere: sums of floats depend on how many threads share them.
export OMP_NUM_THREADS ?= 2
# Threads that wait without spinning: on a busy machine the difference is tenfold.
export OMP_WAIT_POLICY ?= PASSIVE
# The kernel named python3 is this environment's, whatever else is registered for the user.
export JUPYTER_PREFER_ENV_PATH := 1

.PHONY: help install book html lab test notebooks exercises links lint format bench constraints colab package clean
.DEFAULT_GOAL := help

help: ## this table
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# pip comes last: without it, the environment is what a failed attempt left, and is made again.
$(BIN)/pip:
	$(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e ".[book,test]"
	@touch $@

install: $(INSTALLED) ## create .venv and install the book and its tests there

book: $(INSTALLED) ## execute every chapter and build the pages; warnings are errors
	$(BIN)/python tools/build.py --execute

html: $(INSTALLED) ## build the pages from the outputs that the chapters carry
	$(BIN)/python tools/build.py

lab: $(INSTALLED) ## read and run the chapters in JupyterLab
	$(BIN)/jupyter lab book

test: $(INSTALLED) ## unit tests, then every chapter executed and compared with its outputs
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope tests
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope --nbval --nbval-current-env \
		--nbval-cell-timeout=300 book

notebooks: $(INSTALLED) ## execute chapters in place; one of them with CHAPTER=03
	$(BIN)/python tools/execute.py $(CHAPTER)

exercises: $(INSTALLED) ## chapters without their solutions, to work in, in exercises/
	$(BIN)/python tools/exercises.py $(CHAPTER)

links: $(INSTALLED) ## rewrite what is derived: badges, install cells, tables, appendices
	$(BIN)/python tools/pages.py

lint: $(INSTALLED) ## ruff, both its checks and its format, the directions of imports, the size of it all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/house.py

format: $(INSTALLED) ## let ruff format and repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## ratios of speed and memory, each measured within one run
	@for file in $$(grep -l __main__ benchmarks/*.py); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

constraints: $(INSTALLED) ## write constraints.txt from what is installed here
	$(BIN)/python tools/constraints.py

colab: $(INSTALLED) ## run chapters as Colab does, each in a fresh environment; CHAPTER=03 for one
	$(BIN)/python tools/colab.py $(CHAPTER)

package: | $(BIN)/pip ## the wheel and the source archive of labkit, in dist/
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build

clean: ## remove the built pages
	rm -rf _build
