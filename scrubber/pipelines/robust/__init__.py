"""The robustness checks: whether what was unlearned stays so when the model is quantised, trained on, prompted or compared."""
