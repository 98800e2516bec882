"""The nano ladder's tokenizer with marks of turns, and prompts in turns."""

import pathlib

from sentencepiece import sentencepiece_model_pb2 as model_pb2

from wcse_jax.models import checkpoint

CONTROL, USER_DEFINED = 3, 4
# The last pieces of the vocabulary, which arithmetic does not need.
MARKS = {'<start_of_turn>': USER_DEFINED, '<end_of_turn>': CONTROL}
GEMMA4 = {
  **dict.fromkeys(('<|turn>', '<turn|>', '<|think|>'), USER_DEFINED),
  **dict.fromkeys(('<|channel>', '<channel|>'), CONTROL),
}
PROMPT = """
turns = "gemma3"
user = '{question} End with "The answer is" and the number.'

[[examples]]
question = "Tom has 20 eggs and sells 6. How many are left?"
solution = "20-6=14. The answer is 14."
"""


def tokenizer(folder: pathlib.Path, marks=MARKS) -> pathlib.Path:
  """Writes the tokenizer, its last pieces being marks; returns its path."""
  model = model_pb2.ModelProto()
  model.ParseFromString((checkpoint.NANO / 'tokenizer.model').read_bytes())
  for place, (mark, kind) in enumerate(marks.items(), 1):
    piece = model.pieces[-place]
    piece.piece, piece.type, piece.score = mark, kind, 0.0
  folder.mkdir(exist_ok=True)
  path = folder / 'tokenizer.model'
  path.write_bytes(model.SerializeToString())
  return path


def weights(folder: pathlib.Path) -> None:
  """Puts weights of nano_wc beside a tokenizer."""
  source = checkpoint.NANO / 'nano_wc.safetensors'
  (folder / 'params.safetensors').write_bytes(source.read_bytes())
