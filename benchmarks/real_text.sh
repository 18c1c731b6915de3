#!/usr/bin/env bash
# Verifiers of real text: a discriminative, a direct generative and a GenRM-CoT verifier of one base model, trained by
# LoRA on rows of GSM8K, and all three on a saved pool of GSM8K and on solutions of MATH-500 by the base (easy to hard).
#
#   MODEL=FOLDER DATA=FOLDER bash benchmarks/real_text.sh
#
# DATA holds genrm_train.jsonl.gz, genrm_pool_dev.jsonl.gz and math500.jsonl. Sizes are meant for one GPU, where they
# have not been tried. On a CPU with instructions for bfloat16: DEVICE=cpu HALF=yes PARTS=4 STEPS=60 PROBLEMS=12;
# without them leave HALF out, and take a third of the steps. A base of 0.5B came to 14 GB there; its three
# trainings take about two hours of one core. Killed, the same command goes on.
set -euo pipefail
out=${OUT:-runs/real-text} steps=${STEPS:-300} rows=${ROWS:-8} problems=${PROBLEMS:-60} votes=${VOTES:-2}
tokens=${TOKENS:-1024} # at most, of a solution and its rationale together
parts=${PARTS:-1} device=${DEVICE:-cuda}
engine=transformers half=() dtype=""
if [ "$device" = cuda ]; then engine=vllm HALF=${HALF:-yes}; fi
if [ "${HALF:-no}" = yes ]; then half=(--bf16) dtype=,dtype=bfloat16; fi

train() { # NAME KIND STEPS [OPTIONS]
    stepbeam train "$2" "$DATA/genrm_train.jsonl.gz" --base "$MODEL" --out "$out/$1" --steps "$3" --batch-size "$rows" \
        --accumulate "$parts" --lora-rank 16 --learning-rate 2e-4 --max-length 768 --save-every 20 "${half[@]}" "${@:4}"
}
# Rows without rationales are shorter: by as much more steps, as on the page of the embedded tasks.
train orm orm $((steps * 3 / 2)) --balance
train direct genrm $((steps * 3 / 2)) --balance --mode direct
train cot genrm "$steps" --balance --mode cot

scorers=(
    --scorer "orm=orm:$out/orm$dtype" --scorer "direct=genrm:$out/direct$dtype"
    --scorer "cot=genrm:$out/cot,votes=$votes,max_tokens=$tokens$dtype"
    --max-failed 1 # a weak model's rationales may all come to no verdict
)
stepbeam rerank "$DATA/genrm_pool_dev.jsonl.gz" --limit "$problems" --answers gsm8k --n 16 "${scorers[@]}" \
    --out "$out/gsm8k"
stepbeam run --task "math500:$DATA/math500.jsonl" --policy "$engine:$MODEL" --limit "$problems" --n 8 \
    --strategies best_of_n,self_consistency "${scorers[@]}" --out "$out/math500"
