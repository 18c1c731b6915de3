"""The library's own decoding: prefill, sampling, and a cache of prefixes."""
