# POSIX sh, Python >= 3.11 and nothing else: no uv, Node, service or root.
# PYTHON=... chooses the interpreter, ARGS=... goes to pytest, PORT=... to the demo.
.POSIX:
.SUFFIXES:
.PHONY: help demo test proof check docs bench lock

PORT = 8000
ARGS =
UV = uv
BIN = .venv/bin
# Tests start hundreds of processes, and each would compile all modules anew where Python may not keep them.
TESTS = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
INSTALL = @PYTHON='$(PYTHON)' sh tools/install.sh

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: ## serve the example app chirp on embedded SQLite (PORT=8000)
	$(INSTALL) run
	@$(BIN)/python -m examples.chirp --port $(PORT)

test: ## run every test, the code blocks of the documentation included (ARGS="-k name")
	$(INSTALL) run test
	@$(TESTS) -n 2 $(ARGS)

proof: ## what takes longer than make test: the search for requests that take the loop
	$(INSTALL) run test
	@BACKSTAY_PROOF=1 $(TESTS) tests/watchdog $(ARGS)

check: ## lint, format, types, import rules and changelog fragments
	$(INSTALL) run test lint
	@PATH="$$PWD/$(BIN):$$PATH" sh tools/check.sh

docs: ## build the documentation into docs/_build/html; a warning is an error
	$(INSTALL) run docs
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: ## measure chirp's timeline against its rivals on this machine
	$(INSTALL) run test bench
	@$(BIN)/python -m benchmarks

lock: ## compile requirements/*.txt anew (the one target that needs uv)
	@UV='$(UV)' sh tools/lock.sh
