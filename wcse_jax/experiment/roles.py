"""The models of a config that sample, as arms name them."""

GENERATORS = ('wc', 'se')
ANCHOR = 'se'  # the one of them whose samples budgets are counted in
