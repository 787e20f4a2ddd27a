"""The demo: a private corpus, a model that has learnt it, and the release flow over both."""
