"""Writes PaddleOCR's `inference.yml`, so that PaddleOCR 3 and PaddleX read the exported model.

A distillation config would give `DistillationCTCLabelDecode`, which they refuse: the Student
alone is decoded with `CTCLabelDecode`.
"""

from __future__ import annotations

import yaml

from runtime.recognition.spec import RecognizerSpec

DEFAULT_MODEL_NAME = "PP-OCRv3_mobile_rec"
"""PaddleX looks its readers up by a name it knows; this one's reads a dictionary from the file."""
_WIDTH_PX = 320


def inference_yml(spec: RecognizerSpec, model_name: str = "") -> str:
    """Return the content of `inference.yml`.

    Args:
        spec: of the exported network.
        model_name: under which PaddleX shall know it; `DEFAULT_MODEL_NAME` when empty.
    """
    width = spec.width.max_px if spec.width.min_px == spec.width.max_px else _WIDTH_PX
    content = {
        "Global": {"model_name": model_name or DEFAULT_MODEL_NAME},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": spec.color_order}},
                {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
                {"RecResizeImg": {"image_shape": [spec.channels, spec.height, width]}},
                {"KeepKeys": {"keep_keys": ["image", "label_ctc", "label_gtc", "length"]}},
            ]
        },
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(spec.listed_characters)},
    }
    text: str = yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    return text


class _Dumper(yaml.SafeDumper):
    """Escapes what cannot be printed; PyYAML by itself folds U+0085 into a space."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)
