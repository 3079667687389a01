#!/usr/bin/env bash
# Build llama-cpp-python for this machine's GPU, check and measure, and write a JSON report. Needs a
# CUDA toolkit, a C++ compiler, the Python that pack.sh packed for, and no network. Takes 10 minutes.
#
#   benchmarks/gpu/run.sh [--pack FOLDER] [--work FOLDER] [--report FILE] [--seconds N] [--cpu]
#
# --pack     what pack.sh made; build/gpu by default
# --work     a folder for the build and the models; a new one in /tmp by default
# --report   the report; gpu-report.json by default
# --seconds  phases that do not fit into this time are left out; 600 by default
# --cpu      build without CUDA and use a small model, to try the script itself
set -euo pipefail
pack= work= report=gpu-report.json seconds=600 cpu=
while [ $# -gt 0 ]; do
  case $1 in
    --pack) pack=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --report) report=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --cpu) cpu=1; shift ;;
    *) echo "$0: unknown option $1" >&2; exit 2 ;;
  esac
done
began=$(date +%s)
repository=$(cd "$(dirname "$0")/../.." && pwd)
pack=$(cd "${pack:-$repository/build/gpu}" && pwd)
work=${work:-$(mktemp -d /tmp/power-gpu.XXXXXX)}
report=$(realpath -m "$report")
python=python$(cat "$pack/python-version")
log() { echo "[$(($(date +%s) - began)) s] $*"; }

log "unpack to $work"
mkdir -p "$work"/{site,source,cmake}
for part in site cmake; do tar -C "$work/$part" -xJf "$pack/$part.tar.xz"; done
tar -C "$work/source" -xJf "$pack/llama.tar.xz"
export PATH=$work/cmake/bin:$PATH
export PYTHONPATH=$work/site:$repository PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1

options=(-DCMAKE_BUILD_TYPE=Release -DSKBUILD_PLATLIB_DIR="$work/site"
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF
  -DLLAMA_BUILD_APP=OFF)
if [ -z "$cpu" ]; then
  architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  options+=(-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$architecture-real" -DGGML_CUDA_NCCL=OFF)
fi
log "build: ${options[*]}"
cmake -G Ninja -S "$work/source" -B "$work/build" "${options[@]}" > "$work/build.log" 2>&1 &&
  cmake --build "$work/build" --target llama mtmd >> "$work/build.log" 2>&1 || { tail -40 "$work/build.log"; exit 1; }
cp -r "$work/source/llama_cpp" "$work/site"
mkdir -p "$work/site/llama_cpp/lib"
find "$work/build" -name '*.so*' -exec cp -P {} "$work/site/llama_cpp/lib" \;
built=$(($(date +%s) - began))
log "built"

cd "$work"
"$python" "$repository/benchmarks/gpu/report.py" "$report" --work "$work" \
  --deadline $((began + seconds)) --build-seconds "$built" ${cpu:+--cpu}
log "the report is $report"
