# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

# The second part of the demo: a simulated large model's log, and what people say of the same messages.
JOB := --job 2 --labels examples/support/messages.csv --target intent --within 0.03 --test-share 0.4 --candidates linear,encoder \
	--volume 1M/month

.PHONY: demo test check clean

demo: $(VENV)/.installed
	@$(BIN)/pare find examples/support/task.yaml
	@$(BIN)/pare scan examples/support/logs.jsonl
	@$(BIN)/pare find examples/support/logs.jsonl $(JOB)

test: $(VENV)/.installed-dev
	@$(BIN)/python tests/run.py

check: $(VENV)/.installed-dev
	@$(BIN)/python tests/run.py --fast

clean:
	rm -rf $(VENV) runs

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

# torch comes first and pinned: a range would take the CUDA build, gigabytes larger.
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing pare into $(VENV) (about 2 minutes, 2 GB) ..."
	@$(BIN)/pip install -q --disable-pip-version-check "$(TORCH)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[build,logs]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the test tools ..."
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[build,gguf,onnx,logs,plan,remote]' -r tests/requirements.txt
	@touch $@
