"""How fast and how well whole pages are read, beside RapidOCR and faster-paddle."""
