"""Lines without their labels: what an ONNX file reads in them, for arms that learn from that."""

from __future__ import annotations

from pathlib import Path

from benchmarks.distillation.lines import ChosenLines
from runtime.recognition.charset import Charset
from training.distillation.teacher.section import TeacherPlan
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.unlabelled.judging import Demands
from training.recognition.unlabelled.labelling import Labelling, label


def label_rest(
    lines: ChosenLines, onnx: Path, charset: Charset, max_text_length: int, folder: Path
) -> tuple[Path, int]:
    """Let an ONNX file read the lines that were not drawn, unless that is done.

    Returns:
        The label file and the number of its lines.

    Raises:
        OcrError: if the file cannot be used, or too little is read.
    """
    teacher = LineTeacher(TeacherPlan("OnnxTeacher", "--onnx", str(onnx)), charset)
    teacher.check()
    output = folder / "unlabelled.tsv"
    report = label(
        Labelling(
            images=(f"@{lines.rest}",),
            are_pages=False,
            demands=Demands(),
            detector=None,
            max_text_length=max_text_length,
            output=output,
            crops=folder / "unlabelled_lines",
        ),
        teacher,
    )
    print("\n".join(report.lines()))
    return output, report.num_kept
