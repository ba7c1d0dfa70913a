"""Label files, LMDB, rendered lines and pages, augmentation and batches; none of it imports paddle."""
