"""Label files, LMDB, rendered lines and pages, augmentation, batches; none of it imports paddle."""
