# Two words for a fresh machine: `make up` and `make test`. The work is in `blumeops` and in pytest.
#
# Set-up writes to .venv/ and to one cache outside the checkout, and takes nothing without a checksum: uv by
# .ci/uv.txt, everything else by uv.lock.

PYTHON ?= python3
CACHE := $(or $(BLUMEOPS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/blumeops)

export UV_CACHE_DIR ?= $(CACHE)/uv
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV
# Empty means: do write bytecode, once, for what is imported. Compiling all of it here would take longer.
export PYTHONDONTWRITEBYTECODE :=

SYNC = .venv/bin/uv sync --quiet --frozen --inexact --all-extras

.PHONY: setup up test down docs

setup: .venv/.ready

up: setup
	@.venv/bin/blumeops up

test: setup .venv/.ready-to-test
	@.venv/bin/blumeops engines build
	@.venv/bin/python -m pytest $(ARGS)

down: setup
	@.venv/bin/blumeops down

docs: setup
	@.venv/bin/blumeops docs serve

# Debian's python3 comes without the module that puts pip into a new environment.
.venv/.ready: pyproject.toml uv.lock .ci/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory .venv-package
	@echo "setup: Python packages into .venv (once, and after a change of uv.lock)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
	  --require-hashes --only-binary :all: --requirement .ci/uv.txt
	@$(SYNC) --no-dev --group build --no-install-project
	@$(SYNC) --no-dev --group build --no-build-isolation
	@touch $@

.venv/.ready-to-test: .venv/.ready
	@echo "setup: what the tests need besides"
	@$(SYNC) --no-install-project
	@touch $@

.PHONY: .venv-package
.venv-package:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || \
	  { echo "Python's venv module is missing: run  apt-get install python3-venv  as root" >&2; exit 2; }
	@echo "setup: apt-get install python3-venv"
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
