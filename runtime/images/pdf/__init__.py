"""Pages of PDF files: their pixels, and the text that stands in the file."""
