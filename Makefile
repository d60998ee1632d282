# `make` alone lists what there is. Every target sets up what it needs, once, in .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run video serve zoo basicsr test check lint synth deploy images cloud-demo chaos kernels browser fuzz conformance bench constraints clean evaluate

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
UV_VERSION := 0.13.9
CDK    := PATH=$(CURDIR)/$(BIN):$$PATH npx --yes aws-cdk@2.1148.1
CONFIG ?= config/trial.yaml
# One more than there are cores, since tests wait now and then, but not many more than a core each has memory for.
TEST_PROCESSES = $$($(BIN)/python -c 'import os; print(min(os.cpu_count() + 1, 4))')
ARGS   ?=
# Names of files go by the environment, as they are: make's own words end at spaces, and its values at dollar signs.
override VIDEO := $(value VIDEO)
override OUT   := $(value OUT)
export VIDEO OUT
FILES  := "$$VIDEO" $${OUT:+-o "$$OUT"}
CHROMIUM := "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"
LOCAL_ASSEMBLY := cdk.out/localcloud/manifest.json

# Wheels that pip is told to find locally are found by uv, too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
INSTALL = $(UV) pip install --quiet --python $(BIN)/python -c constraints.txt --build-constraints constraints.txt
# torch for the GPU that is here or, without one, the much smaller CPU build; where only the default registry is within
# reach, its default build.
BACKEND := $(if $(UV_FIND_LINKS),,--torch-backend=auto)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo "Python and the packages live in $(VENV); remove it to start afresh."

run: video $(VENV)/.run ## upscale a video: make run VIDEO=in.mp4 [OUT=out.mp4] [ARGS="--crf 20 …"]
	@$(BIN)/sr run $(FILES) $(ARGS)

video: # said before anything is installed for it
	@case "$$VIDEO" in \
	  '') echo 'say which video: make $(MAKECMDGOALS) VIDEO=in.mp4 [OUT=out.mp4]'; exit 64;; \
	  *://*) ;; \
	  *) test -e "$$VIDEO" || { printf '%s does not exist; check VIDEO\n' "$$VIDEO"; exit 64; };; \
	esac >&2

serve: $(VENV)/.run ## upscale stills over HTTP on this machine: make serve [ARGS="--port 8080 …"] (docs/realtime.md)
	@$(INSTALL) -e '.[inference,serve]'
	@$(BIN)/sr serve $(ARGS)

zoo: $(VENV)/.run ## install what reads published checkpoints of other architectures (--model PATH)
	@$(INSTALL) -e '.[inference,zoo]'

basicsr: $(VENV)/.run ## install what reads BasicSR's option files (--model basicsr:OPTIONS.yml), up to Python 3.12
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
	  { echo 'BasicSR needs Python 3.12 or older: rm -r $(VENV); make basicsr PYTHON=python3.12' >&2; exit 69; }
	@$(INSTALL) -e '.[inference,zoo,basicsr]'

# What the tests' many processes import is compiled once, whatever the environment says: it takes an eighth of their time.
test: $(VENV)/.dev ## run all tests (about four minutes on two cores; PYTEST="-k name" narrows)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadscope $(PYTEST)

lint: $(VENV)/.dev ## formatting, style, types, who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what a pull request must pass: the linters, then the tests

synth: $(VENV)/.dev ## write the CloudFormation templates of every config to cdk.out (needs Node, no AWS account)
	@for config in config/*.yaml; do \
	  echo "$$config"; \
	  $(CDK) synth --quiet -c config=$$config --output cdk.out/$$(basename $$config .yaml) || exit 1; \
	done

deploy: $(VENV)/.dev ## deploy to the AWS account at hand: make deploy [CONFIG=config/trial.yaml] (docs/deploy.md)
	$(CDK) deploy --all -c config=$(CONFIG)

images: ## build the container images and run a stage in them, without Docker (needs root, buildah, debootstrap)
	containers/build-unprivileged.sh

cloud-demo: video $(VENV)/.dev $(LOCAL_ASSEMBLY) ## the deployed pipeline on this machine: make cloud-demo VIDEO=in.mp4 [OUT=…] [ARGS="--fault …"]
	@$(BIN)/python -m localcloud $(FILES) --assembly $(dir $(LOCAL_ASSEMBLY)) $(ARGS)

$(LOCAL_ASSEMBLY): app.py cdk.json config/trial.yaml $(wildcard stacks/*.py stacks/constructs/*.py) | $(VENV)/.dev
	@echo "synthesizing the stacks" >&2
	@rm -rf $(dir $@)
	@$(BIN)/python -m localcloud.assembly $(dir $@)

chaos: $(VENV)/.dev ## the long tests: killed at random moments; a hundred schedules of faults in the deployed pipeline
	SR_CHAOS=1 $(BIN)/python -m pytest tests/pipeline/test_kill.py tests/localcloud/test_schedules.py $(PYTEST)

kernels: $(VENV)/.dev ## what the kernels for GPUs are compiled to, interpreted without one (installs NVRTC, 90 MB)
	@$(INSTALL) nvidia-cuda-nvrtc
	$(BIN)/python -m pytest tests/inference/test_compiled_kernels.py tests/inference/test_fused_planes.py tests/inference/test_nvrtc.py $(PYTEST)

browser: $(VENV)/.dev ## the page of `sr compare` in a real browser (installs Playwright, 45 MB, and Chromium, 70 MB; needs Node)
	@$(INSTALL) -e '.[browser]'
	@npm install --silent --no-save --prefix build/browser @sparticuz/chromium@147.0.0
	SR_CHROMIUM=$$(cd build/browser && node --input-type=module -e $(CHROMIUM)) \
	  $(BIN)/python -m pytest tests/compare/test_browser.py $(PYTEST)

fuzz: $(VENV)/.dev ## five hundred spoilt files: each ends in a result, or in one line about it
	$(BIN)/python -m tests.hostile.fuzz $(ARGS)

conformance: $(VENV)/.dev ## hold results against sources, trait by trait, and write docs/conformance.md
	$(BIN)/python -m tests.conformance

bench: $(VENV)/.dev ## measure what bench/README.md claims, on this machine
	$(BIN)/python -m bench.speed
	$(BIN)/python -m bench.overlap
	$(BIN)/python -m bench.reuse
	$(BIN)/python -m bench.cold_start
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.fidelity

evaluate: $(VENV)/.dev ## measure the networks on stills and compressed clips (half an hour; SR_REFERENCE_MEDIA)
	$(BIN)/python -m training.compare --output build/evaluation

constraints: $(VENV)/.dev ## pin every dependency anew, at its newest version
	env -u UV_FIND_LINKS $(UV) pip compile pyproject.toml --upgrade --universal --python-version 3.11 --quiet \
	  --extra inference --extra serve --extra infra --extra dev --extra browser --no-annotate --no-header --no-emit-index-url -o constraints.txt

clean: ## remove what the targets made, but for .venv
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache cdk.out

# Where Debian's python3-venv is missing, a Python without pip is left behind: then the environment is made once more.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …' >&2; exit 69; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	  { echo 'no environment could be made in $(VENV); on Debian and Ubuntu: apt install python3-venv' >&2; exit 69; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.run: pyproject.toml setup.py $(wildcard sr_core/inference/kernels/*.c) constraints.txt | $(UV)
	@echo "setting up $(VENV) (torch is most of it)" >&2
	@$(INSTALL) $(BACKEND) -e '.[inference]' 2>$(VENV)/install.log || $(INSTALL) -e '.[inference]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(INSTALL) -e '.[inference,serve,infra,dev]'
	@touch $@
