"""The command `distilrec`, which calls the commands of all wings; no wing imports it."""
