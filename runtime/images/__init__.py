"""Any image file to one BGR image, and any name to such files."""
