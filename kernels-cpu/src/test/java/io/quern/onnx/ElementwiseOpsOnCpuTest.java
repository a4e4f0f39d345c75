package io.quern.onnx;

/** The same on the CPU's kernels, whose functions are polynomials. */
class ElementwiseOpsOnCpuTest extends ElementwiseOpsTest {}
