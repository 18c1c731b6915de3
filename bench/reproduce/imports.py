"""What the work of reproductions imports, for the process that its workers are forked from."""

import accelerate  # noqa: F401
import transformers.models.llama.modeling_llama  # noqa: F401

import policies.grpo.train  # noqa: F401
import prms.training  # noqa: F401
import verifiers.reward_models.train_orm  # noqa: F401
