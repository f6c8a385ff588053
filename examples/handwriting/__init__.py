"""Pages of handwritten digits, made by a program: strokes of a pen, and a photo of the paper."""
