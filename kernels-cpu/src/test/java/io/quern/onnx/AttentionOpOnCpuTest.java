package io.quern.onnx;

/** The same on the CPU's kernels, of which one takes all steps at once. */
class AttentionOpOnCpuTest extends AttentionOpTest {}
