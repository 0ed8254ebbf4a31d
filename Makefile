# POSIX sh, Python >= 3.11 and nothing else: no uv, Node, service or root.
# PYTHON=... chooses the interpreter, ARGS=... goes to pytest, PORT=... to the demo.
.POSIX:
.SUFFIXES:
.PHONY: help demo smoke test proof check docs bench lock

PORT = 8000
ARGS =
UV = uv
BIN = .venv/bin
# Tests start hundreds of processes, and each would compile all modules anew where Python may not keep them.
TESTS = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Of each stage of a request its values, one whole request after the other on SQLite, accounts, the command, a client
# beside a real server, a page in HTML, and what the first pages of the documentation promise.
SMOKE = tests/request/test_filters.py tests/request/test_select.py tests/plan/test_read.py tests/policy/test_decide.py \
	tests/policy/test_compiled.py tests/sql/test_select.py tests/http/test_policy_rows.py tests/http/test_parity.py \
	tests/accounts/test_sessions.py tests/cli/test_main.py tests/clients/test_clients.py tests/http/test_mail.py \
	README.md docs/tutorial
INSTALL = @PYTHON='$(PYTHON)' sh tools/install.sh

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: ## serve the example app chirp on embedded SQLite (PORT=8000)
	$(INSTALL) run
	@$(BIN)/python -m examples.chirp --port $(PORT)

test: ## run every test, the code blocks of the documentation included (ARGS="-k name")
	$(INSTALL) run test
	@$(TESTS) -n 2 --dist worksteal $(ARGS)

smoke: ## a cut through everything in less than a minute, on SQLite: values, requests, accounts, a client, a page
	$(INSTALL) run test
	@$(TESTS) -n 2 --dist loadfile -k "not postgresql and not javascript" $(SMOKE) $(ARGS)

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
