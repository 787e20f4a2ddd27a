"""What finds values in a text. One detector a file."""
