"""READ: records exactly as the system gives them."""
