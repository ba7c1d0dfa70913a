"""Heads of text detection by PaddleOCR's names: features -> maps of the image's size."""

from training.detection.heads.db_head import DBHead
from training.detection.heads.pf_head import PFHeadLocal
from training.registry import Registry

HEADS = Registry(
    "head",
    {"DBHead": DBHead, "PFHeadLocal": PFHeadLocal},
    injected=frozenset({"in_channels", "out_channels"}),
)
