"""Necks of text detection by PaddleOCR's names: features at four scales -> one map of features."""

from training.detection.necks.db_fpn import DBFPN
from training.detection.necks.lk_pan import LKPAN, RepLKPAN
from training.detection.necks.rse_fpn import RSEFPN, RepLKFPN
from training.registry import Registry

NECKS = Registry(
    "neck",
    {
        "DBFPN": DBFPN,
        "LKPAN": LKPAN,
        "RSEFPN": RSEFPN,
        "RepLKFPN": RepLKFPN,
        "RepLKPAN": RepLKPAN,
    },
    injected=frozenset({"in_channels"}),
    unused=frozenset({"mode"}),  # LKPAN's, which PaddleOCR takes and leaves aside in the others
)
