"""Folders on many machines: shards of images to readers that Ray starts, results in input order.

Ray's actors and object store alone: `Recognizer` batches and prepares within a shard, and the
command line writes, goes on and counts as for one process.
"""
