PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
SEEDS ?= 1000

.PHONY: build run test kafka bench bench-quick bench-peers simulate simulate-mutants sanitize lint clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip "setuptools>=77" wheel "cython>=3.1,<4" "numpy>=2"
	$(VENV)/bin/pip install -q "confluent-kafka>=2.6" "msgspec>=0.19" "tqdm>=4.66" "pytest>=8" "pytest-benchmark>=5" \
		"hypothesis>=6.100" "numba>=0.64" "mypy>=1.13" "ruff>=0.8"
	touch $@

# The sources are compiled in place, so that .venv's python sees them from the checkout; `pip install .` makes a wheel of the same.
$(VENV)/.built: $(VENV)/.linked setup.py $(shell find ext processor -name '*.pyx' -o -name '*.pxd')
	$(PY) setup.py -q build_ext --inplace --parallel 4
	touch $@

# The checkout as an installed package, and the command `processor`: nothing is compiled for that.
$(VENV)/.linked: $(VENV)/.installed pyproject.toml
	PROCESSOR_BUILD=none $(VENV)/bin/pip install -q --no-build-isolation --no-deps -e .
	touch $@

build: $(VENV)/.built

# The service with the exchange, and a client that feeds it; make run ARGS="--for 10" stops by itself.
run: build
	@$(PY) -m processor demo exchange --end-with-parent $(ARGS)

test: build
	$(PY) -m pytest

# The control logic under seeded faults, without I/O; SEEDS=10000 takes a minute or two. A failure names the command that repeats it.
simulate: build
	@$(PY) -m tests.simulation --seeds $(SEEDS)

# The same with each rule taken out once: fails unless every one is missed within 1,000 seeds.
simulate-mutants: build
	@$(PY) -m tests.simulation --mutants

lint: build
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# Tests of the compiled core under ThreadSanitizer and AddressSanitizer, in trees of their own under build/sanitize, and a proof that
# both see what is broken on purpose; make sanitize ARGS="thread -- tests/test_ring.py" is a part of it.
sanitize: build
	$(PY) -m tests.sanitize $(ARGS)

kafka: build
	@$(PY) -m bench.broker

# The comparisons: ours and the limits, with figures kept in bench/results.json; small and quick; and with all peers.
# A broker log on a tmpfs shows what the code costs: make bench ARGS="--broker-log /dev/shm".
bench: build
	@$(PY) -m bench all --save bench/results.json $(ARGS)

bench-quick: build
	@$(PY) -m bench all --quick $(ARGS)

bench-peers: build
	@$(PY) -m bench all --peers --save bench/results.json $(ARGS)

# Everything that is made here, the state of `make run` and the broker's data included.
clean:
	rm -rf build state .kafka/data .peers $(VENV)/.built .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find ext processor tests bench examples -name '*.so' -exec rm -f {} +
	find ext processor tests bench examples -name '__pycache__' -type d -prune -exec rm -rf {} +
