"""Reads folders on many machines: Ray starts readers, which read shards of the images.

Only Ray's actors and object store are used: what a task names batches and prepares within a shard,
and the command line writes, resumes and counts as with a single process. Results keep the input
order. Nothing here knows a task: an `Opening` says what a reader opens.
"""
