"""A server that answers each request of OpenAI's chat protocol by a search."""
