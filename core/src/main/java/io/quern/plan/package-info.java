/** Graphs made ready to run: kernels chosen, memory laid out. */
@NullMarked
package io.quern.plan;

import org.jspecify.annotations.NullMarked;
