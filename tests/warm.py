"""What commands import when they run, imported beforehand by the process that forks them (`tests.processes`)."""

import gc

import matplotlib

matplotlib.use("Agg")

import accelerate  # noqa: E402, F401
import matplotlib.pyplot  # noqa: E402, F401
import scipy.stats  # noqa: E402, F401
import transformers.models.llama.modeling_llama  # noqa: E402, F401

import bench.pools.rerank  # noqa: E402, F401
import bench.runs.run  # noqa: E402, F401
import bench.training.report  # noqa: E402, F401
import policies.backends.transformers  # noqa: E402, F401
import policies.grpo.train  # noqa: E402, F401
import prms.prm  # noqa: E402, F401
import verifiers.grading.mathematics  # noqa: E402, F401
import verifiers.reward_models.train_orm  # noqa: E402, F401

gc.collect()
gc.freeze()  # or each fork would copy the pages of what its first collection looks at
