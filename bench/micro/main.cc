// All micro benchmarks in one program; --benchmark_filter chooses.

#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
