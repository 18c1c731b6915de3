"""How good scorers are: label quality, reliability, ProcessBench."""
