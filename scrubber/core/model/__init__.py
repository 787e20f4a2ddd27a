"""The only room for transformers, peft, bitsandbytes and accelerate."""
