# Every target first makes or updates .venv, if requirements.lock or setup.py
# is newer. `make demo EXTRA=tpu` adds an extra of setup.py.

EXTRA ?=
TESTS ?=
BIN := .venv/bin
READY := .venv/.ready$(addprefix -,$(EXTRA))
UV = $$(command -v uv || echo build/uv/bin/uv)

.PHONY: help demo demo-gemma .gemma test lint format types docs parity plans \
  .plans lock clean

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

demo: $(READY)  ## WC against SE on two CPU cores: runs/wc_distill-nano/report
	@$(BIN)/python launch/main.py --config=configs/wc_distill.py \
	  --replicas=auto --workdir=runs/wc_distill-nano

demo-gemma:  ## Gemma 3 270M on word problems: runs/gemma3_270m/report
	@$(MAKE) --no-print-directory EXTRA=gemma-270m .gemma

.gemma: $(READY)
	@$(BIN)/python launch/main.py --config=configs/gemma3_270m.py \
	  --replicas=auto --workdir=runs/gemma3_270m

test: lint types  ## all checks
	@echo 'tests'
	@$(BIN)/python -m pytest -n 2 -q $(TESTS)

lint: $(READY)
	@echo 'lint, format'
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check

types: $(READY)
	@echo 'types'
	@$(BIN)/pyright

format: $(READY)
	@$(BIN)/ruff check -q --fix-only
	@$(BIN)/ruff format

docs: $(READY)  ## the site: build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q --strict

parity: $(READY)  ## ours against transformers: docs/PARITY.md; 6 GB more
	@$(BIN)/python benchmarks/parity.py $(PARITY)

plans:  ## docs/PLANS.md, on Linux x86-64: compiles what is not known
	@$(MAKE) --no-print-directory EXTRA=tpu .plans

.plans: $(READY)
	@$(BIN)/python launch/plans.py

lock: $(READY)  ## resolves setup.py anew into requirements.lock
	@$(UV) pip compile -q --upgrade setup.py --universal \
	  --python-version 3.12 --extra test --extra dev --extra docs \
	  --override requirements.override --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' -o requirements.lock

clean:
	@rm -rf .venv build ./*.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock setup.py launch/setup.sh
	@launch/setup.sh $(EXTRA)
	@touch $@
