"""Pages that nobody labelled: listed, cropped anywhere, learnt from a teacher's map alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.errors import DatasetError
from tests.training.detection.pages import draw, page
from tests.training.detection.plans import CROP, reread
from tests.training.detection.teacher.test_runs import DILATED, LEARNS, MUTUAL, taught
from training.data.sample import Sample
from training.data.synthetic.pages import SyntheticPages
from training.data.unlabelled import UnlabelledImages
from training.detection.augment.crop import EastRandomCropData
from training.detection.augment.random_crop import RandomCrop
from training.detection.labels import DetLabelEncode, read_polygons
from training.detection.maps import MakeBorderMap, MakeShrinkMap
from training.detection.teacher.page_teacher import PageTeacher
from training.detection.unlabelled import PageLister
from training.loop.logs import read_metrics
from training.run import build_run
from training.train import train

LISTER = PageLister()


def images_of(folder: Path, *names: str) -> UnlabelledImages:
    images = tuple(str(folder / name) for name in names)
    return UnlabelledImages(images, "pages", folder / "made" / "pages.tsv", {})


def test_pages_are_listed_without_a_label(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), page().image)
    several = [page(seed=seed).image for seed in range(2)]
    cv2.imwritemulti(str(tmp_path / "c.tif"), several)
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.4 and nothing")
    (said, failed) = LISTER.label(images_of(tmp_path, "a.png", "b.jpg", "c.tif", "d.pdf"))
    assert "4 pages without labels" in said and "1 could not be read" in failed
    rows = (tmp_path / "made" / "pages.tsv").read_text(encoding="utf-8").splitlines()
    names, labels = zip(*(row.split("\t") for row in rows), strict=True)
    assert set(labels) == {"null"}
    assert np.array_equal(cv2.imread(str(tmp_path / "made" / names[3])), several[1])


def test_no_page_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.4 and nothing")
    with pytest.raises(DatasetError, match=r"no pages in .*: expected images or PDF files"):
        LISTER.label(images_of(tmp_path, "d.pdf"))
    assert not (tmp_path / "made" / "pages.tsv").exists()


def test_its_label_has_no_text_and_is_none_that_lacks_text() -> None:
    assert read_polygons("null", "x").polys.shape == (0, 4, 2)
    with pytest.raises(DatasetError):
        read_polygons("[]", "x")


@pytest.mark.parametrize("crop", [EastRandomCropData, RandomCrop], ids=lambda kind: kind.__name__)
def test_any_part_is_cropped_and_nothing_in_it_counts(crop: Any) -> None:
    parts = set()
    for seed in range(6):
        sample = Sample(page(seed=1).image, "null", "x")
        for step in (DetLabelEncode(), crop(size=[CROP, CROP]), MakeBorderMap(), MakeShrinkMap()):
            sample = step(sample, draw(seed))
        assert sample.image.shape == (CROP, CROP, 3)
        for name in ("shrink_map", "shrink_mask", "threshold_mask"):
            assert not sample.values[name].any()
        parts.add(sample.image.tobytes())
    assert len(parts) == 6


def test_a_detector_learns_the_teachers_map_of_them(tmp_path: Path) -> None:
    config = taught(tmp_path, LEARNS, DILATED, MUTUAL)
    dataset = config.sections["Train"]["dataset"]
    data = tmp_path / "train_data"
    config.sections["Train"]["dataset"] = {
        "name": "UnlabelledDataSet",
        "images": [str(data)],
        "output": str(tmp_path / "made" / "pages.tsv"),
        "data_dir": str(data),
        "label_file_list": [str(data / "train_list.txt")],
        "ratio_list": [0.5, 1.0],
        "transforms": dataset["transforms"],
    }
    part = build_run(reread(config, tmp_path)).data("Train")
    said = "\n".join(part.report.lines())
    assert "12 pages kept" in said and "6 pages that nobody labelled" in said
    figures = train(reread(config, tmp_path))
    assert "hmean" in figures["last"]
    records = [r for r in read_metrics(tmp_path / "out" / "metrics.jsonl") if "lr" in r]
    assert len(records) == 2 * 5
    for record in records:
        assert math.isfinite(record["loss"]) and record["dila_dbloss_Student_Teacher"] > 0


def test_rapidocrs_detector_teaches_on_pages_that_nobody_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PP-OCRv6 small; what it marked in one run is there for the next."""
    rapidocr = pytest.importorskip("rapidocr")
    model = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_det_small.onnx"
    if not model.is_file():
        pytest.skip(f"rapidocr has no {model.name}")
    pages = tmp_path / "pages"
    pages.mkdir()
    drawn = SyntheticPages(count=2, seed=4, kinds=["receipt"], long_side=320)
    for number in range(2):
        cv2.imwrite(str(pages / f"{number}.png"), drawn.page(number).image)
    config = taught(tmp_path, DILATED, MUTUAL, onnx=str(model))
    config.sections["Train"]["dataset"] = {
        "name": "UnlabelledDataSet",
        "images": [str(pages)],
        "output": str(tmp_path / "made" / "pages.tsv"),
        "transforms": config.sections["Train"]["dataset"]["transforms"],
    }
    asked = []
    ask = PageTeacher._ask

    def counted(teacher: PageTeacher, image: Any) -> Any:
        asked.append(image.shape)
        return ask(teacher, image)

    monkeypatch.setattr(PageTeacher, "_ask", counted)
    losses = []
    for name in ("first", "second"):
        train(reread(config, tmp_path, f"Global.save_model_dir={tmp_path / name}"))
        records = [r for r in read_metrics(tmp_path / name / "metrics.jsonl") if "lr" in r]
        losses.append([record["loss"] for record in records])
        assert len(asked) == 4  # two crops in each of two steps, in the first run alone
    assert len(losses[0]) == 2 and all(map(math.isfinite, losses[0]))
    assert losses[0] == losses[1]
