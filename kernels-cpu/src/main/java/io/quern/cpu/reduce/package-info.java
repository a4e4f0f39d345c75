/** Reductions. */
@NullMarked
package io.quern.cpu.reduce;

import org.jspecify.annotations.NullMarked;
