"""What commands import when they run, imported beforehand by the process that forks them (`tests.processes`)."""

import gc

import matplotlib

matplotlib.use("Agg")

import accelerate  # noqa: F401
import matplotlib.pyplot
import scipy.stats  # noqa: F401
import transformers.models.llama.modeling_llama  # noqa: F401

import bench.pools.rerank
import bench.runs.run
import bench.report.trainings  # noqa: F401
import policies.backends.transformers
import policies.grpo.train  # noqa: F401
import prms.prm  # noqa: F401
import verifiers.grading.mathematics
import verifiers.reward_models.train_orm  # noqa: F401

gc.collect()
gc.freeze()  # or each fork would copy the pages of what its first collection looks at
