"""Labels the lines of a config's data set before training."""

from __future__ import annotations

from dataclasses import dataclass

from training.data.unlabelled import UnlabelledImages
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.unlabelled.judging import Demands
from training.recognition.unlabelled.labelling import Labelling, crops_beside, label


@dataclass(frozen=True)
class LineLabeller:
    """The `Labeller` of recognition: lines are read, and kept where the teacher is sure.

    Args:
        teacher: reads.
        max_text_length: characters of the longest label.
    """

    teacher: LineTeacher
    max_text_length: int

    def label(self, images: UnlabelledImages) -> list[str]:
        """Write the label file of the lines that are kept; return the report's lines."""
        options = dict(images.options)
        detector = options.pop("detector")
        order = Labelling(
            images=images.images,
            are_pages=images.kind == "pages",
            demands=Demands(**options),
            detector=detector,
            max_text_length=self.max_text_length,
            output=images.output,
            crops=crops_beside(images.output),
        )
        report = label(order, self.teacher)
        return [
            f"{images.output}: {line}" if not place else line
            for place, line in enumerate(report.lines())
        ]
