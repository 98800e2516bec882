"""The order of work."""

from wcse_jax.sampling import schedule


def _request(problem, index=0):
  return schedule.Request(
    problem_id=problem,
    sample_index=index,
    prompt=f'prompt of {problem}',
    temperature=1.0,
  )


NUM_TOKENS = {'prompt of a': 10, 'prompt of b': 30, 'prompt of c': 20}


def test_requests_of_a_prompt_stay_together_the_longest_first():
  requests = [_request(p, i) for i in range(2) for p in 'abc']
  groups = schedule.groups(requests, NUM_TOKENS, {})
  assert groups == [[1, 4], [2, 5], [0, 3]]


def test_what_is_known_of_a_problem_goes_before_its_question():
  requests = [_request(p) for p in 'abc']
  # a's samples have 4 tokens per token of its question: b: 120, c: 80.
  groups = schedule.groups(requests, NUM_TOKENS, {'a': 40.0})
  assert groups == [[1], [2], [0]]
  groups = schedule.groups(requests, NUM_TOKENS, {'a': 40.0, 'b': 20.0})
  assert groups == [[0], [2], [1]], 'c: 20 * 60 / 40 = 30'


def test_ledgers_add_up_and_subtract():
  one = schedule.Ledger(samples=3, tokens=10, waiting_tokens=8, refill_idle=2)
  assert one.slots_busy == 0.8
  assert one.plus(one).tokens == 20
  assert one.plus(one, -1) == schedule.Ledger()
  assert schedule.Ledger().slots_busy is None
