"""What the test of shapes in mnist_estimator/recognition/_digit_shape.py was made from."""
