"""What exists once for all tests: a fixture that modules import would exist once in each of them."""

from spark import spark_cluster

__all__ = ["spark_cluster"]
