"""From a folder to token ids and tensors: loading, prompts, chat templates, steps."""
