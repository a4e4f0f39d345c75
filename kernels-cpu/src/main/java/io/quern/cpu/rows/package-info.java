/** Kernels that treat each row as a whole: softmax, normalisation. */
@NullMarked
package io.quern.cpu.rows;

import org.jspecify.annotations.NullMarked;
