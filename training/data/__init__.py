"""Label files, LMDB, synthetic lines, augmentation and batches; none of it imports paddle."""
