"""How fast each family of recognisers reads here, and what memory it takes."""
