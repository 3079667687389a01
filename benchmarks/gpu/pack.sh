#!/usr/bin/env bash
# Collect what run.sh needs on a machine without network: packages, the sources of llama-cpp-python,
# and CMake. Run it where package registries can be reached.
#
#   benchmarks/gpu/pack.sh [FOLDER] [PYTHON_VERSION]
#
# FOLDER is build/gpu by default, and PYTHON_VERSION, that of the GPU machine, 3.12.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-build/gpu} version=${2:-3.12}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$folder"
export PIP_DISABLE_PIP_VERSION_CHECK=1 XZ_OPT="-6 -T0"

# pip matches the numbers of manylinux exactly.
target=(--only-binary=:all: --python-version "$version" --implementation cp)
for glibc in 39 35 34 31 28 27 26 24 17 12 5; do target+=(--platform "manylinux_2_${glibc}_x86_64"); done
target+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)

# torch is too large to be carried. accelerate and hqq would bring it.
python3 - > "$scratch/requirements.txt" <<'PYTHON'
import re
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
left_out = {"llama-cpp-python", "torch", "accelerate", "hqq"}
for line in project["dependencies"] + extras["transformers"]:
    if re.match(r"[\w-]+", line)[0] not in left_out:
        print(line)
# Of the tests, of llama-cpp-python's server, and of hqq.
print("pytest\npytest-asyncio\npytest-timeout\nhypothesis\ndiskcache\nuvicorn\nfastapi\npydantic-settings")
print("sse-starlette\nstarlette-context<0.4\npyyaml\ntermcolor\norjson")
PYTHON
echo "Packages for Python $version"
pip install --quiet --no-compile --target "$scratch/site" "${target[@]}" -r "$scratch/requirements.txt"
pip wheel --quiet --no-deps --wheel-dir "$scratch" hqq  # it has no wheel
pip install --quiet --no-compile --target "$scratch/site" "${target[@]}" --no-deps accelerate \
  "$scratch"/hqq-*.whl
rm -rf "$scratch"/site/{bin,share,etc,hf_xet,widgetsnbextension} "$scratch"/site/{*,numpy/*}/tests
tar -C "$scratch/site" --exclude __pycache__ --exclude '*.pyi' -cJf "$folder/site.tar.xz" .

echo "Sources of llama-cpp-python"
pip download --quiet --no-deps --no-binary llama-cpp-python -d "$scratch" \
  "$(grep -oE 'llama-cpp-python>=[^"]+' pyproject.toml | head -1)"
mkdir "$scratch/source"
# Only the backends that are built. The build of the rest of llama.cpp is switched off in run.sh.
tar -C "$scratch/source" --strip-components 1 -xzf "$scratch"/llama_cpp_python-*.tar.gz \
  --exclude '*/.git' --exclude '*/tools/ui' --exclude '*/tools/server' --exclude '*/examples' \
  --exclude '*/docs' --exclude '*/gguf-py' --exclude '*/models/*.gguf' --exclude '*/media' \
  --exclude '*/benches'
find "$scratch/source/vendor/llama.cpp/ggml/src" -mindepth 1 -maxdepth 1 -type d \
  ! -name ggml-cpu ! -name ggml-cuda -exec rm -rf {} +
tar -C "$scratch/source" -cJf "$folder/llama.tar.xz" .

echo "CMake and Ninja"
pip install --quiet --target "$scratch/tools" "${target[@]}" cmake ninja
mkdir -p "$scratch/cmake"
cp -r "$scratch"/tools/cmake/data/bin "$scratch"/tools/cmake/data/share "$scratch/cmake"
cp "$(find "$scratch/tools" -type f -name ninja | head -1)" "$scratch/cmake/bin/ninja"
rm -rf "$scratch"/cmake/bin/{cpack,ctest} "$scratch"/cmake/share/cmake-*/Help
tar -C "$scratch/cmake" -cJf "$folder/cmake.tar.xz" .

echo "$version" > "$folder/python-version"
ls -l "$folder"
size=$(du -sk "$folder" | cut -f1)
[ "$size" -lt 60000 ] || { echo "$folder has $size kB; it should have less than 60,000." >&2; exit 1; }
