"""Systems that are read through their API, page by page."""
