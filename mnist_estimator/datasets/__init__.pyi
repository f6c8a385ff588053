from ._mnist import load_mnist as load_mnist
