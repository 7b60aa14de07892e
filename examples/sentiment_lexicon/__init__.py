"""How the sentiment lexicon was learnt from a corpus, and how to learn one's own."""
