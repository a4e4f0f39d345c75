/** Chains of elementwise functions as one loop. */
@NullMarked
package io.quern.cpu.fused;

import org.jspecify.annotations.NullMarked;
