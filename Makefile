# `make help` lists the targets. All work happens in .venv; nothing outside of this folder is changed.

PYTHON ?= python3
RUN := .venv/bin/python -m
# One process for each core and one thread for each process: much faster than all cores for one chapter.
PYTEST := OMP_NUM_THREADS=1 $(RUN) pytest --numprocesses auto --dist loadfile
CHECK_CHAPTERS := $(RUN) pytest -q --numprocesses auto --dist loadfile chapters
READY := .venv/.ready
QUANTUS := .quantus/.ready

# An environment that sees the packages of .venv, and may add or renew some for itself.
define beside
	.venv/bin/python -m venv $(1)
	.venv/bin/python -c "import glob, site; open(glob.glob('$(1)/lib/python3*/site-packages')[0] + '/book.pth', 'w').write(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')"
endef

.DEFAULT_GOAL := help
.PHONY: help book pdf test execute explorables kernels portable benchmark claims colab conformance quantus mutants browser serve lab repository clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

book: $(READY) ## build the book from the stored outputs, warnings as errors
	.venv/bin/jupyter-book build . -W -n --keep-going
	@echo "The book is at $(CURDIR)/_build/html/index.html"

pdf: book ## print the whole book into one file beside its pages (needs chromium)
	$(RUN) tools.pdf

test: $(READY) ## verify everything: style, types, tests, every output of every chapter, the book
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(PYTEST)

execute: $(READY) ## run the chapters (CHAPTERS="chapters/08_grad_cam.ipynb" for one), store and normalise their outputs
	$(RUN) tools.execute $(CHAPTERS)

explorables: $(READY) ## compute the data and draw the static figures of the explorables
	$(RUN) tools.explorables

kernels: $(READY) ## compile the live lab's loops to WebAssembly (needs node and npm), to be committed
	$(RUN) tools.kernels

portable: $(READY) ## verify the chapters again as other processors would compute them: instruction sets and threads
	@echo "== AVX2 at the most, two threads"
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(CHECK_CHAPTERS)
	@echo "== SSE4.1 at the most, four threads"
	ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 OMP_NUM_THREADS=4 OMP_WAIT_POLICY=PASSIVE $(CHECK_CHAPTERS)

benchmark: $(READY) ## speed and memory against the libraries, then all networks, a folder of pictures (about half an hour)
	$(RUN) benchmarks.speed
	$(RUN) benchmarks.family
	$(RUN) benchmarks.gradients
	$(RUN) benchmarks.dataset
	$(RUN) benchmarks.settings
	$(RUN) benchmarks.families

claims: $(READY) ## measure how far the chapters' claims hold (CHAPTER=4 for one); an interrupted run goes on
	OMP_NUM_THREADS=1 $(RUN) claims $(CHAPTER)

colab: $(READY) ## every chapter as in Colab, alone in a fresh environment (make test takes a few by lot)
	COLAB=all OMP_NUM_THREADS=1 $(RUN) pytest --numprocesses auto tests/test_colab.py

quantus: $(QUANTUS) ## compare the measures with Quantus, which has an environment of its own on top of .venv
	OMP_NUM_THREADS=1 .quantus/bin/python -m benchmarks.quantus

conformance: $(READY) ## compare every method of the libraries with formulas, write data/conformance.json (LATEST=1: newest releases, say what differs)
ifdef LATEST
	rm -rf .latest
	$(call beside,.latest)
	.latest/bin/python -m pip install --quiet --upgrade grad-cam captum torchcam zennit
	OMP_NUM_THREADS=1 .latest/bin/python -m conformance --check
else
	OMP_NUM_THREADS=1 $(RUN) conformance
endif

mutants: $(READY) ## show which small changes of helpers no test notices (ALL=1 MODULES="cam hooks" SAMPLE=50; else on lines that differ from BASE=HEAD~)
	OMP_NUM_THREADS=1 $(RUN) tools.mutants --base $(or $(BASE),HEAD~) $(if $(ALL),--all) $(if $(SAMPLE),--sample $(SAMPLE)) $(MODULES)

browser: $(READY) ## read every page in a headless Chromium, narrow and wide, light and dark, and print the book
	$(RUN) pytest -m browser tests

serve: book ## show the book at http://localhost:8000
	$(RUN) http.server 8000 --bind 127.0.0.1 --directory _build/html

lab: $(READY) ## open the chapters in JupyterLab
	.venv/bin/jupyter lab chapters

repository: $(READY) ## change the repository's address everywhere: make repository URL=https://github.com/you/book
	$(RUN) tools.repository "$(URL)"

clean: ## remove the built book
	rm -rf _build

# Made anew when the set of packages or the package itself changes.
$(READY): requirements.txt pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt
	.venv/bin/python -m pip install --quiet --no-deps --editable .
	.venv/bin/python -c "import matplotlib.font_manager"  # builds its font cache, once, with a remark on stderr
	touch $@

# It adds a second OpenCV, among others, which .venv must not have.
$(QUANTUS): $(READY) benchmarks/quantus_requirements.txt
	$(call beside,.quantus)
	.quantus/bin/python -m pip install --quiet --requirement benchmarks/quantus_requirements.txt
	touch $@
