"""How fast text is found in pages, beside RapidOCR, and how well."""
