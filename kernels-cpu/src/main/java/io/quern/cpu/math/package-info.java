/** Functions of float, scalar and vector, with the same bits. */
@NullMarked
package io.quern.cpu.math;

import org.jspecify.annotations.NullMarked;
