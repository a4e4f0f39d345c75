/** Matrix multiplication. */
@NullMarked
package io.quern.cpu.gemm;

import org.jspecify.annotations.NullMarked;
