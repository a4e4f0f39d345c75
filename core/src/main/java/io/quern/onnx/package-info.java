/**
 * Models of the <a href="https://onnx.ai">ONNX</a> format: read in place from a mapped file,
 * checked as a whole, and run as plans; written from traced functions.
 */
@NullMarked
package io.quern.onnx;

import org.jspecify.annotations.NullMarked;
