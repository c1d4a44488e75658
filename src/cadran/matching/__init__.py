"""Which records may be the same person or company: proposals, and what people decided of them."""
