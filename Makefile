# Each target makes its own .venv and installs what it needs. PYTHON chooses the interpreter.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
GPU_RUN := $(if $(VENV),$(RUN),$(PYTHON))
OUTPUT := output/demo

.PHONY: demo test test-slow test-gpu check bench site clean

# The main job, end to end: read with the shipped model, distil it further on new lines, strip the
# Student, export and verify it, FP16 too, and read again.
demo: $(VENV)/.installed-export
	$(RUN) -m runtime.infer images --labels images/labels.txt
	$(RUN) -m training.data.synthetic --output $(OUTPUT)/lines --force --count 3600 --val-fraction 0.1 \
		--dictionary configs/small_dict.txt --use-space-char --min-length 3 --max-length 20 --difficulty 0.5
	$(RUN) -m training.train -c configs/fine_tune.yml -o Global.save_model_dir=$(OUTPUT) \
		Global.epoch_num=1 Global.eval_batch_step=30 Train.loader.batch_size_per_card=32
	$(RUN) -m export -c configs/fine_tune.yml --checkpoint $(OUTPUT)/best_accuracy --network Student \
		--output-dir $(OUTPUT)/export --images images --fp16
	$(RUN) -m benchmarks.accuracy --labels $(OUTPUT)/lines/val.txt \
		--models models/latin/student.onnx $(OUTPUT)/export/student.onnx
	$(RUN) -m runtime.infer images --model $(OUTPUT)/export/student.onnx \
		--output $(OUTPUT)/readings.jsonl --labels images/labels.txt
	$(RUN) -m runtime.infer pages --pages --model $(OUTPUT)/export/student.onnx --format txt

# One process a core and four at most, each with a thread of its own; a file's tests stay in one
# process. One that crashes ends the run: pytest-xdist would wait for the rest of its file forever.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not slow and not gpu" -n $(JOBS) --dist loadfile \
		--max-worker-restart 0

# What takes longer: the many-kills resume test and the like. DISTILREC_PADDLEOCR may name a checkout of
# PaddleOCR, DISTILREC_PADDLEX_PYTHON a Python with PaddleX, for tests side by side with them.
test-slow: $(VENV)/.installed-dev
	$(RUN) -m pytest -m slow --timeout 3600

# On a machine with a GPU, ten minutes: the tests, then what only a GPU shows, into GPU_RESULT. What is
# not installed (TensorRT, onnxruntime-gpu) is left out and said. On a bare machine without a registry
# PYTHON=python3 VENV= takes what is there. DISTILREC_ONNX and DISTILREC_PLAN name a model and its
# engine, DISTILREC_DATA a folder of line images, DISTILREC_GOLDEN one of PaddleOCR's numbers,
# DISTILREC_MINUTES how long random shapes are run (1).
GPU_RESULT ?= output/gpu.json
test-gpu: $(if $(VENV),$(VENV)/.installed-dev)
	$(GPU_RUN) -m pytest -m gpu
	$(GPU_RUN) -m benchmarks.gpu --output $(GPU_RESULT) $(if $(DISTILREC_PLAN),--plan $(DISTILREC_PLAN))

# Everything measured and one page of it, on an idle machine. DATA=PACKS reads real lines too;
# BENCH_OPTIONS e.g. '--quick' or '--paddleocr ../PaddleOCR'.
bench: $(VENV)/.installed-dev
	$(RUN) -m benchmarks.suite --output output/bench $(if $(DATA),--data $(DATA)) $(BENCH_OPTIONS)

# The documentation as pages in output/site; a link that leads nowhere is an error.
site: $(VENV)/.installed-site
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing distilrec[$*] into $(VENV) …"
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --progress-bar on -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) output
