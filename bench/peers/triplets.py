"""Times scikit-learn's randomized_svd: FILE ROWS COLUMNS K, where FILE holds a
float32 matrix row by row. For each line of input it decomposes once, and prints the
seconds and the K singular values."""

import sys
import time

import numpy
from sklearn.utils.extmath import randomized_svd

path, rows, columns, k = sys.argv[1], *map(int, sys.argv[2:5])
matrix = numpy.fromfile(path, dtype=numpy.float32).reshape(rows, columns)
randomized_svd(matrix[:64, :64], n_components=4, random_state=0)  # what a first call loads
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    values = randomized_svd(matrix, n_components=k, random_state=0)[1]
    print(time.perf_counter() - start, *values, flush=True)
