"""Where samples come from: transformers, vLLM, saved generations, scripts."""
