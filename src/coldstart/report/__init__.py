"""The page that shows a run: figures and HTML from records, one self-contained file."""
