# Every target is a command of run.py, which says what it does (`make help`) and serves systems without make, too.
# Variables go through as they are: make claims CHAPTER=4. PYTHON names another Python than python3.

PYTHON ?= python3
TARGETS := help book pdf test execute class mark nbgrader slides offline memory explorables kernels portable \
	benchmark claims colab quantus conformance newest mutants browser serve lab repository release clean

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)
.NOTPARALLEL:

$(TARGETS):
	@$(PYTHON) run.py $@ $(MAKEOVERRIDES)
