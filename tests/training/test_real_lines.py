"""PP-OCRv2's distillation config, as PaddleOCR's users have it, on real lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = "configs/ch_PP-OCRv2_rec_distillation.yml"


@pytest.mark.slow
def test_pp_ocrv2_distillation_trains_on_real_lines(real_lines: Path, tmp_path: Path):
    pack = real_lines / "ic15_words"
    labels = {name: (pack / f"{name}.tsv").read_text("utf-8") for name in ("train", "val")}
    characters = {
        character for line in labels["train"].splitlines() for character in line.split("\t")[1]
    }
    dictionary = tmp_path / "dictionary.txt"
    dictionary.write_text("\n".join(sorted(characters - {" "})) + "\n", encoding="utf-8")
    (tmp_path / "val.tsv").write_text("\n".join(labels["val"].splitlines()[:32]) + "\n", "utf-8")
    overrides = {
        "Global.character_dict_path": dictionary,
        "Global.save_model_dir": tmp_path / "out",
        "Global.epoch_num": 1,
        "Global.print_batch_step": 1,
        "Train.dataset.data_dir": pack,
        "Train.dataset.label_file_list": f"[{pack / 'train.tsv'}]",
        "Train.dataset.ratio_list": 0.03,
        "Eval.dataset.data_dir": pack,
        "Eval.dataset.label_file_list": f"[{tmp_path / 'val.tsv'}]",
        "Train.loader.batch_size_per_card": 16,
        "Eval.loader.batch_size_per_card": 16,
    }
    command = [sys.executable, "-m", "training.train", "-c", CONFIG, "-o"]
    command += [f"{key}={value}" for key, value in overrides.items()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    records = [
        json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()
    ]
    losses = [record["loss"] for record in records if record["kind"] == "train"]
    assert len(losses) == 7  # 120 lines, the last incomplete batch left out
    assert {"acc", "Teacher_acc"} <= records[-1].keys()
